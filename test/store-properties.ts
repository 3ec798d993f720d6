// What must hold of a store after anything that is asked of it, as properties over small worlds; part of the suite that
// `testStore` runs. The heads of the queues, which a store keeps as counts, are compared with a recount from its items.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ClaimOrder, QueueHead } from '../src/core/queue-head.ts'
import { hasEnded, newItem } from '../src/core/work-item.ts'
import { allItems, type Outcome, type Store, type StoredItem } from '../src/stores/store.ts'
import type { StoreUnderTest } from './store-conformance.ts'

/** Sums of times of this size are larger than the integers that a double holds. */
const dayAtMs = 1_790_000_000_000

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('submit' as const), edges: fc.array(fc.nat(20), { maxLength: 3 }), policy: fc.constantFrom('fail' as const, 'skip' as const, 'continue' as const), priority: fc.integer({ min: 6, max: 9 }), tenant: fc.constantFrom(null, null, 'ann', 'bob'), deadlineInMs: fc.option(fc.nat(300), { nil: null }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('claim' as const), count: fc.integer({ min: 1, max: 3 }), isOverdue: fc.boolean(), isUrgent: fc.boolean(), annHasHadMs: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('finish' as const), pick: fc.nat(9), how: fc.constantFrom('done' as const, 'fail' as const, 'release' as const), retryable: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('cancel' as const, 'retry' as const), pick: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('sweep' as const, 'releaseAll' as const, 'unknown' as const) }) },
) // biome-ignore format: a table

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface World {
  store: Store
  ids: string[]
  held: { id: string; token: string }[]
}

export function testStoreProperties({ test, name, open }: StoreUnderTest): void {
  const check = (title: string, moveMs: fc.Arbitrary<number>) =>
    test(`${name}: ${title}`, () =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(step, moveMs), { minLength: 5, maxLength: 40 }), async (steps) => {
          const world: World = { store: await open(), ids: [], held: [] }
          try {
            let nowMs = dayAtMs
            let latestMs = dayAtMs
            for (const [each, ms] of steps) {
              nowMs += ms
              latestMs = Math.max(latestMs, nowMs)
              await act(world, each, nowMs)
              const items = await allItems(world.store)
              compareHeads(await world.store.queueHeads(), items, JSON.stringify(each))
              compareDeadlines(await world.store.queueHeads(), items, latestMs)
              for (const item of items) checkItem(item)
              checkLending(items)
            }
            await checkEvents(world.store)
          } finally {
            await world.store.close()
          }
        }),
        { numRuns: 40 },
      ))
  check('its heads equal a recount of its items, and its events their states', fc.nat(80))
  check('a clock that jumps backwards does no harm', fc.integer({ min: -100_000, max: 100_000 }))
}

async function act({ store, ids, held }: World, each: Step, nowMs: number): Promise<void> {
  if (each.type === 'submit') {
    const dependencies = each.edges.flatMap((edge) =>
      ids.length > 0 ? [{ id: ids[edge % ids.length]!, policy: each.policy }] : [],
    )
    const id = `i${ids.length}`
    const modelId = ids.length % 2 ? 'a' : 'b'
    const { priority, tenant, deadlineInMs } = each
    const deadlineAtMs = deadlineInMs === null ? null : nowMs + deadlineInMs
    const item = newItem({ id, modelId, dependencies, priority, tenant, deadlineAtMs, maxAttempts: 2 })
    await store.submit([item], nowMs)
    ids.push(id)
  } else if (each.type === 'claim') {
    for (const modelId of ['a', 'b']) {
      const order = orderOf(each, each.isOverdue ? nowMs + 1 : 0, nowMs)
      const { token, items } = await store.claim(
        { modelId, maxCount: each.count, order, leaseMs: 100 },
        nowMs,
      )
      held.push(...items.map(({ id }) => ({ id, token })))
    }
  } else if (each.type === 'finish') {
    const holder = held[each.pick % Math.max(1, held.length)]
    if (!holder) return
    const { id, token } = holder
    const error = { code: 'RUN_FAILED', message: 'chance' }
    const outcome: Outcome =
      each.how === 'fail'
        ? { type: 'fail', id, error, retryable: each.retryable, retryAtMs: nowMs + 50 }
        : { type: each.how, id, output: id }
    const before = (await store.get(id))!
    const { stale } = await store.finish(token, [outcome], nowMs)
    if (stale.length > 0) assert.deepEqual(await store.get(id), before, 'a stale token changes nothing')
  } else if (each.type === 'sweep') await store.sweep(nowMs)
  else if (each.type === 'releaseAll') await store.releaseAll(nowMs)
  else if (each.type === 'unknown')
    await assert.rejects(store.cancel(['nobody'], nowMs), { code: 'UNKNOWN_ITEM' })
  else {
    const { type, pick } = each as Extract<Step, { pick: number; type: 'cancel' | 'retry' }>
    if (ids.length > 0) await store[type]([ids[pick % ids.length]!], nowMs)
  }
}

export function orderOf(
  { isUrgent, annHasHadMs }: { isUrgent: boolean; annHasHadMs: number },
  overdueBeforeMs: number,
  nowMs: number,
): ClaimOrder {
  return {
    interactiveFrom: 8,
    urgentBeforeMs: isUrgent ? nowMs + 150 : null,
    overdueBeforeMs,
    shares: [
      { tenant: 'ann', servedMs: annHasHadMs, itemMs: 1 },
      { tenant: 'bob', servedMs: 1, itemMs: 1 },
    ],
  }
}

/** Who is first in a level needs the turn, which items do not show: the moment must be that of one of them. */
function compareHeads(heads: readonly QueueHead[], items: readonly StoredItem[], after: string): void {
  for (const { modelId, levels } of heads) {
    for (const { priority, tenant, oldestReadyAtMs } of levels) {
      const moments = readyOf(items, modelId, priority, tenant).map(({ readyAtMs }) => readyAtMs)
      assert.ok(moments.includes(oldestReadyAtMs), `${modelId} ${priority} since ${oldestReadyAtMs}`)
    }
  }
  const counted = heads.map(({ latestEndAtMs, ...head }) => ({
    ...head,
    levels: head.levels.map(({ oldestReadyAtMs, ...level }) => level),
  }))
  assert.deepEqual(counted, recount(items), after)
}

/** A deadline that has passed may still be shown, until the next sweep. */
function compareDeadlines(heads: readonly QueueHead[], items: readonly StoredItem[], nowMs: number): void {
  for (const { modelId, latestEndAtMs } of heads) {
    const all = readyOf(items, modelId).flatMap((item) =>
      item.latestEndAtMs === null ? [] : [item.latestEndAtMs],
    )
    const ahead = all.filter((each) => each > nowMs)
    if (latestEndAtMs !== null) assert.ok(all.includes(latestEndAtMs), 'a deadline of an item that waits')
    if (ahead.length > 0) assert.ok(latestEndAtMs !== null && latestEndAtMs <= Math.min(...ahead))
  }
}

/** What waits has at least the priority, and at most the deadline, of what waits for it. */
function checkLending(items: readonly StoredItem[]): void {
  const byId = new Map(items.map((item) => [item.id, item]))
  for (const child of items) {
    if (child.state !== 'blocked') continue
    for (const { id } of child.dependencies) {
      const parent = byId.get(id)!
      if (hasEnded(parent.state)) continue
      assert.ok(parent.effectivePriority >= child.effectivePriority, `${id} has the priority of ${child.id}`)
      if (child.latestEndAtMs !== null) assert.ok(parent.latestEndAtMs! <= child.latestEndAtMs)
    }
  }
}

function readyOf(
  items: readonly StoredItem[],
  modelId: string,
  priority?: number,
  tenant?: string | null,
): StoredItem[] {
  return items.filter(
    (item) =>
      item.modelId === modelId &&
      item.state === 'ready' &&
      (priority === undefined || item.effectivePriority === priority) &&
      (tenant === undefined || item.tenant === tenant),
  )
}

/** What the heads must say, from the items alone. */
function recount(items: readonly StoredItem[]) {
  const byId = new Map(items.map((item) => [item.id, item]))
  return ['a', 'b'].flatMap((modelId) => {
    const own = items.filter((item) => item.modelId === modelId)
    const ready = readyOf(items, modelId)
    const blockedCount = own.filter(({ state }) => state === 'blocked' || state === 'scheduled').length
    if (ready.length + blockedCount === 0) return []
    const priorities = [...new Set(ready.map((item) => item.effectivePriority))].sort((a, b) => b - a)
    const levels = priorities.flatMap((priority) =>
      [null, 'ann', 'bob'].flatMap((tenant) => {
        const level = readyOf(items, modelId, priority, tenant)
        if (level.length === 0) return []
        const sumMs = level.reduce((sum, { submittedAtMs }) => sum + submittedAtMs, 0)
        return [{ priority, tenant, count: level.length, submittedMeanMs: Math.round(sumMs / level.length) }]
      }),
    )
    const open = own
      .filter(({ state }) => state === 'blocked')
      .flatMap(({ dependencies }) => [...new Set(dependencies.map(({ id }) => byId.get(id)!))])
      .filter(({ state }) => !hasEnded(state))
      .map((parent) => parent.modelId)
    const waitsOn = [...new Set(open)]
      .sort()
      .map((id) => ({ modelId: id, count: open.filter((each) => each === id).length }))
    return [{ modelId, readyCount: ready.length, blockedCount, levels, waitsOn }]
  })
}

function checkItem({ id, state, attempt, maxAttempts, output, startedAtMs, endedAtMs }: StoredItem): void {
  assert.ok(attempt >= 0 && attempt <= maxAttempts, `${id} has attempt ${attempt} of ${maxAttempts}`)
  assert.equal(endedAtMs !== null, hasEnded(state), `${id} has an end when it has ended`)
  assert.ok(state !== 'leased' || (startedAtMs !== null && attempt > 0), `${id} runs since a moment`)
  assert.equal(output !== null, state === 'done', `${id} has an output when it is done`)
}

/** The last event of an item is its state; no event is missing or told twice. */
async function checkEvents(store: Store): Promise<void> {
  const events = await store.events(0, 10_000)
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map((_, index) => index + 1),
  )
  const last = new Map(events.map(({ itemId, state, attempt }) => [itemId, [state, attempt]]))
  for (const { id, state, attempt } of await allItems(store))
    assert.deepEqual(last.get(id), [state, attempt], id)
}
