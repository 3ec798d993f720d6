// A graph of items in memory: the rules of transitions.ts over items that all stay in memory (nodes.ts),
// without time, chance or disk. The memory store, the simulator and the embedded scheduler are built on it.

import { type ItemError, SchedulerError } from '../errors.ts'
import { hasEnded, type ItemId, type NewItem, newItem } from './item.ts'
import type { Claim, ClaimedItem, ClaimRequest, Outcome } from './lease.ts'
import type { WorkNode } from './node.ts'
import { type OnChange, WorkNodes } from './nodes.ts'
import { ModelQueues, outside } from './queues.ts'
import { type TransitionOptions, Transitions } from './transitions.ts'

export interface WorkGraphOptions extends TransitionOptions {
  onChange?: OnChange | null
  /** Whether a pipeline's items are worked on. Those of the others are parked: none is released, no head
   * shows them and no claim takes them; they can be read, cancelled and made new. It always gives the same
   * answer. Default: all are. */
  serves?: (pipeline: string | null) => boolean
}

export class WorkGraph {
  /** Whose heads are read; only the graph writes them. */
  readonly queues = new ModelQueues()
  readonly #nodes: WorkNodes
  readonly #transitions: Transitions<WorkNode>

  constructor({ onChange = null, serves = () => true, ...options }: WorkGraphOptions = {}) {
    this.#nodes = new WorkNodes(this.queues, serves, onChange)
    this.#transitions = new Transitions(this.#nodes, options)
  }

  /** Items that have not ended. */
  get totalPending(): number {
    return this.#nodes.pendingCount
  }

  get(id: ItemId): WorkNode | null {
    return this.#nodes.find(id)
  }

  /** Whether a claim holds an item. */
  holds(token: string, id: ItemId): boolean {
    return this.#nodes.heldBy(token, id) !== null
  }

  /** In the order of submission. */
  nodes(): IterableIterator<WorkNode> {
    return this.#nodes.all()
  }

  /** All or nothing; a known id changes nothing. Throws UNKNOWN_DEPENDENCY, CYCLE. */
  submit(items: readonly NewItem[], nowMs: number): { addedCount: number; knownCount: number } {
    return this.#transitions.submit(items, nowMs)
  }

  claim({ modelId, maxCount, order, leaseMs }: ClaimRequest, nowMs: number): Claim {
    const nodes = this.queues.of(modelId).ready.take(maxCount, order)
    const token = this.#transitions.lease(nodes, leaseMs, nowMs)
    return { token, items: nodes.map(claimedItem) }
  }

  /** False: at least one item of the claim is no longer held. */
  heartbeat(token: string, leaseMs: number, nowMs: number): boolean {
    const claim = this.#nodes.claims.of(token)
    if (claim) claim.untilMs = nowMs + leaseMs
    return claim !== undefined && !claim.isBroken
  }

  finish(token: string, outcomes: readonly Outcome[], nowMs: number) {
    return this.#transitions.finish(token, outcomes, nowMs)
  }

  /** False: the claim does not hold the item, and nothing has changed. */
  finishItem(token: string, outcome: Outcome, nowMs: number): boolean {
    return this.#transitions.finishItem(token, outcome, nowMs)
  }

  /** Says that something is there: an item of ours that has not ended, or a name that later items will wait
   * for. */
  resolve(id: ItemId, output: unknown, nowMs: number): void {
    const row = this.#nodes.find(id) ?? this.#nodes.create(outsideItem(id), null, nowMs)
    if (!hasEnded(row.state)) this.#transitions.end({ row, state: 'done', output, error: null }, nowMs)
  }

  /** Answers how many. Throws UNKNOWN_ITEM. */
  cancel(ids: readonly ItemId[], nowMs: number, cause: ItemError): number {
    return this.#transitions.cancel(this.#nodesOf(ids), cause, nowMs)
  }

  /** Failed or cancelled items are new, and with them what ended because of them. Answers how many. Throws
   * UNKNOWN_ITEM. */
  retry(ids: readonly ItemId[], nowMs: number): number {
    return this.#transitions.retry(this.#nodesOf(ids), nowMs)
  }

  /** Answers how many were another pipeline's. Throws UNKNOWN_ITEM. */
  adopt(ids: readonly ItemId[], pipeline: string, nowMs: number): number {
    return this.#transitions.adopt(this.#nodesOf(ids), pipeline, nowMs)
  }

  sweep(nowMs: number): { changedCount: number; nextAtMs: number | null } {
    return this.#transitions.sweep(nowMs)
  }

  releaseAll(nowMs: number): number {
    return this.#transitions.releaseAll(nowMs)
  }

  #nodesOf(ids: readonly ItemId[]): WorkNode[] {
    return ids.map((id) => {
      const node = this.#nodes.find(id)
      if (node) return node
      throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}".`, { id })
    })
  }
}

/** What items wait for that no model makes: somebody resolves it. */
export function outsideItem(id: ItemId): NewItem {
  return newItem({ id, modelId: outside })
}

function claimedItem({ item, input, priority, attempt }: WorkNode): ClaimedItem {
  const { id, timeoutMs, step, sourceId, tenant } = item
  return { id, input, priority, attempt, timeoutMs, step, sourceId, tenant }
}
