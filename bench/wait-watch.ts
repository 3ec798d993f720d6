// How long items waited beyond the moment at which they became overdue: the slack with which the wait bound
// holds. The bound moves with the backlog (docs/policy.md#wait-bound), so it is noted whenever it changes,
// and each item is held against it as it stood. Interactive items have no such bound.
import type { SchedulerEvent } from '../src/core/state/events.ts'
import type { SimulatedPolicy } from '../src/sim/simulate.ts'
import type { WorkloadItem } from '../src/sim/workload.ts'

export class WaitWatch {
  readonly #items: readonly WorkloadItem[]
  /** How much longer everything takes than the policy believes: the backlog is that much longer too. */
  readonly #stretch: number
  readonly #startAtMs = new Map<string, number>()
  readonly #endAtMs = new Map<string, number>()
  readonly #batches = new Map<string, readonly WorkloadItem[]>()
  /** The bound and since when. */
  readonly #bounds: { fromMs: number; boundMs: number }[] = []
  #nowMs = 0
  #interactiveFrom = 101

  constructor(items: readonly WorkloadItem[], stretch: number) {
    this.#items = items
    this.#stretch = stretch
  }

  readonly onEvent = (event: SchedulerEvent): void => {
    this.#nowMs = event.atMs
    if (event.type !== 'batch-finished') return
    for (const { id } of this.#batches.get(event.batchId)!) this.#endAtMs.set(id, event.atMs)
    this.#batches.delete(event.batchId)
  }

  readonly onClaim = (batchId: string, items: readonly WorkloadItem[]): void => {
    this.#batches.set(batchId, items)
    for (const { id } of items) this.#startAtMs.set(id, this.#nowMs)
  }

  /** The policy, with its bound noted. */
  noting({ name, create }: SimulatedPolicy): SimulatedPolicy {
    return {
      name,
      create: (backlog, models) => {
        const decide = create(backlog, models)
        return (state, nowMs) => {
          const { maxWait, backlogFactor, interactiveFrom } = state.policy
          const boundMs = Math.max(maxWait, this.#stretch * backlogFactor * state.backlog.peakMs)
          this.#interactiveFrom = interactiveFrom
          if (this.#bounds.at(-1)?.boundMs !== boundMs) this.#bounds.push({ fromMs: nowMs, boundMs })
          return decide(state, nowMs)
        }
      },
    }
  }

  /** The longest that an item waited after it was overdue, ms. */
  longestOverdueMs(): number {
    let longestMs = 0
    for (const { id, atMs, after, priority } of this.#items) {
      if (priority >= this.#interactiveFrom) continue
      const readyAtMs = Math.max(atMs, ...after.map((each) => this.#endAtMs.get(each)!))
      longestMs = Math.max(longestMs, this.#startAtMs.get(id)! - this.#overdueAtMs(readyAtMs))
    }
    return longestMs
  }

  #overdueAtMs(readyAtMs: number): number {
    for (const [index, { fromMs, boundMs }] of this.#bounds.entries()) {
      const untilMs = this.#bounds[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY
      const atMs = Math.max(fromMs, readyAtMs + boundMs)
      if (untilMs > readyAtMs && atMs < untilMs) return atMs
    }
    return Number.POSITIVE_INFINITY
  }
}
