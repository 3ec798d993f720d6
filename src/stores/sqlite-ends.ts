// The ends of items, as they pass an edge, and what the resolver sees of an ended parent.
import type { ItemError } from '../core/errors.ts'
import type { ResolvedParent } from '../core/resolver.ts'
import { dependencyError, type ItemState, itemStates } from '../core/work-item.ts'
import { type FullRow, type ItemRow, parse } from './sqlite-rows.ts'
import { policies } from './sqlite-schema.ts'

/** An item that is to end. */
export interface End {
  row: ItemRow
  state: ItemState
  /** JSON. */
  output: string | null
  error: ItemError | null
}

/** How a bad end passes an edge: fail keeps the kind of end (failed, cancelled), skip makes it skipped. */
export function inherited(
  row: ItemRow,
  parent: Pick<ItemRow, 'id' | 'state'>,
  error: ItemError | null,
  policy: number,
): End {
  const kept = itemStates[parent.state] === 'cancelled' ? 'cancelled' : 'failed'
  const state = policies[policy] === 'skip' ? 'skipped' : kept
  return { row, state, output: null, error: dependencyError(parent.id, error && shorten(error)) }
}

/** Characters of a cause that are kept. Each dependent names its parent and the parent's cause: without a bound a failed
 * chain of n items would be n² long (6,000 items: 800 MB). Chosen, not measured. */
const maxCauseLength = 4000

/** Keeps the nearest causes and the first one. */
function shorten({ code, message }: ItemError): ItemError {
  if (message.length <= maxCauseLength) return { code, message }
  const half = maxCauseLength / 2
  return { code, message: `${message.slice(0, half)} … ${message.slice(-half)}` }
}

export function toParent(row: FullRow): ResolvedParent {
  const state = itemStates[row.state]!
  return {
    id: row.id,
    modelId: row.model,
    step: row.step,
    sourceId: row.source_id,
    source: parse(row.source),
    state,
    output: state === 'done' ? parse(row.output) : null,
  }
}
