// Counts that a store keeps beside its rows, so that a queue's head costs the same at ten and at ten million items:
// ready items by model and priority, blocked items by model, open dependencies by pair of models, items by step and state.
// Rebuilt from the rows when a store is opened, and after a transaction that was undone.
import type { ModelId } from '../core/model.ts'
import type { QueueHead } from '../core/queue-head.ts'
import { itemStates } from '../core/work-item.ts'
import { stateNumber } from './sqlite-schema.ts'
import type { StoreStats } from './store.ts'

const { ready, blocked, scheduled } = stateNumber

interface LevelCounts {
  count: number
  /** Submission times are summed from here on, so that the sum stays a whole number. */
  baseMs: number
  submittedSumMs: number
}

interface ModelCounts {
  modelId: ModelId
  /** Also items that wait for a moment. */
  blockedCount: number
  readyCount: number
  levels: Map<number, LevelCounts>
  /** Open dependencies on items of another model. */
  waitsOn: Map<ModelCounts, number>
}

/** Items of one step and model; each item in memory points to its own. */
export interface Group {
  readonly step: string | null
  readonly model: ModelCounts
  /** By the state's number. */
  readonly countByState: number[]
}

export class Counts {
  readonly #models = new Map<ModelId, ModelCounts>()
  readonly #groups = new Map<string, Group>()

  /** Groups handed out before count no more. */
  clear(): void {
    this.#models.clear()
    this.#groups.clear()
  }

  group(modelId: ModelId, step: string | null): Group {
    const key = JSON.stringify([modelId, step])
    let group = this.#groups.get(key)
    if (!group) {
      group = { step, model: this.#model(modelId), countByState: itemStates.map(() => 0) }
      this.#groups.set(key, group)
    }
    return group
  }

  #model(modelId: ModelId): ModelCounts {
    let model = this.#models.get(modelId)
    if (!model) {
      model = { modelId, blockedCount: 0, readyCount: 0, levels: new Map(), waitsOn: new Map() }
      this.#models.set(modelId, model)
    }
    return model
  }

  /** `count` items of a state more, or less; ready ones of a priority, submitted at `submittedMs` in the mean. */
  add(
    { model, countByState }: Group,
    state: number,
    count: number,
    priority: number,
    submittedMs: number,
  ): void {
    countByState[state]! += count
    if (state === ready) addReady(model, count, priority, submittedMs)
    else if (state === blocked || state === scheduled) model.blockedCount += count
  }

  addEdges({ model: { waitsOn } }: Group, { model: parent }: Group, count: number): void {
    const open = (waitsOn.get(parent) ?? 0) + count
    if (open === 0) waitsOn.delete(parent)
    else waitsOn.set(parent, open)
  }

  /** Priorities that have ready items, highest first. */
  priorities(modelId: ModelId): number[] {
    return [...(this.#models.get(modelId)?.levels.keys() ?? [])].sort((a, b) => b - a)
  }

  /** By model id. `oldestReadyAtMs` looks at the first item of a level. */
  heads(oldestReadyAtMs: (modelId: ModelId, priority: number) => number): QueueHead[] {
    const busy = [...this.#models.values()].filter(
      ({ blockedCount, readyCount }) => blockedCount > 0 || readyCount > 0,
    )
    busy.sort(byModelId)
    return busy.map(({ modelId, readyCount, blockedCount, levels, waitsOn }) => ({
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
      waitsOn: [...waitsOn.keys()]
        .sort(byModelId)
        .map((parent) => ({ modelId: parent.modelId, count: waitsOn.get(parent)! })),
    }))
  }

  stats(): StoreStats {
    const groups = [...this.#groups.values()].flatMap(({ step, model: { modelId }, countByState }) =>
      itemStates.map((state, index) => ({ step, modelId, state, count: countByState[index]! })),
    )
    return { groups: groups.filter(({ count }) => count > 0) }
  }
}

function addReady(model: ModelCounts, count: number, priority: number, submittedMs: number): void {
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

function byModelId(a: { modelId: ModelId }, b: { modelId: ModelId }): number {
  return a.modelId < b.modelId ? -1 : 1
}
