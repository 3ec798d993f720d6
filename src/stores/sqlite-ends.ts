// The ends of items, as they pass an edge, and what the resolver sees of an ended parent.
import type { ItemError } from '../core/errors.ts'
import { dependencyError, hasEnded, type ItemId, type ItemState, satisfies } from '../core/work-item.ts'
import type { ItemRow } from './sqlite-rows.ts'
import { policies, stateNumber } from './sqlite-schema.ts'

/** An item that is to end. */
export interface End {
  row: ItemRow
  state: ItemState
  /** JSON. */
  output: string | null
  error: ItemError | null
}

export function isRetryable({ state }: ItemRow): boolean {
  return state === stateNumber.failed || state === stateNumber.cancelled
}

/** It ended so that items which wait for it over an edge of this policy do not go on. */
export function isBadEnd(state: ItemState, policy: number): boolean {
  return hasEnded(state) && !satisfies(state) && policies[policy] !== 'continue'
}

/** How a bad end passes an edge: fail keeps the kind of end (failed, cancelled), skip makes it skipped. */
export function inherited(
  row: ItemRow,
  parent: { id: ItemId; state: ItemState; error: ItemError | null },
  policy: number,
): End {
  const kept = parent.state === 'cancelled' ? 'cancelled' : 'failed'
  const state = policies[policy] === 'skip' ? 'skipped' : kept
  return { row, state, output: null, error: dependencyError(parent.id, parent.error) }
}
