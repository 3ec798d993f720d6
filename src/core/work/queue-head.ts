// What the core sees of a queue: counts and sums for each priority level, never the items. The memory store
// and the SQL stores keep these up to date with every change, so that reading one costs the same at ten and
// ten million.
import type { ModelId } from '../model.ts'

/**
 * What a scheduler sees of the queue of a model: counts and sums, never the items.
 *
 * @beta
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * const head: QueueHead = (await store.queueHeads())[0]!
 * head.readyCount // => 1
 * ```
 */
export interface QueueHead {
  modelId: ModelId
  readyCount: number
  /** Items of this model that wait for other items or for a moment. */
  blockedCount: number
  /** Ready items by priority, highest first, and by tenant; levels without items are left out. */
  levels: LevelHead[]
  /** The earliest moment by which a ready item must have ended for its job to keep its deadline, of those
   * that still lie ahead, ms; null: none has one. */
  latestEndAtMs: number | null
  /** How many open dependencies items of this model have on items of another: where its next use comes
   * from. */
  waitsOn: { modelId: ModelId; count: number }[]
}

/**
 * The ready items of one model, priority and tenant.
 *
 * @beta
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP', priority: 5 })], 1000)
 * const level: LevelHead = (await store.queueHeads())[0]!.levels[0]!
 * level.oldestReadyAtMs // => 1000
 * ```
 */
export interface LevelHead {
  priority: number
  /** For whom they are; null: nobody in particular. */
  tenant: string | null
  count: number
  /** Mean of the ready items' submission times, whole ms: count × (now − mean) is their total age. A sum of a
   * million times since 1970 would be larger than the integers that a double holds. */
  submittedMeanMs: number
  /** When the item at the level's head became ready, ms. */
  oldestReadyAtMs: number
}

/**
 * How a claim orders the items of a model: by class, then by priority, then by tenant, then by arrival. The
 * limits come from the policy.
 *
 * @beta
 * @example
 * ```ts
 * const order: ClaimOrder = { interactiveFrom: 8, urgentBeforeMs: null, overdueBeforeMs: 0, shares: [] }
 * ```
 */
export interface ClaimOrder {
  /** Items of at least this priority come first, and never share a batch with others. */
  interactiveFrom: number
  /** Items that must have ended by this moment come next, earliest first; null: none does. */
  urgentBeforeMs: number | null
  /** Items ready since before this moment come next, oldest first. */
  overdueBeforeMs: number
  /** Between the tenants of one priority the one that has had least comes first. Empty: there are none. */
  shares: readonly TenantShare[]
}

/** By priority, then first in, first out. */
export const plainOrder: ClaimOrder = {
  interactiveFrom: 101,
  urgentBeforeMs: null,
  overdueBeforeMs: Number.NEGATIVE_INFINITY,
  shares: [],
}

/** The head of a queue in which nothing waits. */
export function emptyHead(modelId: ModelId): QueueHead {
  return { modelId, readyCount: 0, blockedCount: 0, levels: [], latestEndAtMs: null, waitsOn: [] }
}

/**
 * What a tenant has had, in ms of a device, over its weight; it grows by `itemMs` with each item that is
 * taken.
 *
 * @beta
 * @example
 * ```ts
 * const share: TenantShare = { tenant: 'alice', servedMs: 12_000, itemMs: 200 }
 * ```
 */
export interface TenantShare {
  /** Empty: items of nobody in particular. */
  tenant: string
  servedMs: number
  itemMs: number
}
