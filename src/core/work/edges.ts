// What passes an edge between two items, up and down: the end of the one that is waited for, the priority and the deadline of
// the one that waits. The same for the graph in memory and for that of a store.
import { type EdgePolicy, hasEnded, type ItemState, satisfies } from './item.ts'

/** It ended so that items which wait for it over an edge of this policy do not go on. */
export function isBadEnd(state: ItemState, policy: EdgePolicy): boolean {
  return hasEnded(state) && !satisfies(state) && policy !== 'continue'
}

/** How a bad end passes an edge: fail keeps the kind of end (failed, cancelled), skip makes it skipped. */
export function inheritedState(state: ItemState, policy: EdgePolicy): ItemState {
  if (policy === 'skip') return 'skipped'
  return state === 'cancelled' ? 'cancelled' : 'failed'
}

/** A user may have it done once more. */
export function isRetryable(state: ItemState): boolean {
  return state === 'failed' || state === 'cancelled'
}

/** Whether what an item has is more than what the item that it waits for has. `endBeforeMs`: when that must have ended for
 *  the sake of this one's deadline; null: it has none. */
export function lends(
  priority: number,
  endBeforeMs: number | null,
  toPriority: number,
  toLatestEndAtMs: number | null,
): boolean {
  if (priority > toPriority) return true
  return endBeforeMs !== null && (toLatestEndAtMs === null || endBeforeMs < toLatestEndAtMs)
}

export function earlier(aMs: number | null, bMs: number | null): number | null {
  if (aMs === null || bMs === null) return aMs ?? bMs
  return Math.min(aMs, bMs)
}
