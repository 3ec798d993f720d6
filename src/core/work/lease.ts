// A claim leases items together under one token; later each of them comes to an outcome. A graph in memory
// and a store use the same words.
import type { ItemError } from '../errors.ts'
import type { ModelId } from '../model.ts'
import type { ItemId } from './item.ts'
import type { ClaimOrder } from './queue-head.ts'

export interface ClaimRequest {
  modelId: ModelId
  /** From 1. */
  maxCount: number
  order: ClaimOrder
  leaseMs: number
}

export interface Claim {
  /** Fences this claim's items; unique for the life of the store. */
  token: string
  items: ClaimedItem[]
}

export interface ClaimedItem {
  id: ItemId
  input: unknown
  priority: number
  /** From 1. */
  attempt: number
  timeoutMs: number | null
  step: string | null
  sourceId: string | null
  tenant: string | null
}

/** Items of a claim by tenant, for the core; undefined where none names one. */
export function countByTenant(items: readonly ClaimedItem[]): Record<string, number> | undefined {
  if (items.every(({ tenant }) => tenant === null)) return undefined
  const counts: Record<string, number> = {}
  for (const { tenant } of items) counts[tenant ?? ''] = (counts[tenant ?? ''] ?? 0) + 1
  return counts
}

export type Outcome =
  | { type: 'done'; id: ItemId; output: unknown }
  /** Tried again at `retryAtMs` while attempts are left and `retryable`; else dead, and dependents follow
   * their edge policy. */
  | { type: 'fail'; id: ItemId; error: ItemError; retryable: boolean; retryAtMs: number }
  /** Back to the front of its queue; the attempt does not count. */
  | { type: 'release'; id: ItemId }

/** What an item fails with when the lease of its last attempt ended. */
export const leaseExpired: ItemError = { code: 'LEASE_EXPIRED', message: 'no sign of life came in time' }
