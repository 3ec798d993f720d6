// The items of a queue that have a deadline ahead, the earliest first: which are urgent, and which have
// become late. A queue in memory puts its items in here, the queue of a store their numbers. A queue without
// deadlines pays nothing.
import { Heap } from '../heap.ts'

export interface Due<Item, Level> {
  readonly item: Item
  /** Where else it waits. */
  readonly level: Level
  /** Among equal deadlines the earlier turn comes first. */
  readonly turn: number
  readonly atMs: number
  isGone: boolean
}

export class Deadlines<Item, Level> {
  /** Also some that have gone: those are left out when they come up. */
  #heap = new Heap<Due<Item, Level>>(isBefore)
  readonly #byItem = new Map<Item, Due<Item, Level>>()
  #goneCount = 0
  #lateMs: number

  /** `lateMs`: deadlines up to then have passed. */
  constructor(lateMs: number) {
    this.#lateMs = lateMs
  }

  get isEmpty(): boolean {
    return this.#byItem.size === 0
  }

  /** The earliest deadline ahead, ms; null: there is none. */
  get latestEndAtMs(): number | null {
    return this.#first()?.atMs ?? null
  }

  #first(): Due<Item, Level> | null {
    for (let due = this.#heap.first; due !== null; due = this.#heap.first) {
      if (!due.isGone) return due
      this.#heap.take()
      this.#goneCount--
    }
    return null
  }

  /** Nothing comes of a deadline that has passed: the item is ordinary. */
  add(item: Item, level: Level, turn: number, atMs: number): void {
    if (atMs <= this.#lateMs) return
    const due = { item, level, turn, atMs, isGone: false }
    this.#heap.add(due)
    this.#byItem.set(item, due)
  }

  /** One that waits no more, or that has no deadline ahead. */
  remove(item: Item): void {
    const due = this.#byItem.get(item)
    if (!due) return
    due.isGone = true
    this.#byItem.delete(item)
    // Those whose deadline is far would stay for as long.
    if (++this.#goneCount > 1000 && this.#goneCount > this.#byItem.size) this.#forgetGone()
  }

  #forgetGone(): void {
    this.#heap = new Heap(isBefore)
    for (const due of this.#byItem.values()) this.#heap.add(due)
    this.#goneCount = 0
  }

  /** Takes the earliest, if it must have ended by then; else null. It waits in its level until the caller
   * takes it from there. */
  take(untilMs: number): Due<Item, Level> | null {
    const due = this.#first()
    if (due === null || due.atMs > untilMs) return null
    this.remove(due.item)
    return due
  }

  /** Items that must have ended by now are late: they are ordinary from here on, also when they come back.
   * Answers whether there were any. */
  dropLate(nowMs: number): boolean {
    this.#lateMs = nowMs
    const before = this.#byItem.size
    for (let due = this.#first(); due !== null && due.atMs <= nowMs; due = this.#first())
      this.remove(due.item)
    return this.#byItem.size < before
  }
}

function isBefore<Item, Level>(a: Due<Item, Level>, b: Due<Item, Level>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.turn < b.turn)
}
