// What passes an edge from an item to one that waits for it: how it ended, and what ended because of that.
import { type EdgePolicy, hasEnded, type ItemState, satisfies } from './item.ts'
import type { GraphRow, WorkingSet } from './working-set.ts'

/** It ended so that items which wait for it over an edge of this policy do not go on. */
export function isBadEnd(state: ItemState, policy: EdgePolicy): boolean {
  return hasEnded(state) && !satisfies(state) && policy !== 'continue'
}

/** How a bad end passes an edge: fail keeps the kind of end (failed, cancelled), skip makes it skipped. */
export function passedOnState(state: ItemState, policy: EdgePolicy): ItemState {
  if (policy === 'skip') return 'skipped'
  return state === 'cancelled' ? 'cancelled' : 'failed'
}

/** A user may have it done once more. */
export function isRetryable(state: ItemState): boolean {
  return state === 'failed' || state === 'cancelled'
}

/** The earlier of two moments; null is no moment. */
export function earlier(aMs: number | null, bMs: number | null): number | null {
  if (aMs === null || bMs === null) return aMs ?? bMs
  return Math.min(aMs, bMs)
}

/** The items, those that ended after them, and the parts of a fan-out that did not end well (without them it
 * could not end well either), over any number of edges. What went on without an item saw null in its place.
 * One that was itself cancelled stays so. */
export function withDependents<Row extends GraphRow>(set: WorkingSet<Row>, rows: readonly Row[]): Set<Row> {
  const waiting = [...rows]
  const chosen = new Set<Row>()
  for (let row = waiting.pop(); row !== undefined; row = waiting.pop()) {
    if (chosen.has(row)) continue
    chosen.add(row)
    for (const { child } of set.childrenOf(row)) {
      if (!hasEnded(child.state)) continue
      const isByItself = child.state === 'cancelled' && set.errorOf(child)?.code !== 'DEPENDENCY_FAILED'
      if (!isByItself) waiting.push(child)
    }
    for (const part of set.madeBy(row)) if (isRetryable(part.state)) waiting.push(part)
  }
  return chosen
}
