// The batches that run now, at most one for each slot and each model without memory, and what is known of the
// time that they take. A load is reported while its batch runs, since the caller loads between the two: the
// batch begins anew then. The time of a batch that came with a load which was never reported is not known.
import type { ModelId } from '../core/model.ts'
import type { BatchId } from '../core/state/events.ts'
import type { WorkGraph } from '../core/work/graph.ts'
import type { ItemId } from '../core/work/item.ts'
import type { Usage } from './status.ts'

export interface RunningBatch {
  readonly id: BatchId
  readonly token: string
  readonly modelId: ModelId
  readonly usage: Usage
  readonly itemCount: number
  startedAtMs: number
  /** A load came before it that has not been reported, so that the batch may not have begun. */
  isLoading: boolean
  openCount: number
  failedCount: number
}

export class RunningBatches {
  readonly #graph: WorkGraph
  readonly #batches: RunningBatch[] = []

  constructor(graph: WorkGraph) {
    this.#graph = graph
  }

  start(batch: RunningBatch): void {
    this.#batches.push(batch)
  }

  /** The batch that an item runs in. */
  of(id: ItemId): RunningBatch | undefined {
    return this.#batches.find(({ token }) => this.#graph.holds(token, id))
  }

  /** An item of it has been answered. Answers whether it was the last one. */
  answered(batch: RunningBatch): boolean {
    if (--batch.openCount > 0) return false
    this.#batches.splice(this.#batches.indexOf(batch), 1)
    return true
  }

  /** The load that batches of a model waited for is over. */
  loaded(modelId: ModelId, nowMs: number): void {
    for (const batch of this.#batches) {
      if (batch.modelId !== modelId || !batch.isLoading) continue
      batch.isLoading = false
      batch.startedAtMs = nowMs
    }
  }

  /** Items that run, by model. */
  counts(): Map<ModelId, number> {
    const counts = new Map<ModelId, number>()
    for (const { modelId, openCount } of this.#batches)
      counts.set(modelId, (counts.get(modelId) ?? 0) + openCount)
    return counts
  }
}
