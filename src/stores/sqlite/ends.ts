// The ends of items, as they pass an edge (core/work/edges.ts), in the numbers of the file.

import type { ItemError } from '../../core/errors.ts'
import { inheritedState } from '../../core/work/edges.ts'
import { dependencyError, type ItemId, type ItemState } from '../../core/work/item.ts'
import type { ItemRow } from './rows.ts'
import { policies } from './schema.ts'

/** What is still to become of an item in a change: an end; or `ready`, when a fan-out made it and it waits for nothing. */
export interface End {
  row: ItemRow
  state: ItemState
  /** JSON. */
  output: string | null
  error: ItemError | null
}

/** The end that a bad one brings over an edge. */
export function inherited(
  row: ItemRow,
  parent: { id: ItemId; state: ItemState; error: ItemError | null },
  policy: number,
): End {
  const state = inheritedState(parent.state, policies[policy]!)
  return { row, state, output: null, error: dependencyError(parent.id, parent.error) }
}
