// Which queue comes first. A class decides before any score: interactive, overdue, ordinary. Within a class the score
// is a bill: each ready item owes its age since submission, 1.5 times more for each priority level, and a queue's bill
// is read from sums that its head carries. From the lab's policy P (docs/policy.md).
import { clearMs } from './estimates.ts'
import type { ModelState, State } from './state.ts'

export const ordinary = 0
export const overdue = 1
export const interactive = 2
export type UrgencyClass = typeof ordinary | typeof overdue | typeof interactive

/** Levels beyond which a priority adds no more weight across models. */
const saturationLevels = 10

export function classOf(state: State, model: ModelState, nowMs: number): UrgencyClass {
  if (model.readyCount === 0) return ordinary
  const top = model.levels[0]
  if (top && top.priority >= state.policy.interactiveFrom) return interactive
  return waitedMs(model, nowMs) > state.policy.maxWait ? overdue : ordinary
}

/** Wait of the longest-ready item, ms. */
export function waitedMs(model: ModelState, nowMs: number): number {
  let oldestAtMs = nowMs
  for (const { oldestReadyAtMs } of model.levels) oldestAtMs = Math.min(oldestAtMs, oldestReadyAtMs)
  return nowMs - oldestAtMs
}

/** Σ priorityBase ^ priority × (age + ageBonus) over the ready items, in item-milliseconds. */
export function bill(state: State, model: ModelState, nowMs: number): number {
  const { priorityBase, ageBonus } = state.policy
  let sum = 0
  for (const { priority, count, submittedMeanMs } of model.levels) {
    const levels = Math.max(-saturationLevels, Math.min(saturationLevels, priority))
    sum += priorityBase ** levels * count * (nowMs + ageBonus - submittedMeanMs)
  }
  return sum
}

/** What a queue deserves if `loadMs` of loading come first: its bill over (compute + loadWeight × load) ^ costExponent. */
export function score(state: State, model: ModelState, loadMs: number, nowMs: number): number {
  const costMs = clearMs(model.model, model.readyCount) + state.policy.loadWeight * loadMs
  return bill(state, model, nowMs) / Math.max(1, costMs) ** state.policy.costExponent
}
