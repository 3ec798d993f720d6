// The ready items of one model, priority and tenant as numbers, in the order of their turns; the owner keeps
// them in memory, 24 bytes for each. An item that becomes ready goes to the end. An item that was given back,
// or that has inherited a priority, has an earlier turn: it waits in a heap beside, and the first of both is
// the first of the level.

import { Heap } from '../../core/heap.ts'
import type { Deadlines } from '../../core/work/deadlines.ts'

/** Of one model, by their seqs. */
export type DueSeqs = Deadlines<number, Level>

/** What a queue needs to know of an item that is ready. */
export interface Waiting {
  readonly sequence: number
  readonly turn: number | null
  readonly readyAtMs: number | null
  readonly latestEndAtMs: number | null
}

/** `sequence` is 0 when it was removed. */
interface Moved {
  sequence: number
  readonly turn: number
  readonly readyAtMs: number
}

/** Numbers for each item: seq (0: it was removed), turn, and when it became ready. */
const width = 3
/** Numbers of a chunk. A queue grows and shrinks by chunks: one array for all would be copied as it grows. */
const chunkLength = 512 * width

export class Level {
  readonly priority: number
  readonly tenant: string | null
  /** Of the model. */
  readonly due: DueSeqs
  /** From `#start` in the first to `#end` in the last. */
  readonly #chunks = [new Float64Array(chunkLength)]
  #start = 0
  #end = 0
  #lastTurn = 0
  /** Those that came out of turn, and some that were removed: those are left out when they come up. */
  readonly #moved = new Heap<Moved>(isBefore)
  readonly #movedByTurn = new Map<number, Moved>()

  constructor(priority: number, tenant: string | null, due: DueSeqs) {
    this.priority = priority
    this.tenant = tenant
    this.due = due
  }

  get isEmpty(): boolean {
    return this.#hasNoChunk && this.#movedByTurn.size === 0
  }

  get #hasNoChunk(): boolean {
    return this.#start === this.#end && this.#chunks.length === 1
  }

  /** Of the first item; infinite when there is none. */
  get turn(): number {
    const turn = this.#hasNoChunk ? Number.POSITIVE_INFINITY : this.#chunks[0]![this.#start + 1]!
    return Math.min(turn, this.#firstMoved()?.turn ?? turn)
  }

  /** Since when the first item is ready; infinite when there is none. */
  get readyAtMs(): number {
    const { turn } = this
    if (turn === Number.POSITIVE_INFINITY) return turn
    const moved = this.#firstMoved()
    return moved?.turn === turn ? moved.readyAtMs : this.#chunks[0]![this.#start + 2]!
  }

  #firstMoved(): Moved | null {
    for (let moved = this.#moved.first; moved !== null; moved = this.#moved.first) {
      if (moved.sequence !== 0) return moved
      this.#moved.take()
    }
    return null
  }

  /** At its place by turn. */
  add({ sequence, turn, readyAtMs, latestEndAtMs }: Waiting): void {
    if (turn! > this.#lastTurn) this.#push(sequence, turn!, readyAtMs!)
    else {
      const moved = { sequence, turn: turn!, readyAtMs: readyAtMs! }
      this.#moved.add(moved)
      this.#movedByTurn.set(turn!, moved)
    }
    if (latestEndAtMs !== null) this.due.add(sequence, this, turn!, latestEndAtMs)
  }

  #push(seq: number, turn: number, readyAtMs: number): void {
    if (this.#end === chunkLength) {
      this.#chunks.push(new Float64Array(chunkLength))
      this.#end = 0
    }
    const chunk = this.#chunks.at(-1)!
    chunk[this.#end++] = seq
    chunk[this.#end++] = turn
    chunk[this.#end++] = readyAtMs
    this.#lastTurn = turn
  }

  /** Takes the first. */
  shift(): number {
    const seq = this.#takeFirst()
    if (!this.due.isEmpty) this.due.remove(seq)
    return seq
  }

  #takeFirst(): number {
    const moved = this.#firstMoved()
    if (moved !== null && (this.#hasNoChunk || moved.turn < this.#chunks[0]![this.#start + 1]!)) {
      this.#moved.take()
      this.#movedByTurn.delete(moved.turn)
      return moved.sequence
    }
    const seq = this.#chunks[0]![this.#start]!
    this.#start += width
    this.#skipRemoved()
    return seq
  }

  /** An item that waits no more, although it was not the first. */
  remove({ sequence, turn, latestEndAtMs }: Waiting): void {
    this.removeTurn(turn!)
    if (latestEndAtMs !== null) this.due.remove(sequence)
  }

  /** The same for one that is not due any more. */
  removeTurn(turn: number): void {
    const moved = this.#movedByTurn.get(turn)
    if (moved) {
      moved.sequence = 0
      this.#movedByTurn.delete(turn)
      return
    }
    const place = this.#chunkOf(turn)
    const chunk = this.#chunks[place]!
    chunk[placeOf(chunk, turn, place === this.#chunks.length - 1 ? this.#end : chunkLength)] = 0
    this.#skipRemoved()
  }

  /** The last chunk that begins at or before the turn. */
  #chunkOf(turn: number): number {
    let [low, high] = [0, this.#chunks.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#chunks[middle]![1]! <= turn) low = middle
      else high = middle - 1
    }
    return low
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
        this.#end = this.#lastTurn = 0
        return
      }
      this.#chunks.shift()
    }
  }
}

function isBefore(a: Moved, b: Moved): boolean {
  return a.turn < b.turn
}

/** Where an item of that turn stands among the first `length` numbers. */
function placeOf(values: ArrayLike<number>, turn: number, length: number): number {
  let [low, high] = [0, length / width]
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle * width + 1]! < turn) low = middle + 1
    else high = middle
  }
  return low * width
}
