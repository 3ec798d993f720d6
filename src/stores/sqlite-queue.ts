// Which ready items a claim takes, and since when a queue waits. The owner keeps the order of its queues in memory, 24 bytes
// for each ready item, read from the file when it opens: an index of ready items would cost a third of what a release and an
// end write. A level for each model and priority holds its items by turn.
//
//   (1) Interactive levels alone, by priority, when one of them has an item.
//   (2) Overdue items, oldest first over all levels.
//   (3) The others by priority; first in, first out inside a level.
import type { ModelId } from '../core/model.ts'
import type { ClaimRequest } from './store.ts'

export class SqliteQueue {
  /** Highest priority first. */
  readonly #levels = new Map<ModelId, Level[]>()

  clear(): void {
    this.#levels.clear()
  }

  levelOf(modelId: ModelId, priority: number): Level {
    const levels = this.#levels.get(modelId) ?? []
    const known = levels.find((level) => level.priority === priority)
    if (known) return known
    const level = new Level(priority)
    this.#levels.set(
      modelId,
      [...levels, level].sort((a, b) => b.priority - a.priority),
    )
    return level
  }

  /** Takes items out of a model's levels, in the order of a claim. */
  take({ modelId, maxCount, order }: ClaimRequest): number[] {
    const levels = this.#levels.get(modelId) ?? []
    const seqs: number[] = []
    const takeFrom = (level: Level) => {
      while (seqs.length < maxCount && !level.isEmpty) seqs.push(level.shift())
    }
    for (const level of levels) if (level.priority >= order.interactiveFrom) takeFrom(level) // (1)
    if (seqs.length > 0) return seqs
    while (seqs.length < maxCount) {
      const overdue = levels.filter((level) => level.readyAtMs < order.overdueBeforeMs) // (2)
      if (overdue.length === 0) break
      seqs.push(overdue.reduce((oldest, level) => (level.turn < oldest.turn ? level : oldest)).shift())
    }
    for (const level of levels) takeFrom(level) // (3)
    return seqs
  }
}

/** Numbers for each item. */
const width = 3

/** Items by turn, as numbers: seq (0: it was removed), turn, and when it became ready. An item that comes back was taken
 * from the front, so it belongs before all that were not taken: it waits in a list of its own. */
export class Level {
  readonly priority: number
  readonly #returned: number[] = []
  #waiting: number[] = []
  #start = 0

  constructor(priority: number) {
    this.priority = priority
  }

  get isEmpty(): boolean {
    return this.#returned.length === 0 && this.#start === this.#waiting.length
  }

  /** Of the first item; infinite when there is none. */
  get turn(): number {
    return this.#returned[1] ?? this.#waiting[this.#start + 1] ?? Number.POSITIVE_INFINITY
  }

  get readyAtMs(): number {
    return this.#returned[2] ?? this.#waiting[this.#start + 2] ?? Number.POSITIVE_INFINITY
  }

  /** An item with a new turn. */
  push(seq: number, turn: number, readyAtMs: number): void {
    this.#waiting.push(seq, turn, readyAtMs)
  }

  /** An item that was taken comes back to its place. */
  giveBack(seq: number, turn: number, readyAtMs: number): void {
    this.#returned.splice(placeOf(this.#returned, 0, turn), 0, seq, turn, readyAtMs)
  }

  /** Takes the first. */
  shift(): number {
    if (this.#returned.length > 0) return this.#returned.splice(0, width)[0]!
    const seq = this.#waiting[this.#start]!
    this.#start += width
    this.#skipRemoved()
    return seq
  }

  /** An item that waits no more, although no claim took it. */
  remove(turn: number): void {
    const place = placeOf(this.#returned, 0, turn)
    if (this.#returned[place + 1] === turn) this.#returned.splice(place, width)
    else {
      this.#waiting[placeOf(this.#waiting, this.#start, turn)] = 0
      this.#skipRemoved()
    }
  }

  /** The first is always one that waits. What has gone is let go when it is half of all. */
  #skipRemoved(): void {
    while (this.#waiting[this.#start] === 0) this.#start += width
    if (this.#start < 1000 * width || this.#start < this.#waiting.length / 2) return
    this.#waiting = this.#waiting.slice(this.#start)
    this.#start = 0
  }
}

/** Where an item of that turn stands, or would. */
function placeOf(values: readonly number[], start: number, turn: number): number {
  let [low, high] = [start / width, values.length / width]
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle * width + 1]! < turn) low = middle + 1
    else high = middle
  }
  return low * width
}
