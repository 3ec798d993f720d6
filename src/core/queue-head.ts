// What the core sees of a queue: counts and sums for each priority level, never the items. The memory store and
// the SQL stores keep these up to date with every change, so that reading one costs the same at ten and ten million.
import type { ModelId } from './model.ts'

export interface QueueHead {
  modelId: ModelId
  readyCount: number
  /** Items of this model that wait for other items or for a moment. */
  blockedCount: number
  /** Ready items by priority, highest first; levels without items are left out. */
  levels: LevelHead[]
  /** How many open dependencies items of this model have on items of another: where its next use comes from. */
  waitsOn: { modelId: ModelId; count: number }[]
}

export interface LevelHead {
  priority: number
  count: number
  /** Mean of the ready items' submission times, whole ms: count × (now − mean) is their total age. A sum of a million
   * times since 1970 would be larger than the integers that a double holds. */
  submittedMeanMs: number
  /** When the item at the level's head became ready, ms. */
  oldestReadyAtMs: number
}

/** How a claim orders the items of a model. Both limits come from the policy. */
export interface ClaimOrder {
  /** Items of at least this priority come first, and never share a batch with others. */
  interactiveFrom: number
  /** Items ready since before this moment come next, oldest first. */
  overdueBeforeMs: number
}
