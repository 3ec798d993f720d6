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

/** Numbers for each item: seq (0: it was removed), turn, and when it became ready. */
const width = 3
/** Numbers of a chunk. A queue grows and shrinks by chunks: one array for all would be copied as it grows. */
const chunkLength = 512 * width

/** Items by turn. One that comes back was taken from the front, so it belongs before all that were not taken: it waits in a
 * list of its own. */
export class Level {
  readonly priority: number
  readonly #returned: number[] = []
  /** From `#start` in the first to `#end` in the last. */
  readonly #chunks = [new Float64Array(chunkLength)]
  #start = 0
  #end = 0

  constructor(priority: number) {
    this.priority = priority
  }

  get isEmpty(): boolean {
    return this.#returned.length === 0 && this.#chunks.length === 1 && this.#start === this.#end
  }

  /** Of the first item; infinite when there is none. */
  get turn(): number {
    return this.#ofFirst(1)
  }

  get readyAtMs(): number {
    return this.#ofFirst(2)
  }

  #ofFirst(offset: number): number {
    if (this.isEmpty) return Number.POSITIVE_INFINITY
    return this.#returned[offset] ?? this.#chunks[0]![this.#start + offset]!
  }

  /** An item with a new turn. */
  push(seq: number, turn: number, readyAtMs: number): void {
    if (this.#end === chunkLength) {
      this.#chunks.push(new Float64Array(chunkLength))
      this.#end = 0
    }
    const chunk = this.#chunks.at(-1)!
    chunk[this.#end++] = seq
    chunk[this.#end++] = turn
    chunk[this.#end++] = readyAtMs
  }

  /** An item that was taken comes back to its place. */
  giveBack(seq: number, turn: number, readyAtMs: number): void {
    this.#returned.splice(placeOf(this.#returned, turn, this.#returned.length), 0, seq, turn, readyAtMs)
  }

  /** Takes the first. */
  shift(): number {
    if (this.#returned.length > 0) return this.#returned.splice(0, width)[0]!
    const seq = this.#chunks[0]![this.#start]!
    this.#start += width
    this.#skipRemoved()
    return seq
  }

  /** An item that waits no more, although no claim took it. */
  remove(turn: number): void {
    const place = placeOf(this.#returned, turn, this.#returned.length)
    if (this.#returned[place + 1] === turn) this.#returned.splice(place, width)
    else {
      const next = this.#chunks.findIndex((chunk) => chunk[1]! > turn)
      const chunk = this.#chunks.at(next < 0 ? -1 : next - 1)!
      chunk[placeOf(chunk, turn, next < 0 ? this.#end : chunkLength)] = 0
      this.#skipRemoved()
    }
  }

  /** The first is always one that waits. The last chunk is kept: a short queue is often empty. */
  #skipRemoved(): void {
    for (;;) {
      const chunk = this.#chunks[0]!
      const end = this.#chunks.length === 1 ? this.#end : chunkLength
      while (this.#start < end && chunk[this.#start] === 0) this.#start += width
      if (this.#start < end) return
      this.#start = 0
      if (this.#chunks.length === 1) {
        this.#end = 0
        return
      }
      this.#chunks.shift()
    }
  }
}

/** Where an item of that turn stands among the first `length` numbers, or would. */
function placeOf(values: ArrayLike<number>, turn: number, length: number): number {
  let [low, high] = [0, length / width]
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle * width + 1]! < turn) low = middle + 1
    else high = middle
  }
  return low * width
}
