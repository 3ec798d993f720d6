// Which queue comes first. Its class decides before anything is weighed: interactive, urgent (a deadline is
// near), overdue, ordinary. Within ordinary work:
//
//  (1) With the goals latency and balanced, the queue with the largest bill. Each ready item owes its age
//      since submission, priorityBase times more for each priority level. The bill is read from sums that the
//      queue's head carries (the lab's policy P, docs/policy.md). A queue of which a part is still blocked
//      counts less once all its items are known, since its model would be loaded again for the rest.
//  (2) With the goal throughput, the queue with the longest way to the end of the graph below it. One of
//      which a part is still blocked counts less (rank and finality, docs/policy.md).

import { runMs } from '../model.ts'
import { throughput } from '../policy.ts'
import { clearMs, finality } from '../state/estimates.ts'
import { weightOf } from '../state/fairness.ts'
import type { ModelState, State } from '../state/state.ts'

export const ordinary = 0
export const overdue = 1
export const urgent = 2
export const interactive = 3
export type UrgencyClass = typeof ordinary | typeof overdue | typeof urgent | typeof interactive

/** Beyond so many levels a priority adds no more weight across models. Chosen, not measured. */
const saturationLevels = 10

/** How much less a queue counts while part of its items is blocked: (ready ÷ known) to this power. Study: of
 * 1 to 5, 4 and 5 load least on wf-nextflow; 3 and 4 are the same elsewhere. */
const finalityExponent = 4

/** A queue counts as growing until nothing was submitted to it for so many of its model's loads. Study: 3
 * loses 4 % where bursts have pauses; 10 to 40 lose nothing. */
const growingLoads = 20

/** What the order is worked out from. A decision's view (view.ts) is one. */
export interface Moment {
  readonly state: State
  readonly nowMs: number
  /** An item is overdue after this wait, ms: maxWait, or longer in an overload
   * (docs/policy.md#wait-bound). */
  readonly waitBoundMs: number
  /** What the least served tenant with work has had, ms; null: there are no tenants. */
  readonly leastServedMs: number | null
  /** The longest batch that a resident model could begin now, ms. The next decision comes after it at the
   * latest. */
  readonly longestBatchMs: number
}

/** The class of a queue's most urgent item. */
export function classOf(moment: Moment, model: ModelState): UrgencyClass {
  if (model.readyCount === 0) return ordinary
  const top = model.levels[0]
  if (top && top.priority >= moment.state.policy.interactiveFrom) return interactive
  if (isUrgent(moment, model)) return urgent
  return waitedMs(model, moment.nowMs) > moment.waitBoundMs ? overdue : ordinary
}

/** What a missing model is worth as a candidate within its class. */
export function worthOf(moment: Moment, model: ModelState, urgency: UrgencyClass): number {
  if (urgency === interactive) return waitedMs(model, moment.nowMs, moment.state.policy.interactiveFrom)
  if (urgency === urgent) return -latestStartMs(model)
  return urgency === overdue ? waitedMs(model, moment.nowMs) : ordinaryWorth(moment, model, model.loadMs)
}

/** Whether the first item with a deadline can only keep it if its batch starts now: at the next decision,
 * after a batch that begins meanwhile, it would be too late. An item that cannot keep its deadline anyway is
 * not urgent. */
function isUrgent(moment: Moment, model: ModelState): boolean {
  if (model.latestEndAtMs === null) return false
  const lastMs = model.latestEndAtMs - runMs(model.model, 1) - loadLeftMs(model)
  return lastMs >= moment.nowMs && latestStartMs(model) <= moment.nowMs + moment.longestBatchMs
}

/** The latest start of the model's next batch, at its full size, or of the model's load if it is not
 * resident. */
export function latestStartMs(model: ModelState): number {
  const count = Math.min(model.model.batch.max, model.readyCount)
  return model.latestEndAtMs! - runMs(model.model, count) - loadLeftMs(model)
}

/** The load that comes before the next batch, ms. One under way counts in full: when it began is not looked
 * at. */
function loadLeftMs({ instances, loadMs }: ModelState): number {
  return instances.some(({ phase }) => phase === 'ready') ? 0 : loadMs
}

/** The longest wait among ready items of at least a priority, ms. */
export function waitedMs(model: ModelState, nowMs: number, leastPriority = -100): number {
  let oldestAtMs = nowMs
  for (const { priority, oldestReadyAtMs } of model.levels) {
    if (priority >= leastPriority && oldestReadyAtMs < oldestAtMs) oldestAtMs = oldestReadyAtMs
  }
  return nowMs - oldestAtMs
}

/** What a queue owes, in item-milliseconds: Σ priorityBase ^ priority × (age + ageBonus) × weight of the
 * tenant, over its ready items. Three items of priority 1 that are 9 s old owe 2 × (9 s + 1 s) × 3 = 60
 * item-seconds. */
export function bill({ state, nowMs, leastServedMs }: Moment, model: ModelState): number {
  const { priorityBase, ageBonus } = state.policy
  const powers = powersOf(priorityBase)
  let sum = 0
  for (const { priority, tenant, count, submittedMeanMs } of model.levels) {
    const levels = Math.max(-saturationLevels, Math.min(saturationLevels, priority))
    const owed = powers[levels + saturationLevels]! * count * (nowMs + ageBonus - submittedMeanMs)
    sum += leastServedMs === null ? owed : owed * weightOf(state, tenant, leastServedMs)
  }
  return sum
}

const powersByBase = new Map<number, Float64Array>()

/** base ^ −saturationLevels to base ^ saturationLevels. Each is worked out once: every decision weighs every
 * level of every queue. */
function powersOf(base: number): Float64Array {
  let powers = powersByBase.get(base)
  if (!powers) {
    powers = Float64Array.from(
      { length: 2 * saturationLevels + 1 },
      (_, index) => base ** (index - saturationLevels),
    )
    powersByBase.set(base, powers)
  }
  return powers
}

/** How much a queue counts of what it would if none of its items were blocked, above 0 to 1. `share`: of the
 * exponent, 0 to 1. */
export function completeness(model: ModelState, share = 1): number {
  return finality(model) ** (finalityExponent * share)
}

/** What a queue of ordinary work deserves if `loadMs` of loading come first. Latency and balanced: bill ÷
 * (compute + loadWeight × load) ^ costExponent. If no more items are being submitted, × finality, the more
 * so the longer the load is for the work. Throughput: (rank + compute) × finality, growing with the wait. */
export function ordinaryWorth(moment: Moment, model: ModelState, loadMs: number): number {
  const { policy } = moment.state
  const workMs = clearMs(model.model, model.readyCount)
  if (policy.goal === throughput) {
    const age = 1 + waitedMs(model, moment.nowMs) / moment.waitBoundMs
    return completeness(model) * (model.rankMs + workMs) * age
  }
  const worth = bill(moment, model) / Math.max(1, workMs + policy.loadWeight * loadMs) ** policy.costExponent
  if (isGrowing(moment, model)) return worth
  // One more load for the rest is little where the ready items take long.
  const loadShare = model.loadMs / Math.max(1, workMs + model.loadMs)
  return worth * completeness(model, loadShare)
}

/** Whether more items of the model are expected, since some were submitted lately. It would be loaded again
 * for them, whatever is known now. */
function isGrowing({ nowMs }: Moment, { submittedAtMs, loadMs }: ModelState): boolean {
  return submittedAtMs !== null && nowMs - submittedAtMs < growingLoads * loadMs
}
