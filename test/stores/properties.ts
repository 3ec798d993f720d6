// What must hold of a store after anything that is asked of it, as properties over small worlds; part of the
// suite that `testStore` runs. The heads of the queues, which a store keeps as counts, are compared with a
// recount from its items.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { hasEnded } from '../../src/core/work/item.ts'
import type { QueueHead } from '../../src/core/work/queue-head.ts'
import { allItems, type Store, type StoredItem } from '../../src/stores/store.ts'
import { actions, dayAtMs, perform, resolver, serves, worldOf } from './actions.ts'
import type { StoreUnderTest } from './conformance.ts'
import { checkInheritance, recount } from './heads.ts'

export function testStoreProperties({ test, name, open }: StoreUnderTest): void {
  const check = (title: string, passingMs: fc.Arbitrary<number>) =>
    test(`${name}: ${title}`, () =>
      fc.assert(
        fc.asyncProperty(actions(passingMs, { steps: true }), async (steps) => {
          const world = worldOf(await open({ resolver, serves }))
          try {
            let nowMs = dayAtMs
            let latestMs = dayAtMs
            for (const each of steps) {
              nowMs += each.afterMs
              latestMs = Math.max(latestMs, nowMs)
              await perform(world, each, nowMs)
              await checkItems(world.store, latestMs, each)
            }
            await checkEvents(world.store)
          } finally {
            await world.store.close()
          }
        }),
        { numRuns: 40 },
      ))
  check('its heads equal a recount of its items, and its events their states', fc.nat(40))
  check('a clock that jumps backwards does no harm', fc.integer({ min: -100_000, max: 100_000 }))
}

async function checkItems(store: Store, nowMs: number, after: unknown): Promise<void> {
  const items = await allItems(store)
  compareHeads(await store.queueHeads(), items, nowMs, JSON.stringify(after))
  for (const item of items) checkItem(item)
  checkInheritance(items, () => 0)
}

/** Who is first in a level needs the turn, which items do not show: the moment must be that of one of them. A
 * deadline that has passed may still be shown, until the next sweep. */
function compareHeads(
  heads: readonly QueueHead[],
  items: readonly StoredItem[],
  nowMs: number,
  after: string,
): void {
  for (const { modelId, levels, latestEndAtMs } of heads) {
    const served = items.filter((item) => item.modelId === modelId && serves(item.pipeline))
    const ready = served.filter(({ state }) => state === 'ready')
    for (const { priority, tenant, oldestReadyAtMs } of levels) {
      const own = ready.filter((item) => item.effectivePriority === priority && item.tenant === tenant)
      const moments = own.map(({ readyAtMs }) => readyAtMs)
      assert.ok(moments.includes(oldestReadyAtMs), `${modelId} ${priority} since ${oldestReadyAtMs}`)
    }
    const ends = ready.flatMap((item) => item.latestEndAtMs ?? [])
    const ahead = ends.filter((each) => each > nowMs)
    if (latestEndAtMs !== null) assert.ok(ends.includes(latestEndAtMs), 'a deadline of an item that waits')
    if (ahead.length > 0) assert.ok(latestEndAtMs !== null && latestEndAtMs <= Math.min(...ahead))
  }
  assert.deepEqual(heads.map(withoutMoments), recount(items).map(withoutMoments), after)
}

function withoutMoments({ latestEndAtMs, levels, ...head }: QueueHead) {
  return { ...head, levels: levels.map(({ oldestReadyAtMs, ...level }) => level) }
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
