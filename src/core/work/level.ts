// The ready items of one model, priority and tenant in memory, in the order of their turns. An item that
// becomes ready goes to the end of a list that runs through the items themselves. An item that was given
// back, or that has inherited a priority, has an earlier turn: it waits in a heap beside the list, and the
// first of both is the first of the level. The SQLite store keeps numbers instead: stores/sqlite/level.ts.
import { Heap } from '../heap.ts'

/** What an item brings to stand in a level. The links belong to the level. */
export interface Queued<Self extends Queued<Self>> {
  readonly submittedAtMs: number
  readyAtMs: number
  /** Order in which items became ready, from 1. */
  turn: number
  level: Level<Self> | null
  previous: Self | null
  next: Self | null
}

interface Moved<Item> {
  readonly item: Item
  readonly turn: number
}

export class Level<Item extends Queued<Item>> {
  readonly priority: number
  readonly tenant: string | null
  count = 0
  /** Submission times are summed from here on, so that the sum stays a whole number: that of the first
   * item. */
  #baseMs = 0
  #submittedSumMs = 0
  /** Of the list. */
  #head: Item | null = null
  #tail: Item | null = null
  /** Those that came out of turn, and some that have left: those are left out when they come up. null: none
   * ever did. */
  #moved: Heap<Moved<Item>> | null = null

  constructor(priority: number, tenant: string | null) {
    this.priority = priority
    this.tenant = tenant
  }

  get first(): Item | null {
    const moved = this.#moved === null ? null : this.#firstMoved(this.#moved)
    if (moved === null) return this.#head
    return this.#head === null || moved.turn < this.#head.turn ? moved : this.#head
  }

  #firstMoved(moved: Heap<Moved<Item>>): Item | null {
    for (let entry = moved.first; entry !== null; entry = moved.first) {
      const { item, turn } = entry
      if (item.level === this && item.turn === turn && this.#isMoved(item)) return item
      moved.take()
    }
    return null
  }

  #isMoved(item: Item): boolean {
    return item.previous === null && item !== this.#head
  }

  get submittedMeanMs(): number {
    return Math.round(this.#baseMs + this.#submittedSumMs / this.count)
  }

  /** At its place by turn. */
  add(item: Item): void {
    const tail = this.#tail
    item.level = this
    if (tail !== null && tail.turn > item.turn) {
      this.#moved ??= new Heap(isBefore)
      this.#moved.add({ item, turn: item.turn })
    } else {
      item.previous = tail
      if (tail === null) this.#head = item
      else tail.next = item
      this.#tail = item
    }
    if (this.count++ === 0) this.#baseMs = item.submittedAtMs
    this.#submittedSumMs += item.submittedAtMs - this.#baseMs
  }

  remove(item: Item): void {
    const { previous, next } = item
    if (!this.#isMoved(item)) {
      if (previous === null) this.#head = next
      else previous.next = next
      if (next === null) this.#tail = previous
      else next.previous = previous
    }
    item.level = item.previous = item.next = null
    this.count--
    this.#submittedSumMs -= item.submittedAtMs - this.#baseMs
  }
}

function isBefore<Item>(a: Moved<Item>, b: Moved<Item>): boolean {
  return a.turn < b.turn
}
