// What a caller has to do before a batch: unload and load models. Loads and evictions are booked as soon as
// they are decided, some of them long before a batch of the model runs. An eviction is passed on with the
// next batch, whatever model that is of: its bytes are promised to others. A load is passed on with the
// first batch of its model, so that no item waits for a load that it does not need. What is undone before it
// was passed on is never done: a model that is evicted before its first batch is not loaded, one that is
// loaded again before its eviction stays.
import type { ModelId } from '../core/model.ts'
import type { Reason } from '../core/state/events.ts'

export interface BatchSteps {
  evictions: ModelId[]
  loads: ModelId[]
  /** For each of them, the evictions first, what it is and why. */
  reasons: readonly (readonly [string, Reason])[]
}

export class Steps {
  readonly #evictions = new Map<ModelId, Reason>()
  readonly #loads = new Map<ModelId, Reason>()

  evict(modelId: ModelId, reason: Reason): void {
    if (!this.#loads.delete(modelId)) this.#evictions.set(modelId, reason)
  }

  load(modelId: ModelId, reason: Reason): void {
    if (!this.#evictions.delete(modelId)) this.#loads.set(modelId, reason)
  }

  /** It is not loaded, whatever was planned for it. */
  forget(modelId: ModelId): void {
    this.#evictions.delete(modelId)
    this.#loads.delete(modelId)
  }

  /** Those that come before a batch of a model; they are passed on with it. */
  before(modelId: ModelId): BatchSteps {
    if (this.#evictions.size === 0 && !this.#loads.has(modelId))
      return { evictions: [], loads: [], reasons: none }
    const evictions = [...this.#evictions]
    const loads = [...this.#loads].filter(([id]) => id === modelId)
    this.#evictions.clear()
    this.#loads.delete(modelId)
    return {
      evictions: evictions.map(([id]) => id),
      loads: loads.map(([id]) => id),
      reasons: [
        ...evictions.map(([id, reason]) => [`${id} is evicted`, reason] as const),
        ...loads.map(([id, reason]) => [`${id} is loaded`, reason] as const),
      ],
    }
  }
}

const none: BatchSteps['reasons'] = []
