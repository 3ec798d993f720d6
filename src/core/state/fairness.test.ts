// Tenants and deadlines: what they change in a queue, and between queues.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../decide/decide.ts'
import { defineModel } from '../model.ts'
import { parsePolicy } from '../policy.ts'
import { emptyHead, type LevelHead, type QueueHead } from '../work/queue-head.ts'
import { apply } from './apply.ts'
import type { SchedulerEvent } from './events.ts'
import { sharesOf, weightOf } from './fairness.ts'
import { createState, type State } from './state.ts'

/** Runs a second an item. */
const models = ['a', 'b'].map((id) =>
  defineModel({ id, vram: '4GB', loadMs: 2000, batch: { max: 4, overheadMs: 0, perItemMs: 1000 } }),
)

function create(gb: number, policy: Record<string, unknown> = {}): State {
  const device = { id: 'gpu', kind: 'static', capacityBytes: gb * 1e9, safetyRatio: 1 }
  return createState(models, [device], parsePolicy(policy))
}

function show(state: State, atMs: number, ...heads: QueueHead[]): void {
  apply(state, { type: 'queue-changed', atMs, heads })
}

function head(
  modelId: string,
  counts: Record<string, number>,
  latestEndAtMs: number | null = null,
): QueueHead {
  const levels = Object.entries(counts).map(
    ([tenant, count]): LevelHead => ({
      priority: 0,
      tenant: tenant || null,
      count,
      submittedMeanMs: 0,
      oldestReadyAtMs: 0,
    }),
  )
  const readyCount = levels.reduce((sum, { count }) => sum + count, 0)
  return { ...emptyHead(modelId), readyCount, levels, latestEndAtMs }
}

/** Carries a command out at once, and answers with it in words. */
function act(state: State, nowMs: number): string | null {
  const { command } = decide(state, nowMs)
  if (!command) return null
  const tell = (event: SchedulerEvent) => apply(state, event)
  tell({ type: 'command-issued', atMs: nowMs, command })
  if (command.type === 'start-load') {
    const { instanceId } = command
    tell({
      type: 'load-finished',
      atMs: nowMs,
      instanceId,
      loadMs: 2000,
      residentBytes: null,
      maxBatch: null,
    })
    return `load ${command.modelId}`
  }
  if (command.type === 'stop-instance') {
    tell({ type: 'memory-released', atMs: nowMs, instanceId: command.instanceId })
    return `stop ${command.modelId}`
  }
  return command.type === 'run-batch' ? `run ${command.modelId} ≤ ${command.maxCount}` : command.type
}

test('charges compute and loads to who causes them, over their weights', () => {
  const state = create(8, { tenants: { ann: 2 } })
  show(state, 0, head('a', { ann: 3, bob: 1 }))
  assert.equal(act(state, 0), 'load a')
  const served = () => [...state.tenants.values()].map(({ id, servedMs }) => [id, servedMs])
  assert.deepEqual(served(), [
    ['ann', 750],
    ['bob', 500],
  ])
  assert.equal(act(state, 0), 'run a ≤ 4')
  apply(state, {
    type: 'batch-claimed',
    atMs: 0,
    batchId: 'batch-1',
    itemCount: 4,
    countByTenant: { ann: 3, bob: 1 },
  })
  assert.deepEqual(served(), [
    ['ann', 2250],
    ['bob', 1500],
  ])
  assert.deepEqual(sharesOf(state, state.models[0]!), [
    { tenant: 'ann', servedMs: 2250, itemMs: 500 },
    { tenant: 'bob', servedMs: 1500, itemMs: 1000 },
  ])
})

test('a tenant that comes back begins where the least served one is: idling saves nothing up', () => {
  const state = create(8)
  show(state, 0, head('a', { ann: 4 }))
  state.tenants.get('ann')!.servedMs = 50_000
  show(state, 0, head('a', { ann: 4, bob: 4 }))
  assert.equal(state.tenants.get('bob')!.servedMs, 50_000)
})

test('a tenant that is ahead weighs half for each horizon, and its queue waits for the others', () => {
  const state = create(8, { fairnessHorizon: '10s' })
  show(state, 0, head('a', { ann: 40 }), head('b', { bob: 10 }))
  for (const _ of ['a', 'b']) act(state, 0)
  assert.equal(act(state, 100_000), 'run a ≤ 4')
  state.tenants.get('ann')!.servedMs += 30_000
  assert.ok(weightOf(state, 'ann', state.tenants.get('bob')!.servedMs) < 0.13)
  apply(state, { type: 'batch-claimed', atMs: 0, batchId: 'batch-1', itemCount: 4 })
  apply(state, {
    type: 'batch-finished',
    atMs: 0,
    batchId: 'batch-1',
    failedCount: 0,
    runMs: 4000,
    peakBytes: null,
  })
  show(state, 100_000, head('a', { ann: 40 }))
  assert.equal(act(state, 100_000), 'run b ≤ 4')
})

test('where no item names a tenant nothing is kept', () => {
  const state = create(8)
  show(state, 0, head('a', { '': 4 }))
  assert.equal(state.tenants.size, 0)
  assert.deepEqual(sharesOf(state, state.models[0]!), [])
})

test('an item goes first when the next decision would be too late for its deadline, in a batch that keeps it', () => {
  const state = create(8)
  show(state, 0, head('a', { '': 40 }), head('b', { '': 2 }, 30_000))
  for (const _ of ['a', 'b']) act(state, 0)
  assert.equal(act(state, 1000), 'run a ≤ 4', 'there is time for another batch')
  const again = create(8)
  show(again, 0, head('a', { '': 40 }), head('b', { '': 4 }, 30_000))
  for (const _ of ['a', 'b']) act(again, 0)
  assert.equal(act(again, 27_500), 'run b ≤ 2', 'four items would end too late')
})

test('what cannot keep its deadline any more waits like the rest', () => {
  const state = create(8)
  show(state, 0, head('a', { '': 40 }), head('b', { '': 2 }, 30_000))
  for (const _ of ['a', 'b']) act(state, 0)
  assert.equal(act(state, 29_500), 'run a ≤ 4')
})

test('a deadline brings a model in as soon as its load and its run would be too late after another batch', () => {
  const state = create(4)
  show(state, 0, head('a', { '': 40 }))
  act(state, 0)
  Object.assign(state.models[0]!.instances[0]!, { batchCount: 1, quotaCount: 0 }) // it has had its visit
  show(state, 5000, head('b', { '': 1 }, 20_000))
  assert.equal(act(state, 5000), 'run a ≤ 4')
  const { wakeAtMs } = decide({ ...state, isDraining: true }, 5000) as { wakeAtMs: number }
  assert.equal(wakeAtMs, 20_000 - 1000 - 2000 - 4000, 'and says when to look again')
})
