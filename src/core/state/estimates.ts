// What the rules expect: how long a queue takes, when a model is needed next, how far a visit has come. All
// of it is rough on purpose: when it was given the true load times, the policy gained 3 % at most
// (docs/policy.md, robustness).

import { type Model, runMs } from '../model.ts'
import type { Arrivals, InstanceState, ModelState, State } from './state.ts'

/** Edges over which the next use of a model is followed up. Study: more than 3 change nothing. */
const maxDepth = 3

/** Time until a model has work that is further up than `maxDepth` edges, ms. From the lab. */
const unknownMs = 30_000

/** The next use of a model that has work, of one that has none, and the time until what it waits for is
 * there: at least so much, ms. They keep a worth per millisecond finite. From the lab, not measured. */
export const readyUseMs = 10
const leastUseMs = 50
const leastWayMs = 500

/** An arrival is expected no sooner than in this share of the mean gap. Chosen, not measured. */
const leastGapRatio = 0.2

/** Compute of `count` items in full batches, ms. */
export function clearMs(model: Model, count: number): number {
  const { max } = model.batch
  const rest = count % max
  return Math.floor(count / max) * runMs(model, max) + (rest > 0 ? runMs(model, rest) : 0)
}

/** Share of a model's waiting items that one visit could serve, 0.001 to 1: those that are ready, and those
 * that wait for items of the model itself. For the others it would have to be loaded again, or stay. */
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

/** Time from now until a model has work, ms, `readyUseMs` or more; infinity: nothing is known to come.
 * (1) It has ready items: now.
 * (2) It has blocked items: when the models that they wait for have been loaded and have run a batch. A
 *     model that has nothing to run waits for its own models first, `maxDepth` edges up.
 * (3) Its items come at intervals: at the next one, unless two have been missed. */
export function nextUseMs(state: State, model: ModelState, nowMs: number): number {
  if (model.readyCount > 0) return readyUseMs
  const byGraph = model.blockedCount > 0 ? dependencyMs(state, model, maxDepth) : Number.POSITIVE_INFINITY
  return Math.max(leastUseMs, Math.min(byGraph, arrivalMs(model.arrivals, nowMs)))
}

function dependencyMs(state: State, model: ModelState, depth: number): number {
  let longestMs = leastWayMs
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

/** Time until the next arrival by the mean gap, ms. Where two arrivals were missed: as long as it has been
 * quiet. */
export function arrivalMs({ lastAtMs, gapMs }: Arrivals, nowMs: number): number {
  if (lastAtMs === null || gapMs === null) return Number.POSITIVE_INFINITY
  const quietMs = nowMs - lastAtMs
  return quietMs > 2 * gapMs ? quietMs : Math.max(leastGapRatio * gapMs, gapMs - quietMs)
}

/** Ready items that a visit has still to serve, of those that it found. */
export function unservedCount({ model, quotaCount }: InstanceState): number {
  return Math.max(0, Math.min(model.readyCount, quotaCount))
}

/** Compute that an instance must still have before interactive work may cut its visit short, ms; 0: it
 * may. */
export function guardLeftMs({ policy }: State, { model, workMs }: InstanceState): number {
  return Math.max(0, policy.guard * model.loadMs - workMs)
}

/** Whether a resident model has had its visit: it has served the items that it found, or computed for
 * visitFactor × (load time + visitBase). A visit goes on if the rest of what it found takes less than
 * finishFactor load times, since the model would be loaded again for it. */
export function visitIsOver(state: State, { quotaCount, workMs, model }: InstanceState): boolean {
  const { visitFactor, visitBase, finishFactor } = state.policy
  if (quotaCount <= 0) return true
  if (workMs < visitFactor * (model.loadMs + visitBase)) return false
  return clearMs(model.model, quotaCount) >= finishFactor * model.loadMs
}
