// The ready items of one model: by priority, first in, first out within; the tenants of one priority share it. A level for
// each priority and tenant in use holds a linked list through the items themselves, so that adding, taking and removing
// cost the same at ten and ten million items (O(levels) where overdue ones are looked for, O(log items) where there are
// deadlines). Sums for the queue's head are kept with every change.
import { Deadlines } from './deadlines.ts'
import { type Line, levelOf, takeInOrder } from './levels.ts'
import type { ClaimOrder, LevelHead } from './queue-head.ts'

/** What an item brings to stand in a queue. The links belong to the queue. */
export interface Queued<Self> {
  readonly priority: number
  readonly tenant: string | null
  readonly latestEndAtMs: number | null
  readonly submittedAtMs: number
  readyAtMs: number
  /** Order in which items became ready, from 1. */
  turn: number
  level: Level<Self> | null
  previous: Self | null
  next: Self | null
}

export interface Level<Item> {
  readonly priority: number
  readonly tenant: string | null
  first: Item | null
  last: Item | null
  count: number
  /** Submission times are summed from here on, so that the sum stays a whole number: that of the first item. */
  baseMs: number
  submittedSumMs: number
}

export class WorkQueue<Item extends Queued<Item>> {
  /** Highest priority first, then by tenant; levels stay when they are empty. */
  readonly #levels: Level<Item>[] = []
  readonly #due: Deadlines<Item, Level<Item>>
  readonly #line: Line<Level<Item>, Item> = {
    levels: this.#levels,
    turnOf,
    readyAtOf,
    takeFirst: (level) => this.#takeFirst(level),
    takeUrgent: (beforeMs) => this.#takeUrgent(beforeMs),
  }
  #count = 0

  /** `lateMs`: deadlines up to then have passed. */
  constructor(lateMs = Number.NEGATIVE_INFINITY) {
    this.#due = new Deadlines(lateMs)
  }

  get count(): number {
    return this.#count
  }

  /** At its place by turn within its level: the end for a new item, the front for one that was given back. */
  push(item: Item): void {
    const level = levelOf<Level<Item>>(this.#levels, item.priority, item.tenant, newLevel)
    let after = level.last
    if (after !== null && after.turn > item.turn) {
      // Given back: near the front, so the walk begins there.
      let before = level.first
      while (before !== null && before.turn < item.turn) before = before.next
      after = before === null ? level.last : before.previous
    }
    item.level = level
    item.previous = after
    item.next = after === null ? level.first : after.next
    if (item.next === null) level.last = item
    else item.next.previous = item
    if (after === null) level.first = item
    else after.next = item
    if (level.count++ === 0) level.baseMs = item.submittedAtMs
    level.submittedSumMs += item.submittedAtMs - level.baseMs
    this.#count++
    if (item.latestEndAtMs !== null) this.#due.add(item, level, item.turn, item.latestEndAtMs)
  }

  remove(item: Item): void {
    const level = item.level!
    if (item.previous === null) level.first = item.next
    else item.previous.next = item.next
    if (item.next === null) level.last = item.previous
    else item.next.previous = item.previous
    item.level = item.previous = item.next = null
    level.count--
    level.submittedSumMs -= item.submittedAtMs - level.baseMs
    this.#count--
    if (item.latestEndAtMs !== null) this.#due.remove(item)
  }

  pop(): Item | null {
    for (const { first } of this.#levels) {
      if (first === null) continue
      this.remove(first)
      return first
    }
    return null
  }

  /** Up to `maxCount`, in the order of a claim (levels.ts). */
  take(maxCount: number, order: ClaimOrder): Item[] {
    return takeInOrder(this.#line, maxCount, order)
  }

  #takeFirst(level: Level<Item>): Item {
    const item = level.first!
    this.remove(item)
    return item
  }

  #takeUrgent(beforeMs: number): Item | null {
    const due = this.#due.take(beforeMs)
    if (due === null) return null
    this.remove(due.item)
    return due.item
  }

  /** The earliest deadline ahead, ms; null: there is none. */
  get latestEndAtMs(): number | null {
    return this.#due.latestEndAtMs
  }

  /** Deadlines that have passed count no more. Answers whether there were any. */
  dropLate(nowMs: number): boolean {
    return this.#due.dropLate(nowMs)
  }

  /** Highest priority first, then by tenant. */
  levels(): LevelHead[] {
    const heads: LevelHead[] = []
    for (const { priority, tenant, count, baseMs, submittedSumMs, first } of this.#levels) {
      if (first === null) continue
      const submittedMeanMs = Math.round(baseMs + submittedSumMs / count)
      heads.push({ priority, tenant, count, submittedMeanMs, oldestReadyAtMs: first.readyAtMs })
    }
    return heads
  }
}

function newLevel<Item>(priority: number, tenant: string | null): Level<Item> {
  return { priority, tenant, first: null, last: null, count: 0, baseMs: 0, submittedSumMs: 0 }
}

function turnOf<Item extends Queued<Item>>({ first }: Level<Item>): number {
  return first === null ? Number.POSITIVE_INFINITY : first.turn
}

function readyAtOf<Item extends Queued<Item>>({ first }: Level<Item>): number {
  return first === null ? Number.POSITIVE_INFINITY : first.readyAtMs
}
