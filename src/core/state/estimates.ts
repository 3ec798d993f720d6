// Expectations that the rules compare: how long a queue takes, when a model is needed next, what it is worth to keep
// it. All are rough on purpose: told the true load times, the policy gained at most 3 % (docs/policy.md, robustness).

import { type Model, runMs } from '../model.ts'
import type { Arrivals, InstanceState, ModelState, State } from './state.ts'

/** Edges that a model's next use is followed up. Study: beyond 3 nothing changed. */
const maxDepth = 3

/** Time until a model at the end of that way has work, ms. From the lab. */
const unknownMs = 30_000

/** Compute of `count` items in full batches, ms. */
export function clearMs(model: Model, count: number): number {
  const { max } = model.batch
  const rest = count % max
  return Math.floor(count / max) * runMs(model, max) + (rest > 0 ? runMs(model, rest) : 0)
}

/** Share of a model's waiting items that one visit could serve, 0.001 to 1: those that are ready, and those that wait for
 *  items of the model itself. For the rest it would have to be loaded again, or stay. */
export function finality({ model, readyCount, blockedCount, waitsOn }: ModelState): number {
  if (blockedCount === 0) return 1
  let openCount = 0
  let ownCount = 0
  for (const { modelId, count } of waitsOn) {
    openCount += count
    if (modelId === model.id) ownCount += count
  }
  const within = openCount > 0 ? (blockedCount * ownCount) / openCount : 0
  return Math.max(0.001, (readyCount + within) / (readyCount + blockedCount))
}

/** Time until a model has work, from now, ms; ≥ 10. Infinity: nothing is known to come.
 *  (1) It has ready items: now.
 *  (2) It has blocked ones: when the models they wait for have been loaded and have run a batch; one that has nothing to
 *      run itself waits for its own first, three edges up.
 *  (3) Its items come at intervals: at the next one, unless two have been missed. */
export function nextUseMs(state: State, model: ModelState, nowMs: number): number {
  if (model.readyCount > 0) return 10
  const byGraph = model.blockedCount > 0 ? dependencyMs(state, model, maxDepth) : Number.POSITIVE_INFINITY
  return Math.max(50, Math.min(byGraph, arrivalMs(model.arrivals, nowMs)))
}

function dependencyMs(state: State, model: ModelState, depth: number): number {
  let longestMs = 500
  for (const { modelId, count } of model.waitsOn) {
    const parent = state.modelById.get(modelId)
    if (!parent || parent === model) continue
    const hasWork = parent.readyCount > 0 || parent.runningCount > 0
    const loadMs = parent.instances.length === 0 ? parent.loadMs : 0
    const batchCount = Math.min(parent.model.batch.max, Math.max(1, hasWork ? parent.readyCount : count))
    const beforeMs = hasWork ? 0 : depth > 0 ? dependencyMs(state, parent, depth - 1) : unknownMs
    longestMs = Math.max(longestMs, beforeMs + loadMs + runMs(parent.model, batchCount))
  }
  return longestMs
}

/** Time until the next arrival by the mean gap; as long as it has been quiet where two were missed. */
export function arrivalMs({ lastAtMs, gapMs }: Arrivals, nowMs: number): number {
  if (lastAtMs === null || gapMs === null) return Number.POSITIVE_INFINITY
  const quietMs = nowMs - lastAtMs
  return quietMs > 2 * gapMs ? quietMs : Math.max(0.2 * gapMs, gapMs - quietMs)
}

/** Items that a visit has still to serve: of those it found, as far as they are ready. */
export function unservedCount({ model, quotaCount }: InstanceState): number {
  return Math.max(0, Math.min(model.readyCount, quotaCount))
}

/** Compute that an instance must still have before interactive work may cut its visit short, ms; 0: it may. */
export function guardLeftMs({ policy }: State, { model, workMs }: InstanceState): number {
  return Math.max(0, policy.guard * model.loadMs - workMs)
}

/** Whether a resident model has had its visit: the items it found, or visitFactor × (load + visitBase) of compute; but
 *  one that needs less than finishFactor loads for the rest of what it found finishes it, since it would be loaded again. */
export function visitIsOver(state: State, { quotaCount, workMs, model }: InstanceState): boolean {
  const { visitFactor, visitBase, finishFactor } = state.policy
  if (quotaCount <= 0) return true
  if (workMs < visitFactor * (model.loadMs + visitBase)) return false
  return clearMs(model.model, quotaCount) >= finishFactor * model.loadMs
}
