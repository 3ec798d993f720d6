// An item lends its priority and its deadline to what it waits for, over any number of edges, as long as that has not ended.
// What was lent is not taken back. It stands in the row of what borrows: another kind, an earlier moment.
//
// Edges are noted as they open, and lending is done when all of a call are there, the last first: a new item then has all
// that its own dependents lend it before it lends in its turn, and a chain is walked once.

import type { ModelId } from '../../core/model.ts'
import { earlier, lends } from '../../core/work/edges.ts'
import { hasEnded, itemStates } from '../../core/work/item.ts'
import type { Counts } from './counts.ts'
import type { SqliteKinds } from './kinds.ts'
import type { ItemRow } from './rows.ts'
import { stateNumber } from './schema.ts'
import type { SqliteItems } from './working-set.ts'

export class SqliteLending {
  readonly #counts: Counts
  readonly #kinds: SqliteKinds
  readonly #items: SqliteItems
  readonly #leadMs: (modelId: ModelId) => number
  #waiting: [child: ItemRow, parent: ItemRow][] = []

  constructor(counts: Counts, kinds: SqliteKinds, items: SqliteItems, leadMs: (modelId: ModelId) => number) {
    this.#counts = counts
    this.#kinds = kinds
    this.#items = items
    this.#leadMs = leadMs
  }

  /** The child waits for the parent, which has not ended. */
  note(child: ItemRow, parent: ItemRow): void {
    if (this.#lends(child, parent)) this.#waiting.push([child, parent])
  }

  /** Over the edges that were noted, and on. */
  lend(): void {
    for (let next = this.#waiting.pop(); next; next = this.#waiting.pop()) {
      const [child, parent] = next
      if (hasEnded(itemStates[parent.state]!) || !this.#lends(child, parent)) continue
      this.#borrow(parent, child)
      for (const { row } of this.#items.parents(parent)) this.#waiting.push([parent, row])
    }
  }

  #lends(child: ItemRow, parent: ItemRow): boolean {
    const endBeforeMs = this.#latestEndBefore(child)
    return lends(child.kind.priority, endBeforeMs, parent.kind.priority, parent.latestEndAtMs)
  }

  /** When what an item waits for must have ended; null: it has no deadline. */
  #latestEndBefore({ latestEndAtMs, kind }: ItemRow): number | null {
    return latestEndAtMs === null ? null : latestEndAtMs - this.#leadMs(kind.modelId)
  }

  #borrow(row: ItemRow, from: ItemRow): void {
    const isReady = row.state === stateNumber.ready
    if (isReady) {
      row.kind.level.remove(row)
      this.#counts.add(row.kind, row.state, -1, row.submittedAtMs)
    }
    if (from.kind.priority > row.kind.priority) {
      const { modelId, step, tenant, pipeline } = row.kind
      const { priority } = from.kind
      row.kind = this.#kinds.named({ modelId, step, priority, tenant, pipeline })
    }
    row.latestEndAtMs = earlier(row.latestEndAtMs, this.#latestEndBefore(from))
    this.#items.change(row)
    if (!isReady) return
    row.kind.level.add(row)
    this.#counts.add(row.kind, row.state, 1, row.submittedAtMs)
  }

  /** The transaction was undone. */
  clear(): void {
    this.#waiting = []
  }
}
