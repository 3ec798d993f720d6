// A claim leases items together under one token; later each of them comes to an outcome. A graph in memory
// and a store use the same words.
import type { ItemError } from '../errors.ts'
import type { ModelId } from '../model.ts'
import type { ItemId } from './item.ts'
import type { ClaimOrder } from './queue-head.ts'

/**
 * Which items a claim takes: of a model, at most so many, in an order, for so long.
 *
 * @beta
 * @example
 * ```ts
 * const order = { interactiveFrom: 8, urgentBeforeMs: null, overdueBeforeMs: 0, shares: [] }
 * const request: ClaimRequest = { modelId: 'CLAP', maxCount: 8, order, leaseMs: 60_000 }
 * const claim = await openMemoryStore().claim(request, 1000)
 * claim.items // => []
 * ```
 */
export interface ClaimRequest {
  modelId: ModelId
  /** Most items that it takes, from 1. */
  maxCount: number
  order: ClaimOrder
  /** How long they are held without a heartbeat. */
  leaseMs: number
}

/**
 * Items that were taken together, under one token.
 *
 * @beta
 * @example
 * ```ts
 * const order = { interactiveFrom: 8, urgentBeforeMs: null, overdueBeforeMs: 0, shares: [] }
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * const claim: Claim = await store.claim({ modelId: 'CLAP', maxCount: 8, order, leaseMs: 60_000 }, 1000)
 * const outcomes = claim.items.map(({ id }) => ({ type: 'done' as const, id, output: 'rain' }))
 * await store.finish(claim.token, outcomes, 2000) // => { accepted: ['a'], stale: [] }
 * ```
 */
export interface Claim {
  /** Fences this claim's items; unique for the life of the store. */
  token: string
  items: ClaimedItem[]
}

/**
 * An item that is to be run now.
 *
 * @public
 * @example
 * ```ts
 * const scheduler = new GpuScheduler()
 * scheduler.submit({ id: 'a', modelId: 'CLAP', input: 'v1.wav' })
 * const item: ClaimedItem = scheduler.getNextBatch()!.items[0]!
 * item.input // => 'v1.wav'
 * item.attempt // => 1
 * ```
 */
export interface ClaimedItem {
  id: ItemId
  /** What it runs with. */
  input: unknown
  /** Its own, or a higher one that it has inherited. */
  priority: number
  /** This one, from 1. */
  attempt: number
  /** Longest run of this attempt; null: nothing is said. */
  timeoutMs: number | null
  /** The pipeline's step; null: none. */
  step: string | null
  /** The source it came from; null: none. */
  sourceId: string | null
  /** For whom it is; null: nobody in particular. */
  tenant: string | null
}

/** Items of a claim by tenant, for the core; undefined where none names one. */
export function countByTenant(items: readonly ClaimedItem[]): Record<string, number> | undefined {
  if (items.every(({ tenant }) => tenant === null)) return undefined
  const counts: Record<string, number> = {}
  for (const { tenant } of items) counts[tenant ?? ''] = (counts[tenant ?? ''] ?? 0) + 1
  return counts
}

/**
 * What became of an item of a claim: done, failed, or given back.
 *
 * @beta
 * @example
 * ```ts
 * const error = { code: 'RUN_FAILED', message: 'the file has no sound' }
 * const outcome: Outcome = { type: 'fail', id: 'a', error, retryable: true, retryAtMs: 5000 }
 * ```
 */
export type Outcome =
  | { type: 'done'; id: ItemId; output: unknown }
  /** Tried again at `retryAtMs` while attempts are left and `retryable`; else dead, and dependents follow
   * their edge policy. */
  | { type: 'fail'; id: ItemId; error: ItemError; retryable: boolean; retryAtMs: number }
  /** Back to the front of its queue; the attempt does not count. */
  | { type: 'release'; id: ItemId }

/** What an item fails with when the lease of its last attempt ended. */
export const leaseExpired: ItemError = { code: 'LEASE_EXPIRED', message: 'no sign of life came in time' }
