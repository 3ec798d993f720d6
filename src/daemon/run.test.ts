import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineModel } from '../core/model.ts'
import { defaultPolicy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import { createState, type State } from '../core/state/state.ts'
import { emptyHead } from '../core/work/queue-head.ts'
import { isRunOver } from './run.ts'

const never = Number.POSITIVE_INFINITY

function stateWith(readyCount: number, blockedCount: number): State {
  const gpu = { id: 'gpu', kind: 'static', capacityBytes: 1e9 }
  const state = createState([defineModel({ id: 'a', vram: '1GB' })], [gpu], defaultPolicy)
  const head = { ...emptyHead('a'), readyCount, blockedCount }
  apply(state, { type: 'queue-changed', atMs: 1, heads: [head] })
  return state
}

test('a run is over when nothing is left that could run', () => {
  assert.equal(isRunOver({ state: stateWith(0, 0), dueAtMs: never }), true)
  assert.equal(isRunOver({ state: stateWith(1, 0), dueAtMs: never }), false)
  assert.equal(isRunOver({ state: stateWith(0, 1), dueAtMs: 5000 }), false, 'a retry will be due')
})

test('a run is over although items are blocked, when they wait for nothing that comes by itself', () => {
  assert.equal(isRunOver({ state: stateWith(0, 2), dueAtMs: never }), true, 'for items of another pipeline')
})

test('after the start of a drain no more is asked for than the end of what runs', () => {
  const state = stateWith(3, 2)
  apply(state, { type: 'drain-started', atMs: 2 })
  assert.equal(isRunOver({ state, dueAtMs: 5000 }), true)
})
