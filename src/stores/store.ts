// The store contract: where items, their dependencies, leases and results live. Three stores keep it (memory,
// SQLite, later PostgreSQL) and one suite, test/stores/conformance.ts, holds them to it.
//
// Rules that every store keeps:
//  (1) A call happens completely or not at all. What a resolved promise said survives kill -9 (where
//      `supports.durable`).
//  (2) Submitting a known id changes nothing: the same call may be made twice.
//  (3) Only the holder of the current lease token can end an item. A stale token changes nothing.
//  (4) Dependents are released in the transaction that ends the item they wait for; released together, they
//      become ready in the order of their submission.
//  (5) Within a model interactive levels come first, then urgent items, the earliest deadline first, then
//      overdue items, the oldest first, then the others by priority. Between the tenants of one priority the
//      one that has had least comes first; inside a level items are first in, first out. A batch never mixes
//      interactive and other items.
//  (6) An item inherits the priority and the deadline of the items that wait for it, over any number of
//      edges, as long as it has not ended. What it has inherited stays with it, and outlives the process.
//  (7) Nothing waits for itself. A submission in a circle is refused; a fan-out whose children would wait for
//      it fails alone.
//  (8) A store may serve some pipelines only. Items of the others are parked: no queue head shows them and no
//      claim takes them. They can be read, cancelled and retried; ends pass on to them, leases of them end
//      and their retries come due as ever. But none is released: an item that has nothing to wait for any
//      more stays blocked, and no resolver is asked about it, until a store that serves its pipeline opens
//      (`releaseAll`).
//  (9) Time is an argument. The store has no clock, no timer and no chance.
import type { ItemError } from '../core/errors.ts'
import type { ModelId } from '../core/model.ts'
import type { ItemId, ItemState, NewItem, StoredItem } from '../core/work/item.ts'
import type { Claim, ClaimRequest, Outcome } from '../core/work/lease.ts'
import type { QueueHead } from '../core/work/queue-head.ts'
import type { Resolver } from '../core/work/resolver.ts'

export type { StoredItem } from '../core/work/item.ts'
export type { Claim, ClaimedItem, ClaimRequest, Outcome } from '../core/work/lease.ts'
export type { Resolution, ResolvedParent, Resolver } from '../core/work/resolver.ts'

/**
 * How a store is opened. All of it may be left out.
 *
 * @beta
 * @example
 * ```ts
 * const options: StoreOptions = { serves: (pipeline) => pipeline === 'archive' }
 * const store = openMemoryStore(options)
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP', pipeline: 'other' })], 1000)
 * await store.queueHeads() // => []
 * ```
 */
export interface StoreOptions {
  /** Asked about items with a step. Without one they run as they are. */
  resolver?: Resolver | null
  /** Time that an item of a model takes at the least, ms: what it waits for must have ended so long before
   * it. Never throws. Default 0. */
  leadMs?: (modelId: ModelId) => number
  /** Whether a pipeline's items are worked on; those of the others are parked. It always gives the same
   * answer. Never throws. Default: all are. */
  serves?: (pipeline: string | null) => boolean
}

/**
 * Where items, their dependencies, leases and results live. A call happens completely or not at all. Moments
 * are arguments, in ms since 1970: a store has no clock.
 *
 * @beta
 * @example
 * ```ts
 * const store: Store = openMemoryStore()
 * const first = newItem({ id: 'a', modelId: 'CLAP' })
 * const second = newItem({ id: 'b', modelId: 'Qwen3', dependencies: [first] })
 * await store.submit([first, second], 1000)
 * const order = { interactiveFrom: 8, urgentBeforeMs: null, overdueBeforeMs: 0, shares: [] }
 * const { token } = await store.claim({ modelId: 'CLAP', maxCount: 8, order, leaseMs: 60_000 }, 2000)
 * await store.finish(token, [{ type: 'done', id: 'a', output: 'rain' }], 3000)
 * const released = (await store.get('b'))!
 * released.state // => 'ready'
 * ```
 */
export interface Store {
  /** What this store can do. */
  readonly supports: {
    /** Outlives the process. */
    durable: boolean
    /** Several processes may use it at once. */
    shared: boolean
  }
  /** Adds a graph of items; dependencies may be in the same call or in the store, also ended ones.
   * Throws UNKNOWN_DEPENDENCY, or CYCLE with the path; then nothing was added. */
  submit(items: NewItem[], nowMs: number): Promise<{ addedCount: number; knownCount: number }>
  /** Heads of all models that have items ready or blocked, by model id. */
  queueHeads(): Promise<QueueHead[]>
  /** Leases up to `maxCount` items of a model, in order; their attempt counts from 1. May be empty. Rejects
   * with STORE_FULL, STORE_FAILED. */
  claim(request: ClaimRequest, nowMs: number): Promise<Claim>
  /** Prolongs a claim's leases. False: at least one item of it is no longer ours. Rejects with
   * STORE_FULL, STORE_FAILED. */
  heartbeat(token: string, leaseMs: number, nowMs: number): Promise<boolean>
  /** Ends items of a claim, or gives them back. Items that the token does not hold are left alone and listed
   * as stale. Rejects with BAD_VALUE for an output that JSON cannot say, where the store is a file. */
  finish(token: string, outcomes: Outcome[], nowMs: number): Promise<{ accepted: ItemId[]; stale: ItemId[] }>
  /** Cancels items that have not ended, and what depends on them (by their edge policies). `cause` is kept
   * with them; default CANCELLED. Throws UNKNOWN_ITEM. */
  cancel(ids: ItemId[], nowMs: number, cause?: ItemError): Promise<{ cancelledCount: number }>
  /** Makes failed or cancelled items new (attempt 0), with the dependents that have ended, over any number of
   * edges, also those that went on without them, and the parts of a fan-out that failed or were cancelled. A
   * dependent that was itself cancelled stays so. Ids of items in other states are left alone. Throws
   * UNKNOWN_ITEM. */
  retry(which: ItemId[] | RetryQuery, nowMs: number): Promise<{ retriedCount: number }>
  /** Makes items that have not ended, and what they made, those of a pipeline: an id says all that its result
   * depends on, so another pipeline with the same item may run it. They go on as if they had always been.
   * Throws UNKNOWN_ITEM. */
  adopt(ids: ItemId[], pipeline: string, nowMs: number): Promise<{ adoptedCount: number }>
  /** Returns items whose lease has ended (a used attempt; dead when it was the last), makes due ones ready,
   * and forgets deadlines that have passed. `nextAtMs`: when there is something of this again. Rejects with
   * STORE_FULL, STORE_FAILED. */
  sweep(nowMs: number): Promise<{ changedCount: number; nextAtMs: number | null }>
  /** Returns every leased item to the front of its queue without using up its attempt, and releases what an
   * earlier owner did not serve: for the only owner, at its start. Answers with the number of those that were
   * leased. Rejects with STORE_FULL, STORE_FAILED. */
  releaseAll(nowMs: number): Promise<number>
  /** An item; null: none is called so. Rejects with STORE_FAILED. */
  get(id: ItemId): Promise<StoredItem | null>
  /** In order of submission, after a cursor. Rejects with STORE_FAILED. */
  list(query: ListQuery): Promise<{ items: StoredItem[]; cursor: number | null }>
  /** The same items in brief: no input, output or source is read. Rejects with STORE_FAILED. */
  briefs(query: ListQuery): Promise<{ items: ItemBrief[]; cursor: number | null }>
  /** What happened, oldest first, after a cursor; every change of an item's state is one event. `limit`: most
   * events, a whole number. Rejects with STORE_FAILED. */
  events(afterSequence: number, limit: number): Promise<StoreEvent[]>
  /** Items by pipeline, step, model and state. */
  stats(): Promise<StoreStats>
  /** The latest moment at which anything changed, ms since 1970; 0: nothing ever did. Cost: O(1). */
  latestAtMs(): Promise<number>
  /** Not to be called while other calls are under way. */
  close(): Promise<void>
}

/**
 * A store, as far as it only reads.
 *
 * @beta
 * @example
 * ```ts
 * const reader: StoreReader = openMemoryStore()
 * const { items } = await reader.list({ state: 'failed' })
 * items // => []
 * ```
 */
export type StoreReader = Pick<
  Store,
  'get' | 'list' | 'briefs' | 'events' | 'stats' | 'queueHeads' | 'latestAtMs' | 'close'
>

/**
 * Which items are retried.
 *
 * @beta
 * @example
 * ```ts
 * const query: RetryQuery = { state: 'failed', errorCode: 'RUN_TIMEOUT' }
 * await openMemoryStore().retry(query, 1000) // => { retriedCount: 0 }
 * ```
 */
export interface RetryQuery {
  /** The state that they are in. */
  state: 'failed' | 'cancelled'
  /** null: those of none. Left out: of any. */
  pipeline?: string | null
  /** The code of the error that they ended with. */
  errorCode?: string
}

/**
 * Which items are listed; what is left out does not count.
 *
 * @beta
 * @example
 * ```ts
 * const query: ListQuery = { state: 'failed', modelId: 'CLAP', limit: 100 }
 * await openMemoryStore().list(query) // => { items: [], cursor: null }
 * ```
 */
export interface ListQuery {
  state?: ItemState
  /** Of this step. */
  step?: string
  modelId?: ModelId
  /** Made by this fan-out. */
  parentId?: ItemId
  /** null: items of none. Left out: of any. */
  pipeline?: string | null
  /** How their ids begin. Half of a surrogate pair is U+FFFD here, as it is in a file. */
  idPrefix?: string
  /** Sequence after which to go on; default 0. */
  after?: number
  /** Most that are listed, a whole number from 1; default 1000. */
  limit?: number
}

/**
 * An item without its input, output and source.
 *
 * @beta
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * const brief: ItemBrief = (await store.briefs({})).items[0]!
 * brief.state // => 'ready'
 * ```
 */
export interface ItemBrief
  extends Pick<StoredItem, 'sequence' | 'id' | 'state' | 'parentId' | 'pipeline' | 'step' | 'modelId'> {
  /** Of the error that it has: see `StoredItem.error`. */
  errorCode: string | null
}

/**
 * A change of an item's state.
 *
 * @beta
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * const events: StoreEvent[] = await store.events(0, 100)
 * events.map(({ state }) => state) // => ['blocked', 'ready']
 * ```
 */
export interface StoreEvent {
  /** Counts up by one, from 1. */
  sequence: number
  atMs: number
  itemId: ItemId
  /** The new one. */
  state: ItemState
  /** The attempt that it is of, from 1; 0: it was never run. */
  attempt: number
}

/**
 * Items by pipeline, step, model and state.
 *
 * @beta
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * const stats: StoreStats = await store.stats()
 * stats.groups[0]!.count // => 1
 * ```
 */
export interface StoreStats {
  /** One for each of these that has items. */
  groups: {
    pipeline: string | null
    step: string | null
    modelId: ModelId
    state: ItemState
    count: number
  }[]
}

/** Every item of a store, in the order of submission. */
export function allItems(store: Pick<Store, 'list'>, query: FullQuery = {}): Promise<StoredItem[]> {
  return everyPage((page) => store.list(page), query)
}

/** The same in brief. */
export function allBriefs(store: Pick<Store, 'briefs'>, query: FullQuery = {}): Promise<ItemBrief[]> {
  return everyPage((page) => store.briefs(page), query)
}

type FullQuery = Omit<ListQuery, 'after' | 'limit'>

async function everyPage<Item>(
  read: (query: ListQuery) => Promise<{ items: Item[]; cursor: number | null }>,
  query: FullQuery,
): Promise<Item[]> {
  const found: Item[] = []
  for (let after: number | null = 0; after !== null; ) {
    const page: { items: Item[]; cursor: number | null } = await read({ ...query, after })
    for (const each of page.items) found.push(each)
    after = page.cursor
  }
  return found
}
