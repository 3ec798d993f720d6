// An item inherits the priority and the deadline of the items that wait for it, over any number of edges, as
// long as it has not ended itself. What it has inherited stays with it.
//
// Edges are noted as they open. When all edges of a call are there, the last ones are walked first: a new
// item then has all that it inherits before it passes it on in its turn, and a chain is walked once.
import type { ModelId } from '../model.ts'
import { earlier } from './edges.ts'
import { hasEnded } from './item.ts'
import type { GraphRow, WorkingSet } from './working-set.ts'

export class Inheritance<Row extends GraphRow> {
  readonly #set: WorkingSet<Row>
  readonly #leadMs: (modelId: ModelId) => number
  /** Child, parent, child, parent … */
  readonly #open: Row[] = []

  /** `leadMs`: time that an item of a model takes at the least, ms; what it waits for must have ended so long
   * before it. */
  constructor(set: WorkingSet<Row>, leadMs: (modelId: ModelId) => number) {
    this.#set = set
    this.#leadMs = leadMs
  }

  /** The child waits for the parent, which has not ended. Cost: O(1) where the parent has as much already. */
  note(child: Row, parent: Row): void {
    if (this.#hasMore(child, parent)) this.#open.push(child, parent)
  }

  /** Over the edges that were noted, and on. */
  passOn(): void {
    const open = this.#open
    for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
      const child = open.pop()!
      if (hasEnded(parent.state) || !this.#hasMore(child, parent)) continue
      const latestEndAtMs = earlier(parent.latestEndAtMs, this.#endBeforeMs(child))
      this.#set.raise(parent, Math.max(parent.priority, child.priority), latestEndAtMs)
      for (const edge of this.#set.parentsOf(parent)) open.push(parent, edge.parent)
    }
  }

  /** What was noted is forgotten: the call was undone. */
  clear(): void {
    this.#open.length = 0
  }

  #hasMore(child: Row, parent: Row): boolean {
    if (child.priority > parent.priority) return true
    const endBeforeMs = this.#endBeforeMs(child)
    if (endBeforeMs === null) return false
    return parent.latestEndAtMs === null || endBeforeMs < parent.latestEndAtMs
  }

  /** When what an item waits for must have ended, ms; null: it has no deadline. */
  #endBeforeMs(row: Row): number | null {
    const { latestEndAtMs } = row
    return latestEndAtMs === null ? null : latestEndAtMs - this.#leadMs(this.#set.itemOf(row).modelId)
  }
}
