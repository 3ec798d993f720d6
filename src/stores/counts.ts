// Counts that a store keeps beside its rows, so that a queue's head costs the same at ten and at ten million items:
// ready items by model and priority, blocked items by model, open dependencies by pair of models, items by step and state.
// Rebuilt from the rows when a store is opened, and after a transaction that was undone.
import type { ModelId } from '../core/model.ts'
import type { QueueHead } from '../core/queue-head.ts'
import type { ItemState } from '../core/work-item.ts'
import type { StoreStats } from './store.ts'

interface Level {
  count: number
  /** Submission times are summed from here on, so that the sum stays a whole number. */
  baseMs: number
  submittedSumMs: number
}

interface ModelCounts {
  blockedCount: number
  readyCount: number
  levels: Map<number, Level>
  /** Model to the number of open dependencies on its items. */
  waitsOn: Map<ModelId, number>
}

export class Counts {
  readonly #models = new Map<ModelId, ModelCounts>()
  readonly #groups = new Map<string, StoreStats['groups'][number]>()

  clear(): void {
    this.#models.clear()
    this.#groups.clear()
  }

  /** `count` is 1 for an item that came, -1 for one that went. Blocked counts also items that wait for a moment. */
  addBlocked(modelId: ModelId, count: number): void {
    this.#of(modelId).blockedCount += count
  }

  /** `count` items that were submitted at `submittedMs`, in the mean. */
  addReady(modelId: ModelId, priority: number, count: number, submittedMs: number): void {
    const model = this.#of(modelId)
    let level = model.levels.get(priority)
    if (!level) {
      level = { count: 0, baseMs: submittedMs, submittedSumMs: 0 }
      model.levels.set(priority, level)
    }
    model.readyCount += count
    level.count += count
    level.submittedSumMs += count * (submittedMs - level.baseMs)
    if (level.count === 0) model.levels.delete(priority)
  }

  addEdges(childModel: ModelId, parentModel: ModelId, count: number): void {
    const { waitsOn } = this.#of(childModel)
    const open = (waitsOn.get(parentModel) ?? 0) + count
    if (open === 0) waitsOn.delete(parentModel)
    else waitsOn.set(parentModel, open)
  }

  addState(step: string | null, modelId: ModelId, state: ItemState, count: number): void {
    const key = `${step ?? ''}\n${modelId}\n${state}`
    const group = this.#groups.get(key)
    if (group) group.count += count
    else this.#groups.set(key, { step, modelId, state, count })
  }

  readyCount(modelId: ModelId): number {
    return this.#models.get(modelId)?.readyCount ?? 0
  }

  /** Priorities that have ready items, highest first. */
  priorities(modelId: ModelId): number[] {
    return [...(this.#models.get(modelId)?.levels.keys() ?? [])].sort((a, b) => b - a)
  }

  /** By model id. `oldestReadyAtMs` looks at the first item of a level. */
  heads(oldestReadyAtMs: (modelId: ModelId, priority: number) => number): QueueHead[] {
    const busy = [...this.#models].filter(
      ([, { blockedCount, readyCount }]) => blockedCount > 0 || readyCount > 0,
    )
    busy.sort(([a], [b]) => (a < b ? -1 : 1))
    return busy.map(([modelId, { blockedCount, readyCount, levels, waitsOn }]) => ({
      modelId,
      readyCount,
      blockedCount,
      levels: this.priorities(modelId).map((priority) => {
        const { count, baseMs, submittedSumMs } = levels.get(priority)!
        const submittedMeanMs = Math.round(baseMs + submittedSumMs / count)
        return {
          priority,
          tenant: null,
          count,
          submittedMeanMs,
          oldestReadyAtMs: oldestReadyAtMs(modelId, priority),
        }
      }),
      latestEndAtMs: null,
      waitsOn: [...waitsOn]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([id, count]) => ({ modelId: id, count })),
    }))
  }

  stats(): StoreStats {
    return {
      groups: [...this.#groups.values()].filter(({ count }) => count > 0).map((group) => ({ ...group })),
    }
  }

  #of(modelId: ModelId): ModelCounts {
    let model = this.#models.get(modelId)
    if (!model) {
      model = { blockedCount: 0, readyCount: 0, levels: new Map(), waitsOn: new Map() }
      this.#models.set(modelId, model)
    }
    return model
  }
}
