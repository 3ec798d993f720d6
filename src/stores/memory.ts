// The store in memory: the core's graph behind the contract. Nothing outlives the process; everything that was submitted
// stays until it is closed. Calls are carried out at once and one after another.

import { WorkGraph, type WorkGraphOptions } from '../core/work/graph.ts'
import type { ItemState } from '../core/work/item.ts'
import type { WorkNode } from '../core/work/node.ts'
import type { ListQuery, Store, StoredItem, StoreEvent, StoreStats } from './store.ts'

export function openMemoryStore(options: Pick<WorkGraphOptions, 'resolver' | 'leadMs'> = {}): Store {
  const events: StoreEvent[] = []
  const graph = new WorkGraph({
    ...options,
    onChange({ item, state, attempt }, atMs) {
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
    retry: async (ids, nowMs) => ({ retriedCount: graph.retry(ids, nowMs) }),
    sweep: async (nowMs) => graph.sweep(nowMs),
    releaseAll: async (nowMs) => graph.releaseAll(nowMs),
    get: async (id) => {
      const node = graph.get(id)
      return node && toStored(node)
    },
    list: async (query) => list(graph, query),
    events: async (afterSequence, limit) => events.slice(afterSequence, afterSequence + limit),
    stats: async () => stats(graph),
    close: async () => {},
  }
}

function list(graph: WorkGraph, { state, step, modelId, parentId, after = 0, limit = 1000 }: ListQuery) {
  const items: StoredItem[] = []
  for (const node of graph.nodes()) {
    const { item, maker } = node
    if (node.sequence <= after || (state !== undefined && node.state !== state)) continue
    if ((step !== undefined && item.step !== step) || (modelId !== undefined && item.modelId !== modelId))
      continue
    if (parentId !== undefined && maker?.item.id !== parentId) continue
    items.push(toStored(node))
    if (items.length === limit) return { items, cursor: node.sequence }
  }
  return { items, cursor: null }
}

function stats(graph: WorkGraph): StoreStats {
  const groups = new Map<string, StoreStats['groups'][number]>()
  for (const { item, state } of graph.nodes()) {
    const { step, modelId } = item
    const key = JSON.stringify([step, modelId, state])
    const group = groups.get(key) ?? { step, modelId, state: state as ItemState, count: 0 }
    groups.set(key, group)
    group.count++
  }
  return { groups: [...groups.values()] }
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
