// Virtual time: what will happen, by moment. Nothing here waits: the loop takes the next
// entry, moves time to it, and lets everything that follows from it come to rest before it
// takes another. Entries of one moment come in the order in which they were added. A machine
// has two clocks: the steady one, which timers use, and the wall clock, which jumps.

export interface Entry {
  readonly atMs: number
  readonly act: () => void
}

/** Where the wall clock stands when a run begins, ms since 1970. */
const wallStartMs = 1_790_000_000_000

export class Agenda {
  nowMs = 0
  #wallOffsetMs = wallStartMs
  /** Latest first, so that the next one is taken from the end. A few dozen: searched and moved in place. */
  readonly #entries: Entry[] = []

  get wallMs(): number {
    return this.nowMs + this.#wallOffsetMs
  }

  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** Calls `act` after so many ms, rounded up to whole ones; the answer takes it off the agenda. */
  after(ms: number, act: () => void): () => void {
    const entry = { atMs: this.nowMs + Math.max(0, Math.ceil(ms)), act }
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#entries[middle]!.atMs > entry.atMs) low = middle + 1
      else high = middle
    }
    this.#entries.splice(low, 0, entry)
    return () => {
      const index = this.#entries.indexOf(entry)
      if (index >= 0) this.#entries.splice(index, 1)
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve)
    })
  }

  /** Moves time to the next entry and answers with it; null: nothing will happen any more. */
  next(): Entry | null {
    const entry = this.#entries.pop() ?? null
    if (entry) this.nowMs = entry.atMs
    return entry
  }
}

/** Lets all promises come to rest: Node empties the queue of microtasks before it calls the
 * next tick, and before it calls an immediate, where it also tells of rejections that nobody
 * handles. These are the only uses of the event loop here; no time passes in them. */
export function drainMicrotasks(kind: 'tick' | 'immediate'): Promise<void> {
  return new Promise((resolve) => {
    if (kind === 'tick') process.nextTick(resolve)
    else setImmediate(resolve)
  })
}
