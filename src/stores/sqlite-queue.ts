// Which ready items a claim takes, and since when a queue waits. The rows of leased items still say `ready` and stand at the
// front of their level, so the owner remembers, for each model and priority, the turn before which all are leased: a claim
// begins there, and costs what it takes, however many are leased or ready.
//
//   (1) Interactive levels alone, by priority, when one of them has an item.
//   (2) Overdue items, oldest first over all levels.
//   (3) The others by priority; first in, first out inside a level.
import type { ModelId } from '../core/model.ts'
import type { Counts } from './counts.ts'
import type { SqliteClaims } from './sqlite-claims.ts'
import type { SqliteItems } from './sqlite-items.ts'
import type { SqliteNames } from './sqlite-names.ts'
import { all, type ItemRow, type Queries, type Values } from './sqlite-rows.ts'
import type { ClaimRequest } from './store.ts'

export class SqliteQueue {
  readonly #query: Queries
  readonly #counts: Counts
  readonly #names: SqliteNames
  readonly #claims: SqliteClaims
  readonly #items: SqliteItems
  /** Ready rows of a level whose turn is less are leased. */
  readonly #fronts = new Map<number, number>()

  constructor(query: Queries, counts: Counts, names: SqliteNames, claims: SqliteClaims, items: SqliteItems) {
    this.#query = query
    this.#counts = counts
    this.#names = names
    this.#claims = claims
    this.#items = items
  }

  /** Nothing is known any more: the next look starts at the first row. */
  reload(): void {
    this.#fronts.clear()
  }

  /** An item came back to the place it had. */
  giveBack({ model, priority, turn }: ItemRow): void {
    const level = levelOf(model, priority)
    this.#fronts.set(level, Math.min(this.#fronts.get(level) ?? 0, turn!))
  }

  /** When the first item of a level became ready. */
  headReadyAt(modelId: ModelId, priority: number): number {
    const [head] = this.#first(this.#names.numberOf(modelId), priority, 1)
    return head?.readyAtMs ?? Number.POSITIVE_INFINITY
  }

  /** The rows that a claim takes: it must. */
  take(request: ClaimRequest): ItemRow[] {
    const rows = this.#choose(request)
    // What is taken of a level is always its beginning.
    for (const { model, priority, turn } of rows) this.#fronts.set(levelOf(model, priority), turn! + 1)
    return rows
  }

  #choose({ modelId, maxCount, order }: ClaimRequest): ItemRow[] {
    const priorities = this.#counts.priorities(modelId)
    const interactive = priorities.filter((priority) => priority >= order.interactiveFrom)
    if (interactive.length > 0) return this.#fill(modelId, interactive, maxCount, []) // (1)
    const overdue = priorities // (2)
      .filter((priority) => this.headReadyAt(modelId, priority) < order.overdueBeforeMs)
      .flatMap((priority) => {
        const rows = this.#first(this.#names.numberOf(modelId), priority, maxCount)
        const end = rows.findIndex(({ readyAtMs }) => readyAtMs! >= order.overdueBeforeMs)
        return end < 0 ? rows : rows.slice(0, end)
      })
      .sort((a, b) => a.turn! - b.turn!)
      .slice(0, maxCount)
    return this.#fill(modelId, priorities, maxCount, overdue) // (3)
  }

  /** Adds to the chosen ones by priority and turn. */
  #fill(modelId: ModelId, priorities: number[], maxCount: number, chosen: ItemRow[]): ItemRow[] {
    const taken = new Set(chosen)
    for (const priority of priorities) {
      if (taken.size >= maxCount) break
      for (const row of this.#first(this.#names.numberOf(modelId), priority, maxCount))
        if (taken.size < maxCount) taken.add(row)
    }
    return [...taken]
  }

  /** The first rows of a level that are not leased. */
  #first(model: number, priority: number, count: number): ItemRow[] {
    const level = levelOf(model, priority)
    const found: ItemRow[] = []
    let from = this.#fronts.get(level) ?? 0
    for (let isLast = false; !isLast && found.length < count; ) {
      const page = all<Values>(this.#query.front, model, priority, from, count).map((values) =>
        this.#items.adopt(values),
      )
      const free = page.filter(({ seq }) => !this.#claims.isLeased(seq))
      // Before the first free one, or to the end of a page without one, all are leased.
      if (found.length === 0) this.#fronts.set(level, (free[0] ?? page.at(-1))?.turn ?? from)
      found.push(...free)
      from = (page.at(-1)?.turn ?? from) + 1
      isLast = page.length < count
    }
    return found.slice(0, count)
  }
}

/** A number for each model and priority (−100 to 100). */
function levelOf(model: number, priority: number): number {
  return model * 1000 + priority
}
