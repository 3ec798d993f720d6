// The ready items of one model in memory: by priority, and first in, first out within a priority, which its
// tenants share. There is a level for each priority and tenant in use (level.ts). To add, take or remove an
// item costs the same at ten and at ten million items: O(levels) where overdue items are looked for, O(log
// items) for an item that has inherited a priority or has a deadline. What the queue's head shows is kept up
// to date with every change.
import { Deadlines } from './deadlines.ts'
import { Level, type Queued } from './level.ts'
import { type LevelledQueue, levelOf, takeInOrder } from './levels.ts'
import type { ClaimOrder, LevelHead } from './queue-head.ts'

/** What an item brings to stand in a queue. */
export interface Waiting<Self extends Waiting<Self>> extends Queued<Self> {
  readonly priority: number
  readonly tenant: string | null
  readonly latestEndAtMs: number | null
}

export class ReadyQueue<Item extends Waiting<Item>> {
  /** Highest priority first, then by tenant; levels stay when they are empty. */
  readonly #levels: Level<Item>[] = []
  readonly #due: Deadlines<Item, Level<Item>>
  readonly #levelled: LevelledQueue<Level<Item>, Item> = {
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
    level.add(item)
    this.#count++
    if (item.latestEndAtMs !== null) this.#due.add(item, level, item.turn, item.latestEndAtMs)
  }

  remove(item: Item): void {
    item.level!.remove(item)
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
    return takeInOrder(this.#levelled, maxCount, order)
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
    for (const level of this.#levels) {
      const { first } = level
      if (first === null) continue
      const { priority, tenant, count, submittedMeanMs } = level
      heads.push({ priority, tenant, count, submittedMeanMs, oldestReadyAtMs: first.readyAtMs })
    }
    return heads
  }
}

function newLevel<Item extends Waiting<Item>>(priority: number, tenant: string | null): Level<Item> {
  return new Level(priority, tenant)
}

function turnOf<Item extends Waiting<Item>>({ first }: Level<Item>): number {
  return first === null ? Number.POSITIVE_INFINITY : first.turn
}

function readyAtOf<Item extends Waiting<Item>>({ first }: Level<Item>): number {
  return first === null ? Number.POSITIVE_INFINITY : first.readyAtMs
}
