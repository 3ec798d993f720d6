// How long the rest of a run takes, from items in a real store and a state as the run's would be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../core/decide/decide.ts'
import { defineModel, type ModelOptions } from '../core/model.ts'
import { defaultPolicy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import type { EventOf } from '../core/state/events.ts'
import { restoreProfiles } from '../core/state/profile.ts'
import { createState, type State } from '../core/state/state.ts'
import { type NewItemOptions, newItem } from '../core/work/item.ts'
import { openMemoryStore } from '../stores/memory.ts'
import { forecastRest, forecastStart } from './rest.ts'

const gb = 1e9
const batch = { overheadMs: 0, perItemMs: 1000, max: 1 }
const model = (id: string, more: Partial<ModelOptions> = {}) =>
  defineModel({ id, vram: '4GB', loadMs: 5000, unloadMs: 0, batch, ...more })
const noShapes = new Map()

/** A store with the items, and a state on 8 GB that has been told of them. */
async function world(models: readonly ReturnType<typeof model>[], items: readonly NewItemOptions[]) {
  const store = openMemoryStore()
  await store.submit(
    items.map((each) => newItem(each)),
    0,
  )
  const gpu = { id: 'gpu', kind: 'nvidia', capacityBytes: 8 * gb, safetyRatio: 1 }
  const state = createState(models, [gpu], defaultPolicy)
  apply(state, { type: 'queue-changed', atMs: 0, heads: await store.queueHeads() })
  return { store, state }
}

/** Issues the commands that come first and ends the load among them well. */
function load(state: State, modelId: string): void {
  const command = decide(state, 0).command!
  assert.deepEqual([command.type, command.modelId], ['start-load', modelId])
  apply(state, { type: 'command-issued', atMs: 0, command })
  const { instanceId } = command as { instanceId: string }
  const measured = { loadMs: null, residentBytes: null, maxBatch: null }
  apply(state, { type: 'load-finished', atMs: 0, instanceId, ...measured })
}

function read(state: State, more: Partial<EventOf<'memory-observed'>>): void {
  const reading = { deviceId: 'gpu', capacityBytes: 8 * gb, foreignBytes: 0, bytesByInstance: {} }
  apply(state, { type: 'memory-observed', atMs: 0, ...reading, ...more })
}

/** What three loads have shown of a model. */
const seen = (modelId: string, residentBytes: number) => ({
  modelId,
  footprints: [
    { kind: 'nvidia', residentBytes, residentCount: 3, loadingBytes: 0, active: [], errorRatio: 0 },
  ],
  batchLimits: [],
  pace: { ratio: 1, batchCount: 0 },
  load: { expectedMs: 5000, sampleCount: 0 },
})

const three = [1, 2, 3].map((number) => ({ id: `a${number}`, modelId: 'a' }))

test('counts the load of a model that is not there, and none of one that is', async () => {
  const { store, state } = await world([model('a')], three)
  assert.equal(await forecastRest(store, state, noShapes, 0), 5000 + 3000)
  load(state, 'a')
  assert.equal(await forecastRest(store, state, noShapes, 0), 3000)
  assert.equal(
    await forecastRest(store, state, noShapes, 0, { isRunning: false }),
    5000 + 3000,
    'a run that is not on',
  )
})

test('goes by the times that the run has learned', async () => {
  const { store, state } = await world([model('a')], three)
  const load = { expectedMs: 9000, sampleCount: 3 }
  const pace = { ratio: 2, batchCount: 5 }
  restoreProfiles(state, [{ modelId: 'a', footprints: [], batchLimits: [], pace, load }])
  assert.equal(await forecastRest(store, state, noShapes, 0), 9000 + 3 * 2000)
})

test('goes by the memory that was learned: what is loaded may be more than was declared to fit', async () => {
  const models = ['a', 'b', 'c'].map((id) => model(id))
  const { store, state } = await world(
    models,
    models.map(({ id }) => ({ id: `${id}1`, modelId: id })),
  )
  restoreProfiles(
    state,
    models.map(({ id }) => seen(id, 2 * gb)),
  )
  for (const { id } of models) load(state, id)
  assert.equal(state.devices[0]!.ledger.residentBytes, 3 * 2.04 * gb, 'all three are loaded')
  assert.equal(await forecastRest(store, state, noShapes, 0), 3000)
})

test('gives a model of which no size is known a whole device, as its first load does', async () => {
  const { store, state } = await world(
    ['a', 'b'].map((id) => defineModel({ id, loadMs: 5000, unloadMs: 0, batch })),
    [
      { id: 'a1', modelId: 'a' },
      { id: 'b1', modelId: 'b' },
    ],
  )
  assert.equal(await forecastRest(store, state, noShapes, 0), 2 * (5000 + 1000), 'one after the other')
  restoreProfiles(
    state,
    ['a', 'b'].map((id) => seen(id, 2 * gb)),
  )
  assert.equal(await forecastRest(store, state, noShapes, 0), 2 * 5000 + 1000, 'both have room')
})

test('leaves out what is loaded and has no room any longer', async () => {
  const { store, state } = await world([model('a'), model('b')], [...three, { id: 'b1', modelId: 'b' }])
  load(state, 'a')
  load(state, 'b')
  assert.equal(await forecastRest(store, state, noShapes, 0), 4000)
  const bytesByInstance = { 'a-1': 4 * gb, 'b-2': 4 * gb }
  read(state, { foreignBytes: 3 * gb, bytesByInstance })
  assert.equal(
    await forecastRest(store, state, noShapes, 0),
    3000 + 5000 + 1000,
    'one goes and is loaded again',
  )
  read(state, { foreignBytes: 5 * gb, bytesByInstance })
  assert.equal(await forecastRest(store, state, noShapes, 0), null, 'others hold too much')
  read(state, { fault: 'it has fallen off the bus' })
  assert.equal(await forecastRest(store, state, noShapes, 0), null, 'nothing is loaded on it')
})

test('is null when nothing is left, and reckoned where too much is left to be simulated', async () => {
  const none = await world([model('a')], [])
  assert.equal(await forecastRest(none.store, none.state, noShapes, 0), null)
  const items = Array.from({ length: 6000 }, (_, index) => ({ id: `a${index}`, modelId: 'a' }))
  const many = await world([model('a')], items)
  const unread = { list: () => assert.fail('the items are not read') }
  assert.equal(await forecastRest(unread, many.state, noShapes, 0), 6000 * 1000 + 5000)
  assert.equal(await forecastStart(unread, many.state, noShapes, 0, 'a1'), null)
})

test('foresees when an item starts, also one that waits for others', async () => {
  const models = [model('a'), model('b', { vram: '2GB' })]
  const items = [...three, { id: 'b1', modelId: 'b', dependencies: ['a2'] }]
  const { store, state } = await world(models, items)
  const startOf = (id: string) => forecastStart(store, state, noShapes, 0, id)
  assert.deepEqual(await Promise.all(['a1', 'a2', 'a3'].map(startOf)), [5000, 6000, 7000])
  assert.equal(await startOf('b1'), 10_000, 'its model is loaded after the first, meanwhile a2 has ended')
  assert.equal(await startOf('nobody'), null)
})

test('a batch that runs now is not put behind what waits', async () => {
  const { store, state } = await world([model('a')], three)
  load(state, 'a')
  const order = {
    interactiveFrom: 101,
    urgentBeforeMs: null,
    overdueBeforeMs: Number.NEGATIVE_INFINITY,
    shares: [],
  }
  await store.claim({ modelId: 'a', maxCount: 1, order, leaseMs: 60_000 }, 0)
  assert.equal(await forecastStart(store, state, noShapes, 0, 'a2'), 1000)
})
