// What the heads of a store's queues must say, counted anew from all of its items, slowly and in another way:
// plain loops over what `list` answers, or over the rows of a file. And what items must have inherited, from
// their dependencies alone.
import assert from 'node:assert/strict'
import { type Dependency, hasEnded, type StoredItem } from '../../src/core/work/item.ts'
import type { QueueHead } from '../../src/core/work/queue-head.ts'
import { serves } from './actions.ts'

/** An item, as far as heads depend on it. */
export interface CountedItem
  extends Pick<
    StoredItem,
    | 'id'
    | 'modelId'
    | 'tenant'
    | 'pipeline'
    | 'state'
    | 'priority'
    | 'effectivePriority'
    | 'deadlineAtMs'
    | 'latestEndAtMs'
    | 'submittedAtMs'
    | 'readyAtMs'
  > {
  dependencies: readonly Pick<Dependency, 'id'>[]
  /** Its place in the queue, where it is known. */
  turn?: number | null
}

/** Of what is served, by model id. A head's deadline is the earliest of its ready items after `sweptAtMs`.
 * Who is first in a level needs the turns: without them it is one of those that came at the same time. */
export function recount(items: readonly CountedItem[], sweptAtMs = Number.NEGATIVE_INFINITY): QueueHead[] {
  const byId = new Map(items.map((each) => [each.id, each]))
  const heads: QueueHead[] = []
  const served = items.filter(({ pipeline }) => serves(pipeline))
  for (const modelId of [...new Set(served.map((each) => each.modelId))].sort()) {
    const own = served.filter((each) => each.modelId === modelId)
    const ready = own.filter(({ state }) => state === 'ready')
    const blockedCount = own.filter(({ state }) => state === 'blocked' || state === 'scheduled').length
    if (ready.length + blockedCount === 0) continue
    const ends = ready.flatMap(({ latestEndAtMs }) =>
      latestEndAtMs !== null && latestEndAtMs > sweptAtMs ? [latestEndAtMs] : [],
    )
    const latestEndAtMs = ends.length > 0 ? Math.min(...ends) : null
    const waitsOn = openDependencies(own, byId)
    heads.push({
      modelId,
      readyCount: ready.length,
      blockedCount,
      levels: levelsOf(ready),
      latestEndAtMs,
      waitsOn,
    })
  }
  return heads
}

function levelsOf(ready: readonly CountedItem[]): QueueHead['levels'] {
  const levels = new Map<string, CountedItem[]>()
  for (const each of ready) {
    const key = JSON.stringify([each.effectivePriority, each.tenant])
    levels.set(key, [...(levels.get(key) ?? []), each])
  }
  const heads = [...levels.values()].map((level) => {
    const { effectivePriority: priority, tenant } = level[0]!
    const sum = level.reduce((total, { submittedAtMs }) => total + BigInt(submittedAtMs), 0n)
    // Halves are rounded up, as Math.round does.
    const submittedMeanMs = Number((2n * sum + BigInt(level.length)) / (2n * BigInt(level.length)))
    const first = level.toSorted((a, b) => (a.turn ?? 0) - (b.turn ?? 0))[0]!
    return { priority, tenant, count: level.length, submittedMeanMs, oldestReadyAtMs: first.readyAtMs! }
  })
  const name = (tenant: string | null) => tenant ?? ''
  return heads.sort((a, b) => b.priority - a.priority || (name(a.tenant) < name(b.tenant) ? -1 : 1))
}

function openDependencies(own: readonly CountedItem[], byId: ReadonlyMap<string, CountedItem>) {
  const counts = new Map<string, number>()
  for (const { state, dependencies } of own) {
    if (state !== 'blocked') continue
    for (const { id } of dependencies) {
      const { state: parentState, modelId, pipeline } = byId.get(id)!
      if (!hasEnded(parentState) && serves(pipeline)) counts.set(modelId, (counts.get(modelId) ?? 0) + 1)
    }
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([modelId, count]) => ({ modelId, count }))
}

/** What an item has is at least what it inherits from those that wait for it, and at most what it inherits
 * from all that ever waited for it: what it has inherited stays with it. The two are one where nobody stopped
 * waiting before its time. */
export function checkInheritance(items: readonly CountedItem[], leadMs: (modelId: string) => number): void {
  const isWaiting = ({ state }: CountedItem) => state === 'blocked'
  const least = inherited(items, leadMs, isWaiting)
  const most = inherited(items, leadMs, () => true)
  for (const { id, state, effectivePriority, latestEndAtMs } of items) {
    if (hasEnded(state)) continue
    const [low, high] = [least.get(id)!, most.get(id)!]
    assert.ok(effectivePriority >= low.priority, `${id} has ${effectivePriority}, inherits ${low.priority}`)
    assert.ok(effectivePriority <= high.priority, `${id} has ${effectivePriority}, at most ${high.priority}`)
    const endAtMs = latestEndAtMs ?? Number.POSITIVE_INFINITY
    assert.ok(endAtMs <= low.endAtMs, `${id} must end by ${endAtMs}, inherits ${low.endAtMs}`)
    assert.ok(endAtMs >= high.endAtMs, `${id} must end by ${endAtMs}, at the earliest ${high.endAtMs}`)
  }
}

interface Inherited {
  priority: number
  endAtMs: number
}

/** What each item has by itself and from those that wait for it, over any number of edges. */
function inherited(
  items: readonly CountedItem[],
  leadMs: (modelId: string) => number,
  waits: (child: CountedItem) => boolean,
): Map<string, Inherited> {
  const has = new Map<string, Inherited>()
  for (const { id, priority, deadlineAtMs } of items)
    has.set(id, { priority, endAtMs: deadlineAtMs ?? Number.POSITIVE_INFINITY })
  // No way is longer. There may be circles through items that are done: nobody waits along them.
  let isChanged = true
  for (let round = 0; isChanged && round < items.length; round++) {
    isChanged = false
    for (const child of items.filter(waits)) {
      const from = has.get(child.id)!
      for (const { id } of child.dependencies) {
        const parent = has.get(id)!
        const priority = Math.max(parent.priority, from.priority)
        const endAtMs = Math.min(parent.endAtMs, from.endAtMs - leadMs(child.modelId))
        if (priority === parent.priority && endAtMs === parent.endAtMs) continue
        has.set(id, { priority, endAtMs })
        isChanged = true
      }
    }
  }
  return has
}
