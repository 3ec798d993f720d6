// What one run has learned, the next one knows: written, read back, and left out where it is not of the same
// model.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/support/folder.ts'
import { defineModel, type Model, runMs } from '../core/model.ts'
import { defaultPolicy } from '../core/policy.ts'
import { residentBytesOn } from '../core/state/footprint.ts'
import { profilesOf, restoreProfiles } from '../core/state/profile.ts'
import { createState } from '../core/state/state.ts'
import type { RunnerSpec } from '../runners/runner.ts'
import { readProfiles, writeProfiles } from './profiles.ts'

const folder = temporaryFolder('profiles')
const file = join(folder, 'a.profiles.json')

const spec: RunnerSpec = {
  modelId: 'm',
  kind: 'module',
  file: '/m.ts',
  options: {},
  environment: {},
  cwd: '/',
  timeouts: {},
}
const model = defineModel({
  id: 'm',
  vram: '2GB',
  loadMs: 1000,
  batch: { max: 8, overheadMs: 0, perItemMs: 100 },
})
const declared = (each: Model = model, options: unknown = {}) => ({
  models: [each],
  runnerSpecs: new Map([['m', { ...spec, options }]]),
})
const create = (models: Model[] = [model]) =>
  createState(models, [{ id: 'gpu', kind: 'host', capacityBytes: 10e9 }], defaultPolicy)

const learned = [
  {
    modelId: 'm',
    footprints: [
      {
        kind: 'host',
        residentBytes: 1e9,
        residentCount: 4,
        loadingBytes: 0,
        active: [{ itemCount: 8, seenCount: 6, bytes: 5e7, batchCount: 9 }],
        errorRatio: 0.5,
      },
    ],
    batchLimits: [{ kind: 'host', isForMemory: true, itemCount: 4, cleanCount: 2, beforeCount: null }],
    pace: { ratio: 3, batchCount: 12 },
    load: { expectedMs: 7000, sampleCount: 4 },
  },
]

test('a new state knows what was learned, and tells the same again', () => {
  const state = create()
  restoreProfiles(state, learned)
  const each = state.modelById.get('m')!
  assert.equal(residentBytesOn(each, state.deviceById.get('gpu')!), 1.02e9, 'and not what is declared')
  assert.equal(runMs(each.model, 2), 600)
  assert.equal(each.loadMs, 7000)
  assert.equal(state.loads.loadCount('m'), 0, 'this run has loaded nothing yet: it may be preloaded')
  assert.equal(each.batchLimits[0]!.itemCount, 4)
  assert.deepEqual(profilesOf(state), learned)
  assert.deepEqual(profilesOf(create()), [], 'nothing was learned of a model that never ran')
})

test('a file gives back what was written; of a model that has changed, nothing', () => {
  writeProfiles(file, learned, declared())
  assert.deepEqual(readProfiles(file, declared()), learned)
  assert.deepEqual(readProfiles(file, declared(defineModel({ id: 'm', vram: '3GB' }))), [])
  assert.deepEqual(readProfiles(file, declared(model, { quantized: true })), [])
  assert.deepEqual(readProfiles(join(folder, 'none.json'), declared()), [])
})

test('a torn or foreign file is as none, and a full disk leaves the old one', () => {
  const text = readFileSync(file, 'utf8')
  for (const bad of [
    text.slice(0, text.length / 2),
    '',
    '[]',
    '{"version":2,"models":[]}',
    text.replace('1000000000', '-1'),
  ]) {
    writeFileSync(file, bad)
    assert.deepEqual(readProfiles(file, declared()), [], bad.slice(0, 30))
  }
  writeProfiles(join(folder, 'no-folder', 'a.json'), learned, declared())
  assert.equal(existsSync(join(folder, 'no-folder')), false)
})
