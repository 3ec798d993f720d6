// What was learned of a model and is worth keeping from one run to the next: how much memory it holds, how
// large its batches may be, how long its loads and batches take. Plain data, to be written down and read
// back.

import type { ModelId } from '../model.ts'
import { pacedModel } from './batches.ts'
import type { ModelLoads } from './loads.ts'
import type { BatchLimit, Footprint, State } from './state.ts'

export interface ModelProfile {
  modelId: ModelId
  footprints: Footprint[]
  batchLimits: BatchLimit[]
  /** Measured ÷ declared run time, and the batches that it is from. */
  pace: { ratio: number; batchCount: number }
  /** Expected load, ms, and the loads that it is from. */
  load: ModelLoads
}

/** The profiles of models that have been loaded or run: copies. */
export function profilesOf(state: State): ModelProfile[] {
  return state.models.flatMap(({ model, footprints, batchLimits, pace }) => {
    const load = state.loads.learned(model.id)!
    if (load.sampleCount === 0 && pace.batchCount === 0 && footprints.length === 0) return []
    return [structuredClone({ modelId: model.id, footprints, batchLimits, pace, load })]
  })
}

/** Puts profiles into a new state. Profiles of models that the state does not have are left out. */
export function restoreProfiles(state: State, profiles: readonly ModelProfile[]): void {
  for (const { modelId, footprints, batchLimits, pace, load } of profiles) {
    const each = state.modelById.get(modelId)
    if (!each) continue
    each.footprints.push(...structuredClone(footprints))
    each.batchLimits.push(...structuredClone(batchLimits))
    Object.assign(each.pace, pace)
    each.model = pacedModel(each)
    state.loads.restore(modelId, load)
    each.loadMs = state.loads.estimatedLoadMs(modelId)
  }
}
