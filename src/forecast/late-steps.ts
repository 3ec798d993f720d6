// Deadlines that cannot be met, step by step, for those who submit: how many of how many, and the worst of
// them with what would do. Where the step of an item is not known its model stands for it.
import { formatInfeasible, infeasibleDeadlines, type OpenItem } from '../core/decide/admission.ts'
import type { State } from '../core/state/state.ts'
import { hasEnded, type StoredItem } from '../core/work/item.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'

export interface LateStep {
  step: string
  /** Items whose deadline cannot be met, of those that have one. */
  count: number
  datedCount: number
  /** Of the one that is latest. */
  givenMs: number
  neededMs: number
  loadedMs: number
}

/** An item and the step that it is of. */
export interface DatedItem extends OpenItem {
  step: string
}

/** In the order of the steps' first items. */
export function lateSteps(state: State, items: readonly DatedItem[], nowMs: number): LateStep[] {
  const byId = new Map(items.map((each) => [each.id, each]))
  const dated = items.filter(({ deadlineAtMs }) => deadlineAtMs !== null)
  const late = infeasibleDeadlines(state, dated, (id) => byId.get(id) ?? null, nowMs)
  const steps = new Map<string, LateStep>()
  for (const { id, givenMs, neededMs, loadedMs } of late) {
    const { step } = byId.get(id)!
    const known = steps.get(step)
    const count = (known?.count ?? 0) + 1
    const isWorst = !known || neededMs - givenMs > known.neededMs - known.givenMs
    const worst = isWorst ? { givenMs, neededMs, loadedMs } : known
    steps.set(step, { ...worst, step, count, datedCount: 0 })
  }
  for (const { step } of dated) {
    const found = steps.get(step)
    if (found) found.datedCount++
  }
  return [...steps.values()]
}

/** What is left of a run. What fan-out makes counts for itself: its maker waits for it, but does not run. */
export function openItems({ steps }: Pick<Pipeline, 'steps'>, items: readonly StoredItem[]): DatedItem[] {
  const makerOf = new Map(items.map(({ id, parentId }) => [id, parentId]))
  return items
    .filter(({ state }) => !hasEnded(state))
    .map(({ id, modelId, dependencies, deadlineAtMs, state, step: name }) => {
      const step = steps.get(name ?? '')
      return {
        id,
        modelId,
        step: name ?? modelId,
        deadlineAtMs,
        dependencies: dependencies.filter((each) => makerOf.get(each.id) !== id),
        isRunning: state === 'leased',
        maySkip: step !== undefined && (step.when !== null || step.forEach !== null),
      }
    })
}

/** One line for each step. */
export function formatLate({ step, count, datedCount, ...late }: LateStep): string {
  const items = datedCount === 1 ? 'its deadline' : `${count} of ${datedCount} deadlines`
  const worst = count > 1 ? ' The latest:' : ''
  return `Step "${step}": ${items} cannot be met.${worst} ${formatInfeasible(late)}`
}
