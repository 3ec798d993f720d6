// The ready items of one model: by priority, first in, first out within. A level for each priority in use holds a linked
// list through the items themselves, so that adding, taking and removing cost the same at ten and ten million items
// (O(levels) where overdue ones are looked for). Sums for the queue's head are kept with every change.
import type { ClaimOrder, LevelHead } from './queue-head.ts'

/** What an item brings to stand in a queue. The links belong to the queue. */
export interface Queued<Self> {
  readonly priority: number
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
  first: Item | null
  last: Item | null
  count: number
  /** Submission times are summed from here on, so that the sum stays a whole number: that of the first item. */
  baseMs: number
  submittedSumMs: number
}

export class WorkQueue<Item extends Queued<Item>> {
  /** Highest priority first; levels stay when they are empty: there are at most 201. */
  readonly #levels: Level<Item>[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  /** At its place by turn within its priority: the end for a new item, the front for one that was given back. */
  push(item: Item): void {
    const level = this.#levelOf(item.priority)
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
  }

  pop(): Item | null {
    for (const { first } of this.#levels) {
      if (first === null) continue
      this.remove(first)
      return first
    }
    return null
  }

  /** Up to `maxCount`, in the order of a claim: interactive ones, and then only they; else overdue ones, oldest first over
   * all levels; then by priority. */
  take(maxCount: number, { interactiveFrom, overdueBeforeMs }: ClaimOrder): Item[] {
    const taken: Item[] = []
    const takeFrom = (level: Level<Item>) => {
      while (taken.length < maxCount && level.first !== null) taken.push(this.#takeFirst(level))
    }
    for (const level of this.#levels) if (level.priority >= interactiveFrom) takeFrom(level)
    if (taken.length > 0) return taken
    while (taken.length < maxCount) {
      const level = this.#overdueLevel(overdueBeforeMs)
      if (!level) break
      taken.push(this.#takeFirst(level))
    }
    for (const level of this.#levels) takeFrom(level)
    return taken
  }

  #takeFirst(level: Level<Item>): Item {
    const item = level.first!
    this.remove(item)
    return item
  }

  /** The level whose first item is overdue and has been ready longest. */
  #overdueLevel(overdueBeforeMs: number): Level<Item> | null {
    let oldest: Level<Item> | null = null
    for (const level of this.#levels) {
      if (level.first === null || level.first.readyAtMs >= overdueBeforeMs) continue
      if (oldest === null || level.first.turn < oldest.first!.turn) oldest = level
    }
    return oldest
  }

  /** Highest priority first. */
  levels(): LevelHead[] {
    const heads: LevelHead[] = []
    for (const { priority, count, baseMs, submittedSumMs, first } of this.#levels) {
      if (first === null) continue
      const submittedMeanMs = Math.round(baseMs + submittedSumMs / count)
      heads.push({ priority, count, submittedMeanMs, oldestReadyAtMs: first.readyAtMs })
    }
    return heads
  }

  #levelOf(priority: number): Level<Item> {
    let index = 0
    for (; index < this.#levels.length; index++) {
      const level = this.#levels[index]!
      if (level.priority === priority) return level
      if (level.priority < priority) break
    }
    const level: Level<Item> = { priority, first: null, last: null, count: 0, baseMs: 0, submittedSumMs: 0 }
    this.#levels.splice(index, 0, level)
    return level
  }
}
