// How often models were loaded, and how long a load takes: what decisions expect of the next one. The
// declared time stands until the first load has been measured. Then it is a running average, which follows a
// disk that becomes slower.

import { averaged } from '../average.ts'
import type { Model, ModelId } from '../model.ts'

export interface ModelLoads {
  expectedMs: number
  /** Loads that this is from, those of earlier runs too. */
  sampleCount: number
}

export class LoadTimes {
  readonly #loads: Map<ModelId, ModelLoads>
  readonly #lastMs = new Map<ModelId, number>()
  readonly #counts = new Map<ModelId, number>()

  constructor(models: readonly Model[]) {
    this.#loads = new Map(models.map(({ id, loadMs }) => [id, { expectedMs: loadMs, sampleCount: 0 }]))
  }

  /** A load took so long, ms. */
  markLoaded(modelId: ModelId, loadMs: number): void {
    const loads = this.#loads.get(modelId)
    if (!loads) return
    loads.expectedMs = averaged(loads.expectedMs, loads.sampleCount, loadMs)
    loads.sampleCount++
    this.#lastMs.set(modelId, loadMs)
    this.#counts.set(modelId, this.loadCount(modelId) + 1)
  }

  /** Expected load, ms; 0 for a model that is not known. */
  estimatedLoadMs(modelId: ModelId): number {
    return this.#loads.get(modelId)?.expectedMs ?? 0
  }

  /** The last load of this run, ms; null: none was measured. */
  lastLoadMs(modelId: ModelId): number | null {
    return this.#lastMs.get(modelId) ?? null
  }

  /** What was learned; null for a model that is not known. */
  learned(modelId: ModelId): ModelLoads | null {
    return this.#loads.get(modelId) ?? null
  }

  /** What an earlier run has learned, or this one, with its loads. */
  restore(modelId: ModelId, loads: ModelLoads, loadCount = 0): void {
    if (!this.#loads.has(modelId)) return
    this.#loads.set(modelId, { ...loads })
    this.#counts.set(modelId, loadCount)
  }

  /** Loads of this run. */
  loadCount(modelId: ModelId): number {
    return this.#counts.get(modelId) ?? 0
  }
}
