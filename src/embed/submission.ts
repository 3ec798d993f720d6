// What a scheduler answers to a submission: the ids, and the deadlines that cannot be met.
import { type InfeasibleDeadline, infeasibleDeadlines, type OpenItem } from '../core/decide/admission.ts'
import type { State } from '../core/state/state.ts'
import type { WorkGraph } from '../core/work/graph.ts'
import { hasEnded, type ItemId, type NewItem } from '../core/work/item.ts'

/**
 * What a scheduler answers to a submission.
 *
 * @public
 * @example
 * ```ts
 * const submission: Submission = new GpuScheduler().submit({ id: 'a', modelId: 'CLAP' })
 * submission.ids // => ['a']
 * ```
 */
export interface Submission {
  /** In the order of the call; those that were known too. */
  ids: ItemId[]
  /** Items of the call that will be late whatever comes first. They are added and run like any other. */
  infeasibleDeadlines: InfeasibleDeadline[]
}

/** Of items that were submitted. */
export function missedDeadlines(
  state: State,
  graph: WorkGraph,
  submitted: readonly NewItem[],
  nowMs: number,
): InfeasibleDeadline[] {
  if (submitted.every(({ deadlineAtMs }) => deadlineAtMs === null)) return []
  const dated = submitted.filter(({ deadlineAtMs }) => deadlineAtMs !== null).map(({ id }) => id)
  const open = (id: ItemId): OpenItem | null => {
    const node = graph.get(id)
    return node && !hasEnded(node.state) ? { ...node.item, isRunning: node.state === 'leased' } : null
  }
  const items = [...new Set(dated)].flatMap((id) => open(id) ?? [])
  return infeasibleDeadlines(state, items, open, nowMs)
}
