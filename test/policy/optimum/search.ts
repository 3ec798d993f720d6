// The best schedule there is for a tiny workload on one device with one slot, under the
// simulator's physics (world.ts): one memory lane for loads and unloads, batches beside
// it, nothing interrupted. Arrivals are known from the start.
//
// A schedule is a list of actions in the order of their starts, each as early as that
// order lets it: starting one later helps no other, so one of these lists is optimal.
// What a list has done so far matters to the rest only through
//
//   - which items it has started, which models are resident, which of them still loads or runs;
//   - when the slot and when the lane are free: nothing can start before the earlier of the two.
//
// Of two lists that agree in the first, one that is no earlier and no cheaper in all of
// the second cannot become better and is dropped. The search goes on from the list
// whose lower bound is least (A*); the first complete one is the answer.

import { Heap } from '../../../src/core/heap.ts'
import type { Workload } from '../../../src/sim/workload.ts'
import { type Action, type Objective, type Plan, Problem } from './problem.ts'

export interface Optimum {
  /** ms from the first arrival. */
  value: number
  schedule: Action[]
}

/** Throws RangeError for a workload that cannot be searched or done (problem.ts). */
export function optimumOf(workload: Workload, budgetBytes: number, objective: Objective): Optimum {
  const problem = new Problem(workload, budgetBytes, objective)
  const plan = bestAfter(problem, problem.start)
  return { value: plan.costMs, schedule: scheduleOf(plan) }
}

/** What each action of a schedule costs: how much worse the best is that can still come after it.
 * `actions` in the order of their starts, in ms from the first arrival. Throws as optimumOf. */
export function regretsOf(
  workload: Workload,
  budgetBytes: number,
  objective: Objective,
  actions: readonly Action[],
): number[] {
  const problem = new Problem(workload, budgetBytes, objective)
  let plan = problem.start
  let best = bestAfter(problem, plan).costMs
  return actions.map((action) => {
    plan = problem.with(plan, action)
    const before = best
    best = bestAfter(problem, plan).costMs
    return Math.max(0, best - before)
  })
}

/** The best complete plan that begins with this one. */
function bestAfter(problem: Problem, start: Plan): Plan {
  const open = new Heap<Plan>((a, b) => a.boundMs < b.boundMs)
  const best = new Map<number, Plan[]>([[keyOf(start), [start]]])
  open.add(start)
  for (let plan = open.take(); plan; plan = open.take()) {
    if (problem.isComplete(plan)) return plan
    if (!best.get(keyOf(plan))!.includes(plan)) continue
    for (const follower of problem.followers(plan)) {
      const key = keyOf(follower)
      const others = best.get(key) ?? []
      if (others.some((each) => isAsGood(each, follower))) continue
      best.set(key, [...others.filter((each) => !isAsGood(follower, each)), follower])
      open.add(follower)
    }
  }
  throw new RangeError(
    'No schedule does it all: a model is larger than the device, or items wait in a circle.',
  )
}

/** At most 12 items and 7 models (problem.ts), and one model or none in the lane and in the slot. */
function keyOf({ started, resident, loading, running }: Plan): number {
  return ((started * 128 + resident) * 8 + loading + 1) * 8 + running + 1
}

function isAsGood(a: Plan, b: Plan): boolean {
  return a.slotFreeMs <= b.slotFreeMs && a.laneFreeMs <= b.laneFreeMs && a.costMs <= b.costMs
}

function scheduleOf(plan: Plan): Action[] {
  const actions: Action[] = []
  for (let each: Plan | null = plan; each?.last; each = each.before) actions.unshift(each.last)
  return actions
}
