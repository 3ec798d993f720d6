// What an item lends to what it waits for, in a graph in memory: its priority, and the moment by which that must have ended for
// its own deadline, over any number of edges, as long as that has not ended. What was lent is not taken back. For a store:
// stores/sqlite/inheritance.ts.

import type { ModelId } from '../model.ts'
import { earlier, lends } from './edges.ts'
import { hasEnded } from './item.ts'
import type { WorkNode } from './node.ts'
import type { ModelQueues } from './queues.ts'

export class Lending {
  readonly #queues: ModelQueues
  readonly #leadMs: (modelId: ModelId) => number

  constructor(queues: ModelQueues, leadMs: (modelId: ModelId) => number) {
    this.#queues = queues
    this.#leadMs = leadMs
  }

  /** The child waits for the parent, which has not ended. Cost: O(1) where the parent has as much already. */
  lend(child: WorkNode, parent: WorkNode): void {
    if (this.#lends(child, parent)) this.#spread(child, parent)
  }

  #spread(from: WorkNode, to: WorkNode): void {
    const lending: [WorkNode, WorkNode][] = [[from, to]]
    for (let next = lending.pop(); next; next = lending.pop()) {
      const [child, parent] = next
      if (hasEnded(parent.state) || !this.#lends(child, parent)) continue
      this.#borrow(parent, child)
      for (const edge of parent.parents) lending.push([parent, edge.parent])
    }
  }

  #borrow(node: WorkNode, from: WorkNode): void {
    const isReady = node.state === 'ready'
    if (isReady) node.queue.ready.remove(node)
    node.priority = Math.max(node.priority, from.priority)
    node.latestEndAtMs = earlier(node.latestEndAtMs, this.#latestEndBefore(from))
    if (isReady) node.queue.ready.push(node)
    this.#queues.touch(node.queue)
  }

  #lends(child: WorkNode, parent: WorkNode): boolean {
    return lends(child.priority, this.#latestEndBefore(child), parent.priority, parent.latestEndAtMs)
  }

  /** When what an item waits for must have ended; null: it has no deadline. */
  #latestEndBefore({ latestEndAtMs, item }: WorkNode): number | null {
    return latestEndAtMs === null ? null : latestEndAtMs - this.#leadMs(item.modelId)
  }
}
