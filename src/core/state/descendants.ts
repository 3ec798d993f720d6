// The work that hangs below a model in the graph of items, read from the edges between models that the queue
// heads carry:
//
//   restMs   the compute that an item of the model still has below it until its job ends, on average
//   rankMs   the longest way down, with half a load at every change of model
//
// The way down is followed for `maxSteps` edges, since models of different jobs may wait for each other in a
// circle. Cost: O(models + edges between them) for each step. A workload without dependencies costs nothing.

import { runMs } from '../model.ts'
import { clearMs } from './estimates.ts'
import type { State } from './state.ts'

/** Study: on the pipelines with the longest ways 8 steps lose 2 % against 12, and more gain nothing. */
const maxSteps = 12

/** Writes restMs and rankMs of every model. For apply.ts alone. */
export function updateDescendants({ models, modelById }: State): void {
  for (const model of models) model.restMs = model.rankMs = 0
  const parents = models.filter(({ blockedCount, waitsOn }) => blockedCount > 0 && waitsOn.length > 0)
  const restMs = new Float64Array(models.length)
  const rankMs = new Float64Array(models.length)
  for (let step = 0; step < maxSteps; step++) {
    restMs.fill(0)
    rankMs.fill(0)
    for (const { model, blockedCount, loadMs, waitsOn, restMs: belowMs, rankMs: wayBelowMs } of parents) {
      const { max } = model.batch
      const eachMs = runMs(model, max) / max + belowMs
      const wayMs = clearMs(model, Math.min(max, blockedCount)) + loadMs / 2 + wayBelowMs
      for (const { modelId, count } of waitsOn) {
        const above = modelById.get(modelId)
        if (!above || modelId === model.id) continue
        const share = Math.min(1, count / Math.max(1, above.readyCount + above.blockedCount))
        restMs[above.index]! += eachMs * share
        rankMs[above.index] = Math.max(rankMs[above.index]!, wayMs)
      }
    }
    let isSettled = true
    for (const model of models) {
      if (model.restMs === restMs[model.index] && model.rankMs === rankMs[model.index]) continue
      isSettled = false
      model.restMs = restMs[model.index]!
      model.rankMs = rankMs[model.index]!
    }
    if (isSettled) return
  }
}
