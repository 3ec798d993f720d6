// Which ready items a claim takes, and since when a queue waits. The rows of leased items still say `ready` and stand at the
// front of their level, so the owner remembers, for each model and priority, the turn before which all are leased: a claim
// begins there, and costs what it takes, however many are leased or ready.
//
//   (1) Interactive levels alone, by priority, when one of them has an item.
//   (2) Overdue items, oldest first over all levels.
//   (3) The others by priority; first in, first out inside a level.
import type { StatementSync } from 'node:sqlite'
import type { ModelId } from '../core/model.ts'
import type { Counts } from './counts.ts'
import type { SqliteItems } from './sqlite-items.ts'
import { all, type FullRow, type Queries } from './sqlite-rows.ts'
import type { ClaimRequest } from './store.ts'

type Place = Pick<FullRow, 'seq' | 'turn' | 'ready_at'>

export class SqliteQueue {
  readonly #query: Queries
  readonly #items: SqliteItems
  readonly #counts: Counts
  /** Ready rows of a level whose turn is less are leased. */
  readonly #fronts = new Map<string, number>()

  constructor(query: Queries, items: SqliteItems, counts: Counts) {
    this.#query = query
    this.#items = items
    this.#counts = counts
  }

  /** Nothing is known any more: the next look starts at the first row. */
  reload(): void {
    this.#fronts.clear()
  }

  /** An item came back to the place it had. */
  giveBack(modelId: ModelId, priority: number, turn: number): void {
    const level = levelOf(modelId, priority)
    this.#fronts.set(level, Math.min(this.#fronts.get(level) ?? 0, turn))
  }

  /** When the first item of a level became ready. */
  headReadyAt(modelId: ModelId, priority: number): number {
    const [head] = this.#first(this.#query.front, modelId, priority, 1)
    return head?.ready_at ?? Number.POSITIVE_INFINITY
  }

  choose({ modelId, maxCount, order }: ClaimRequest): FullRow[] {
    const priorities = this.#counts.priorities(modelId)
    const interactive = priorities.filter((priority) => priority >= order.interactiveFrom)
    if (interactive.length > 0) return this.#take(modelId, interactive, maxCount, []) // (1)
    const overdue = priorities // (2)
      .filter((priority) => this.headReadyAt(modelId, priority) < order.overdueBeforeMs)
      .flatMap((priority) => this.#first<FullRow>(this.#query.queue, modelId, priority, maxCount))
      .filter(({ ready_at }) => ready_at! < order.overdueBeforeMs)
      .sort((a, b) => a.turn! - b.turn!)
      .slice(0, maxCount)
    return this.#take(modelId, priorities, maxCount, overdue) // (3)
  }

  /** Adds to the chosen ones by priority and turn. */
  #take(modelId: ModelId, priorities: number[], maxCount: number, chosen: FullRow[]): FullRow[] {
    const rows = [...chosen]
    const taken = new Set(rows.map(({ seq }) => seq))
    for (const priority of priorities) {
      if (rows.length >= maxCount) break
      const level = this.#first<FullRow>(this.#query.queue, modelId, priority, maxCount)
      rows.push(...level.filter(({ seq }) => !taken.has(seq)).slice(0, maxCount - rows.length))
    }
    return rows
  }

  /** The first rows of a level that are not leased. */
  #first<Row extends Place>(query: StatementSync, modelId: ModelId, priority: number, count: number): Row[] {
    const level = levelOf(modelId, priority)
    const found: Row[] = []
    let from = this.#fronts.get(level) ?? 0
    for (let isLast = false; !isLast && found.length < count; ) {
      const page = all<Row>(query, modelId, priority, from, count)
      const free = page.filter(({ seq }) => !this.#items.isLeased(seq))
      // Before the first free one, or to the end of a page without one, all are leased.
      if (found.length === 0) this.#fronts.set(level, (free[0] ?? page.at(-1))?.turn ?? from)
      found.push(...free)
      from = (page.at(-1)?.turn ?? from) + 1
      isLast = page.length < count
    }
    return found.slice(0, count)
  }
}

function levelOf(modelId: ModelId, priority: number): string {
  return `${priority} ${modelId}`
}
