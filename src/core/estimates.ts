// Expectations that the rules compare: how long a queue takes, when a model is needed next, what it is worth to keep
// it. All are rough on purpose: told the true load times, the policy gained at most 3 % (docs/policy.md, robustness).
import { type Model, runMs } from './model.ts'
import type { InstanceState, ModelState, State } from './state.ts'

/** Weight of a new observation in a running average. Chosen, not measured. */
const learningRate = 0.2

export function learned(meanMs: number, count: number, observedMs: number): number {
  return count === 0 ? observedMs : meanMs + learningRate * (observedMs - meanMs)
}

/** Compute of `count` items in full batches, ms. */
export function clearMs(model: Model, count: number): number {
  const { max } = model.batch
  const rest = count % max
  return Math.floor(count / max) * runMs(model, max) + (rest > 0 ? runMs(model, rest) : 0)
}

/** Time until a model has work, from now, ms; ≥ 10. Infinity: nothing is known to come.
 *  (1) It has ready items: now.
 *  (2) It has blocked ones: when the models they wait for have been loaded and have run a batch; 30 s more for one that
 *      has nothing to run itself.
 *  (3) Its items come at intervals: at the next one, unless two have been missed. */
export function nextUseMs(state: State, model: ModelState, nowMs: number): number {
  if (model.readyCount > 0) return 10
  const byGraph = model.blockedCount > 0 ? dependencyMs(state, model) : Number.POSITIVE_INFINITY
  return Math.max(50, Math.min(byGraph, arrivalMs(model, nowMs)))
}

function dependencyMs(state: State, model: ModelState): number {
  let longestMs = 500
  for (const { modelId } of model.waitsOn) {
    const parent = state.modelById.get(modelId)
    if (!parent || parent === model) continue
    const hasWork = parent.readyCount > 0 || parent.runningCount > 0
    const loadMs = parent.instances.length === 0 ? parent.loadMs : 0
    longestMs = Math.max(
      longestMs,
      loadMs + runMs(parent.model, parent.model.batch.max) + (hasWork ? 0 : 30_000),
    )
  }
  return longestMs
}

function arrivalMs({ lastArrivalAtMs, arrivalGapMs }: ModelState, nowMs: number): number {
  if (lastArrivalAtMs === null || arrivalGapMs === null) return Number.POSITIVE_INFINITY
  const quietMs = nowMs - lastArrivalAtMs
  return quietMs > 2 * arrivalGapMs ? quietMs : Math.max(0.2 * arrivalGapMs, arrivalGapMs - quietMs)
}

/** What keeping a model saves: load milliseconds per byte and per millisecond until it is needed. */
export function keepWorth(state: State, model: ModelState, nowMs: number): number {
  return model.loadMs / Math.max(1, model.model.vramBytes) / nextUseMs(state, model, nowMs)
}

/** Whether a resident model has had its visit: the items it found, or visitFactor × (load + visitBase) of compute. */
export function visitIsOver(state: State, { quotaCount, workMs, model }: InstanceState): boolean {
  const { visitFactor, visitBase } = state.policy
  return quotaCount <= 0 || workMs >= visitFactor * (model.loadMs + visitBase)
}
