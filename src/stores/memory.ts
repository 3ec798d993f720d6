// The store in memory: a graph of items (core/work/graph.ts) behind the store's contract. Nothing outlives
// the process, and everything that was submitted stays until it ends. Calls are carried out at once, one
// after another.

import { WorkGraph } from '../core/work/graph.ts'
import type { ItemId, ItemState } from '../core/work/item.ts'
import type { WorkNode } from '../core/work/node.ts'
import type {
  ItemBrief,
  ListQuery,
  RetryQuery,
  Store,
  StoredItem,
  StoreEvent,
  StoreOptions,
  StoreStats,
} from './store.ts'

/**
 * A store in memory: it ends with the process. Never throws.
 *
 * @param options - what it serves, and how items with a step are resolved
 * @beta
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000) // => { addedCount: 1, knownCount: 0 }
 * ```
 */
export function openMemoryStore(options: StoreOptions = {}): Store {
  const events: StoreEvent[] = []
  let latestAtMs = 0
  const graph = new WorkGraph({
    ...options,
    onChange({ item, state, attempt }, atMs) {
      latestAtMs = Math.max(latestAtMs, atMs)
      events.push({ sequence: events.length + 1, atMs, itemId: item.id, state, attempt })
    },
  })
  return {
    supports: { durable: false, shared: false },
    submit: async (items, nowMs) => graph.submit(items, nowMs),
    queueHeads: async () => graph.queues.heads(),
    claim: async (request, nowMs) => graph.claim(request, nowMs),
    heartbeat: async (token, leaseMs, nowMs) => graph.heartbeat(token, leaseMs, nowMs),
    finish: async (token, outcomes, nowMs) => graph.finish(token, outcomes, nowMs),
    cancel: async (ids, nowMs, cause = { code: 'CANCELLED', message: 'it was cancelled' }) => ({
      cancelledCount: graph.cancel(ids, nowMs, cause),
    }),
    retry: async (which, nowMs) => ({
      retriedCount: graph.retry(Array.isArray(which) ? which : retryable(graph, which), nowMs),
    }),
    adopt: async (ids, pipeline, nowMs) => ({ adoptedCount: graph.adopt(ids, pipeline, nowMs) }),
    sweep: async (nowMs) => graph.sweep(nowMs),
    releaseAll: async (nowMs) => graph.releaseAll(nowMs),
    get: async (id) => {
      const node = graph.get(id)
      return node && toStored(node)
    },
    list: async (query) => pageOf(graph, query, toStored),
    briefs: async (query) => pageOf(graph, query, toBrief),
    events: async (afterSequence, limit) => events.slice(afterSequence, afterSequence + limit),
    stats: async () => stats(graph),
    latestAtMs: async () => latestAtMs,
    close: async () => {},
  }
}

function pageOf<Item>(graph: WorkGraph, query: ListQuery, show: (node: WorkNode) => Item) {
  const { after = 0, limit = 1000 } = query
  const items: Item[] = []
  for (const node of graph.nodes()) {
    if (node.sequence <= after || !matches(node, query)) continue
    items.push(show(node))
    if (items.length === limit) return { items, cursor: node.sequence }
  }
  return { items, cursor: null }
}

function matches(
  { item, maker, state }: WorkNode,
  { state: wanted = state, idPrefix = '', ...query }: ListQuery,
): boolean {
  const { step = item.step, modelId = item.modelId, pipeline = item.pipeline } = query
  if (state !== wanted || item.step !== step || item.modelId !== modelId || item.pipeline !== pipeline)
    return false
  if (query.parentId !== undefined && maker?.item.id !== query.parentId) return false
  return item.id.toWellFormed().startsWith(idPrefix.toWellFormed())
}

function retryable(graph: WorkGraph, { state: wanted, pipeline, errorCode }: RetryQuery): ItemId[] {
  const ids: ItemId[] = []
  for (const { item, state, error } of graph.nodes()) {
    if (state !== wanted || (pipeline !== undefined && item.pipeline !== pipeline)) continue
    if (errorCode === undefined || error?.code === errorCode) ids.push(item.id)
  }
  return ids
}

function stats(graph: WorkGraph): StoreStats {
  const groups = new Map<string, StoreStats['groups'][number]>()
  for (const { item, state } of graph.nodes()) {
    const { pipeline, step, modelId } = item
    const key = JSON.stringify([pipeline, step, modelId, state])
    const group = groups.get(key) ?? { pipeline, step, modelId, state: state as ItemState, count: 0 }
    groups.set(key, group)
    group.count++
  }
  return { groups: [...groups.values()] }
}

function toBrief({ item, maker, sequence, state, error }: WorkNode): ItemBrief {
  const { id, pipeline, step, modelId } = item
  const parentId = maker?.item.id ?? null
  return { sequence, id, state, parentId, pipeline, step, modelId, errorCode: error?.code ?? null }
}

function toStored(node: WorkNode): StoredItem {
  const {
    item,
    maker,
    input,
    priority: effectivePriority,
    latestEndAtMs,
    sequence,
    state,
    output,
    error,
    attempt,
    submittedAtMs,
    turn,
    parents,
    readyAtMs,
    startedAtMs,
    endedAtMs,
  } = node
  return {
    ...item,
    dependencies: parents.map(({ parent, policy }) => ({ id: parent.item.id, policy })),
    input,
    sequence,
    state,
    parentId: maker?.item.id ?? null,
    effectivePriority,
    latestEndAtMs,
    output,
    error,
    attempt,
    submittedAtMs,
    readyAtMs: turn === 0 ? null : readyAtMs,
    startedAtMs,
    endedAtMs,
  }
}
