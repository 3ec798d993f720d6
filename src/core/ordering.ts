// Which queue comes first. A class decides before any score: interactive, overdue, ordinary. Within ordinary work:
//
//  (1) goal latency and balanced: a bill. Each ready item owes its age since submission, 1.5 times more for each priority
//      level; the bill is read from sums that the queue's head carries (the lab's policy P, docs/policy.md).
//  (2) goal throughput: the longest way to the end of the graph below the queue, less for a queue whose items are still
//      blocked in part, since it would have to be loaded again for the rest (rank and finality, docs/policy.md).
import { clearMs } from './estimates.ts'
import { throughput } from './policy.ts'
import type { ModelState } from './state.ts'
import type { View } from './view.ts'

export const ordinary = 0
export const overdue = 1
export const interactive = 2
export type UrgencyClass = typeof ordinary | typeof overdue | typeof interactive

/** Levels beyond which a priority adds no more weight across models. */
const saturationLevels = 10

/** How much a queue counts less while part of its items is blocked: (ready ÷ known) to this power. Study: 3 to 5 gain most. */
const finalityExponent = 3

export function classOf(view: View, model: ModelState): UrgencyClass {
  if (model.readyCount === 0) return ordinary
  const top = model.levels[0]
  if (top && top.priority >= view.state.policy.interactiveFrom) return interactive
  return waitedMs(model, view.nowMs) > view.waitBoundMs ? overdue : ordinary
}

/** What a missing model's claim is worth in its class. */
export function worthOf(view: View, model: ModelState, urgency: UrgencyClass): number {
  if (urgency === interactive) return waitedMs(model, view.nowMs, view.state.policy.interactiveFrom)
  return urgency === overdue ? waitedMs(model, view.nowMs) : score(view, model, model.loadMs)
}

/** Wait of the longest-ready item of at least a priority, ms. */
export function waitedMs(model: ModelState, nowMs: number, leastPriority = -100): number {
  let oldestAtMs = nowMs
  for (const { priority, oldestReadyAtMs } of model.levels) {
    if (priority >= leastPriority && oldestReadyAtMs < oldestAtMs) oldestAtMs = oldestReadyAtMs
  }
  return nowMs - oldestAtMs
}

/** Σ priorityBase ^ priority × (age + ageBonus) over the ready items, in item-milliseconds. */
export function bill({ state, nowMs }: View, model: ModelState): number {
  const { priorityBase, ageBonus } = state.policy
  let sum = 0
  for (const { priority, count, submittedMeanMs } of model.levels) {
    const levels = Math.max(-saturationLevels, Math.min(saturationLevels, priority))
    sum += priorityBase ** levels * count * (nowMs + ageBonus - submittedMeanMs)
  }
  return sum
}

/** What a queue deserves if `loadMs` of loading come first. Latency: its bill over (compute + loadWeight × load) ^
 *  costExponent. Throughput: (rank + compute) × finality, growing with its wait. */
export function score(view: View, model: ModelState, loadMs: number): number {
  const { policy } = view.state
  const workMs = clearMs(model.model, model.readyCount)
  if (policy.goal === throughput) {
    const finality = Math.max(0.001, model.readyCount / (model.readyCount + model.blockedCount))
    const age = 1 + waitedMs(model, view.nowMs) / view.waitBoundMs
    return finality ** finalityExponent * (model.rankMs + workMs) * age
  }
  return bill(view, model) / Math.max(1, workMs + policy.loadWeight * loadMs) ** policy.costExponent
}
