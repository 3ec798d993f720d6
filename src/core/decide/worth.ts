// What it is worth to keep a model, and until when it will be needed: expectations that compare models with each other.
// They are read from one decision's view, which works out each model's next use once.
import { clearMs } from '../state/estimates.ts'
import type { ModelState } from '../state/state.ts'
import type { View } from './view.ts'

/** A queue counts as growing until nothing was submitted to it for so many of its model's loads. Study: 3 loses 4 % where
 *  bursts have pauses; 10 to 40 lose nothing. */
const growingLoads = 20

/** What keeping a model saves: milliseconds of loading per byte, and per millisecond until it is needed. */
export function keepWorth(view: View, model: ModelState): number {
  return model.loadMs / Math.max(1, model.model.vramBytes) / view.nextUseMs(model)
}

/** Time until all that is known to come for a model with nothing ready has run, if only what it waits for ran before it,
 *  ms. Infinity: nothing is known to come. */
export function doneMs(view: View, model: ModelState): number {
  if (model.blockedCount === 0) return Number.POSITIVE_INFINITY
  let aboveMs = 0
  for (const { modelId, count } of model.waitsOn) {
    const parent = view.state.modelById.get(modelId)
    if (!parent || parent === model) continue
    if (parent.instances.length === 0) aboveMs += parent.loadMs
    aboveMs += clearMs(
      parent.model,
      Math.min(count, parent.readyCount + parent.blockedCount + parent.runningCount),
    )
  }
  return Math.max(aboveMs, view.nextUseMs(model)) + clearMs(model.model, model.blockedCount)
}

/** Whether more items of the model are expected, since some were submitted lately. It would be loaded again for them,
 *  whatever is known now. */
export function isGrowing({ nowMs }: View, { submittedAtMs, loadMs }: ModelState): boolean {
  return submittedAtMs !== null && nowMs - submittedAtMs < growingLoads * loadMs
}
