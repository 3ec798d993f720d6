// Counts that a store keeps beside its rows, so that a queue's head costs the same at ten and at ten million items:
// ready items by model, priority and tenant, blocked items by model, open dependencies by pair of models, items by step and
// state. Rebuilt from the rows when a store is opened, and after a transaction that was undone.

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

interface ModelCounts {
  readonly modelId: ModelId
  /** Also items that wait for a moment. */
  blockedCount: number
  readyCount: number
  readonly levels: LevelCounts[]
  /** What knows the earliest deadline of the ready items. Whoever keeps the counts brings it. */
  due: { readonly latestEndAtMs: number | null }
  /** Open dependencies on items of another model. */
  readonly waitsOn: Map<ModelCounts, number>
}

/** Items of one step and model. */
export interface Group {
  readonly step: string | null
  readonly model: ModelCounts
  /** By the state's number. */
  readonly countByState: number[]
}

/** Where an item is counted: a kind of items has both. */
export interface Counted {
  readonly group: Group
  readonly counts: LevelCounts
}

export class Counts {
  readonly #models = new Map<ModelId, ModelCounts>()
  readonly #groups = new Map<string, Group>()

  /** Groups and levels handed out before count no more. */
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

  level(modelId: ModelId, priority: number, tenant: string | null): LevelCounts {
    return levelOf(this.#model(modelId).levels, priority, tenant, newLevel)
  }

  #model(modelId: ModelId): ModelCounts {
    let model = this.#models.get(modelId)
    if (!model) {
      model = { modelId, blockedCount: 0, readyCount: 0, levels: [], due: noDeadline, waitsOn: new Map() }
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

  addEdges({ model: { waitsOn } }: Group, { model: parent }: Group, count: number): void {
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
    const groups = [...this.#groups.values()].flatMap(({ step, model: { modelId }, countByState }) =>
      itemStates.map((state, index) => ({ step, modelId, state, count: countByState[index]! })),
    )
    return { groups: groups.filter(({ count }) => count > 0) }
  }
}

const noDeadline = { latestEndAtMs: null }

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
  const open = [...waitsOn.keys()].sort(byModelId).map((parent) => ({
    modelId: parent.modelId,
    count: waitsOn.get(parent)!,
  }))
  return { modelId, readyCount, blockedCount, levels: heads, latestEndAtMs: due.latestEndAtMs, waitsOn: open }
}

function byModelId(a: { modelId: ModelId }, b: { modelId: ModelId }): number {
  return a.modelId < b.modelId ? -1 : 1
}
