// What passes an edge from an item to one that waits for it: how it ended.
import { type EdgePolicy, hasEnded, type ItemState, satisfies } from './item.ts'

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
