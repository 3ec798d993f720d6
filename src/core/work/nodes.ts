// The items of a graph in memory by their ids, from submission on: finding them, and adding new ones, all or none. They stay
// until the graph goes. How they wait for each other and what becomes of them is in graph.ts.
import { SchedulerError } from '../errors.ts'
import { type ItemId, type NewItem, ofPipeline } from './item.ts'
import { createNode, type WorkNode } from './node.ts'
import type { ModelQueues } from './queues.ts'
import { checkGraph, type KnownItems } from './submission.ts'

export class KnownNodes implements KnownItems<WorkNode> {
  readonly #queues: ModelQueues
  readonly #serves: (pipeline: string | null) => boolean
  readonly #byId = new Map<ItemId, WorkNode>()
  #sequence = 0

  constructor(queues: ModelQueues, serves: (pipeline: string | null) => boolean) {
    this.#queues = queues
    this.#serves = serves
  }

  get count(): number {
    return this.#byId.size
  }

  find(id: ItemId): WorkNode | null {
    return this.#byId.get(id) ?? null
  }

  idOf({ item }: WorkNode): ItemId {
    return item.id
  }

  parentsOf({ state, parents }: WorkNode): WorkNode[] {
    return state === 'done' ? [] : parents.map(({ parent }) => parent)
  }

  /** In the order of submission. */
  all(): IterableIterator<WorkNode> {
    return this.#byId.values()
  }

  /** Throws UNKNOWN_ITEM. */
  of(ids: readonly ItemId[]): WorkNode[] {
    return ids.map((id) => {
      const node = this.#byId.get(id)
      if (node) return node
      throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}".`, { id })
    })
  }

  /** Those that are new, and what they wait for, one after another. Throws UNKNOWN_DEPENDENCY, CYCLE. */
  add(
    items: readonly NewItem[],
    maker: WorkNode | null,
    nowMs: number,
  ): { added: readonly WorkNode[]; parents: readonly WorkNode[] } {
    const added: WorkNode[] = []
    for (const item of items) {
      if (!this.#byId.has(item.id)) added.push(this.create(item, maker, nowMs))
    }
    return { added, parents: this.#parentsOfNew(added) }
  }

  create(item: NewItem, maker: WorkNode | null, nowMs: number): WorkNode {
    const own = maker === null ? item : ofPipeline(item, maker.item.pipeline)
    const queue = this.#serves(own.pipeline) ? this.#queues.of(item.modelId) : this.#queues.parked
    const node = createNode(own, queue, ++this.#sequence, maker, nowMs)
    this.#byId.set(item.id, node)
    return node
  }

  /** Throws; then the new items are gone again. */
  #parentsOfNew(added: readonly WorkNode[]): readonly WorkNode[] {
    const parents: WorkNode[] = []
    // Where each item comes after those it waits for nothing is unknown and there is no cycle: the common case.
    let isInOrder = true
    for (const { item, sequence } of added) {
      for (const { id } of item.dependencies) {
        const parent = this.#byId.get(id)
        if (!parent || parent.sequence >= sequence) isInOrder = false
        parents.push(parent!)
      }
    }
    if (!isInOrder) this.#check(added)
    return parents
  }

  #check(added: readonly WorkNode[]): void {
    for (const { item } of added) this.#byId.delete(item.id)
    checkGraph(
      added.map(({ item }) => item),
      (id) => this.#byId.has(id),
    )
    for (const node of added) this.#byId.set(node.item.id, node)
  }
}
