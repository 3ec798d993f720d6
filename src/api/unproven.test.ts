// What a run says at its end of instances that it could not prove gone. A process that does not react to KILL
// cannot be made for a test, so the state is what the daemon's would be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../core/decide/decide.ts'
import { defineModel } from '../core/model.ts'
import { defaultPolicy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import { createState } from '../core/state/state.ts'
import { emptyHead } from '../core/work/queue-head.ts'
import { formatUnproven, unprovenOf } from './unproven.ts'

function stateWith(vram: string | number) {
  const gpu = { id: 'gpu0', kind: 'nvidia', capacityBytes: 16e9 }
  const state = createState([defineModel({ id: 'ocr', vram })], [gpu], defaultPolicy)
  const level = { priority: 0, tenant: null, count: 1, submittedMeanMs: 0, oldestReadyAtMs: 0 }
  const head = { ...emptyHead('ocr'), readyCount: 1, levels: [level] }
  apply(state, { type: 'queue-changed', atMs: 0, heads: [head] })
  apply(state, { type: 'command-issued', atMs: 0, command: decide(state, 0).command! })
  apply(state, { type: 'instance-failed', atMs: 0, instanceId: 'ocr-1', message: 'ended' })
  return state
}

test('names the process that does not end, the memory that it may hold, and what to do', () => {
  const state = stateWith('2GB')
  const cause = 'process 4242 (python3), which does not react to KILL'
  apply(state, { type: 'release-delayed', atMs: 5000, instanceId: 'ocr-1', cause })
  const [left, ...others] = unprovenOf(state, ['ocr-1', 'gone-7'])
  assert.deepEqual(others, [], 'one that is no longer known is back')
  assert.deepEqual(left, { instanceId: 'ocr-1', deviceId: 'gpu0', bytes: 2e9, cause })
  assert.equal(
    formatUnproven(left!),
    'It could not be proven that the 2 GB of ocr-1 on gpu0 are back: process 4242 (python3), which does not react to KILL. The next run looks for it before it promises any memory; `plimsoll doctor` shows whether it is still there.',
  )
})

test('says of a worker without device memory that it is not gone, also when the cause is not known', () => {
  const [left] = unprovenOf(stateWith(0), ['ocr-1'])
  assert.match(
    formatUnproven(left!),
    /^It could not be proven that ocr-1 is gone: why is not known yet\. The next/,
  )
})
