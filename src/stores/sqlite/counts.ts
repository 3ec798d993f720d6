// The counts that a SQLite store keeps beside its rows, so that a queue's head costs the same at ten and at
// ten million items: ready items by model, priority and tenant; blocked items by model; open dependencies by
// pair of models; items by pipeline, step and state. They are counted anew when a store is opened, and after
// a transaction that was undone.

import type { ModelId } from '../../core/model.ts'
import { itemStates } from '../../core/work/item.ts'
import { levelOf } from '../../core/work/levels.ts'
import type { QueueHead } from '../../core/work/queue-head.ts'
import type { StoreStats } from '../store.ts'
import { stateNumber } from './schema.ts'

const { ready, blocked, scheduled } = stateNumber

/** Ready items of one model, priority and tenant. */
export interface LevelCounts {
  readonly priority: number
  readonly tenant: string | null
  count: number
  /** Submission times are summed from here on, so that the sum stays a whole number. */
  baseMs: number
  submittedSumMs: number
  /** What knows the first of them. Whoever keeps the counts brings it. */
  queue: { readonly readyAtMs: number }
}

export interface ModelCounts {
  readonly modelId: ModelId
  /** Of all models together: items of pipelines that are not served. No head shows them. */
  readonly isParked: boolean
  /** Also items that wait for a moment. */
  blockedCount: number
  readyCount: number
  readonly levels: LevelCounts[]
  /** What knows the earliest deadline of the ready items. Whoever keeps the counts brings it. */
  due: { readonly latestEndAtMs: number | null }
  /** Open dependencies on items of another model. */
  readonly waitsOn: Map<ModelCounts, number>
}

/** Items of one pipeline, step and model. */
export interface Group {
  readonly pipeline: string | null
  readonly step: string | null
  readonly modelId: ModelId
  readonly model: ModelCounts
  /** By the state's number. */
  readonly countByState: number[]
}

/** Where an item is counted: a kind of items has both. */
export interface Counted {
  readonly group: Group
  readonly counts: LevelCounts
}

/** What a kind of items has in common. */
export interface KindName {
  readonly modelId: ModelId
  readonly step: string | null
  readonly priority: number
  readonly tenant: string | null
  readonly pipeline: string | null
}

export class Counts {
  readonly #serves: (pipeline: string | null) => boolean
  readonly #models = new Map<ModelId, ModelCounts>()
  readonly #groups = new Map<string, Group>()
  #parked = parkedModel()

  constructor(serves: (pipeline: string | null) => boolean) {
    this.#serves = serves
  }

  /** Groups and levels handed out before count no more. */
  clear(): void {
    this.#models.clear()
    this.#parked = parkedModel()
    this.#groups.clear()
  }

  of({ modelId, step, priority, tenant, pipeline }: KindName): Counted {
    const key = JSON.stringify([modelId, step, pipeline])
    let group = this.#groups.get(key)
    if (!group) {
      group = {
        pipeline,
        step,
        modelId,
        model: this.model(modelId, pipeline),
        countByState: itemStates.map(() => 0),
      }
      this.#groups.set(key, group)
    }
    return { group, counts: levelOf(group.model.levels, priority, tenant, newLevel) }
  }

  model(modelId: ModelId, pipeline: string | null): ModelCounts {
    if (!this.#serves(pipeline)) return this.#parked
    let model = this.#models.get(modelId)
    if (!model) {
      model = newModel(modelId)
      this.#models.set(modelId, model)
    }
    return model
  }

  /** `count` items of a state more, or less, submitted at `submittedMs` in the mean. */
  add(
    { group: { model, countByState }, counts }: Counted,
    state: number,
    count: number,
    submittedMs: number,
  ): void {
    countByState[state]! += count
    if (state === ready) {
      model.readyCount += count
      addReady(counts, count, submittedMs)
    } else if (state === blocked || state === scheduled) model.blockedCount += count
  }

  /** Open dependencies of items of one model on items of another. */
  addEdges({ waitsOn }: ModelCounts, parent: ModelCounts, count: number): void {
    const open = (waitsOn.get(parent) ?? 0) + count
    if (open === 0) waitsOn.delete(parent)
    else waitsOn.set(parent, open)
  }

  /** By model id. */
  heads(): QueueHead[] {
    const busy = [...this.#models.values()].filter(
      ({ blockedCount, readyCount }) => blockedCount > 0 || readyCount > 0,
    )
    return busy.sort(byModelId).map(headOf)
  }

  stats(): StoreStats {
    const groups = [...this.#groups.values()].flatMap(({ pipeline, step, modelId, countByState }) =>
      itemStates.map((state, index) => ({ pipeline, step, modelId, state, count: countByState[index]! })),
    )
    return { groups: groups.filter(({ count }) => count > 0) }
  }
}

const noDeadline = { latestEndAtMs: null }

function parkedModel(): ModelCounts {
  return { ...newModel(''), isParked: true }
}

function newModel(modelId: ModelId): ModelCounts {
  return {
    modelId,
    isParked: false,
    blockedCount: 0,
    readyCount: 0,
    levels: [],
    due: noDeadline,
    waitsOn: new Map(),
  }
}

function newLevel(priority: number, tenant: string | null): LevelCounts {
  const queue = { readyAtMs: Number.POSITIVE_INFINITY }
  return { priority, tenant, count: 0, baseMs: 0, submittedSumMs: 0, queue }
}

function addReady(level: LevelCounts, count: number, submittedMs: number): void {
  if (level.count === 0) {
    level.baseMs = submittedMs
    level.submittedSumMs = 0
  }
  level.count += count
  level.submittedSumMs += count * (submittedMs - level.baseMs)
}

function headOf({ modelId, readyCount, blockedCount, levels, due, waitsOn }: ModelCounts): QueueHead {
  const heads: QueueHead['levels'] = []
  for (const { priority, tenant, count, baseMs, submittedSumMs, queue } of levels) {
    if (count === 0) continue
    const submittedMeanMs = Math.round(baseMs + submittedSumMs / count)
    heads.push({ priority, tenant, count, submittedMeanMs, oldestReadyAtMs: queue.readyAtMs })
  }
  const served = [...waitsOn.keys()].filter(({ isParked }) => !isParked)
  const open = served.sort(byModelId).map((parent) => ({
    modelId: parent.modelId,
    count: waitsOn.get(parent)!,
  }))
  return { modelId, readyCount, blockedCount, levels: heads, latestEndAtMs: due.latestEndAtMs, waitsOn: open }
}

function byModelId(a: { modelId: ModelId }, b: { modelId: ModelId }): number {
  return a.modelId < b.modelId ? -1 : 1
}
