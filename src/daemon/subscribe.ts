// The daemon's events for many readers, none of which can hold up the loop. Two ways to hear of them:
//
//   listen      called within the loop with every event, in order. For what may lose nothing and takes its
//               time from the loop: the journal. A listener must be quick, and must not throw.
//   subscribe   read when the reader has time. The last `keptCount` events are kept once, for all readers; a
//               reader that was slower than that is told how many it lost, and goes on with the oldest that
//               is kept.
//
// Events are numbered. A reader that was cut off goes on after the last number that it saw. The numbers of
// one start of the daemon are above those of all earlier ones, as long as `firstSequence` is: a reader that
// comes from before a restart is told that it lost some, and nobody knows how many.
//
// From River's subscription manager (a bounded channel for each subscriber), with one buffer instead of many.
import type { SchedulerEvent } from '../core/state/events.ts'

/** Half a minute of a busy daemon. Chosen, not measured. */
const defaultKeptCount = 4096

export interface NumberedEvent {
  /** Counts up by one. */
  sequence: number
  event: SchedulerEvent
}

/** What came since the last reading. */
export interface EventReading {
  /** Events before these that the reader has lost, having been too slow; null: some, of an earlier start of
   * the daemon. */
  lostCount: number | null
  /** In order; at least one. */
  events: NumberedEvent[]
}

export interface Subscription extends AsyncIterable<EventReading> {
  /** Waits for at least one event; null: there will be none any more. One reading at a time. */
  read(): Promise<EventReading | null>
  /** Ends the subscription; a reading that waits answers with null. */
  close(): void
}

export class EventStream {
  readonly #kept: NumberedEvent[] = []
  readonly #keptCount: number
  readonly #firstSequence: number
  readonly #listeners = new Set<(event: NumberedEvent) => void>()
  readonly #readers = new Set<Reader>()
  #nextSequence: number
  #isClosed = false

  constructor({ firstSequence = 1, keptCount = defaultKeptCount } = {}) {
    this.#firstSequence = firstSequence
    this.#nextSequence = firstSequence
    this.#keptCount = keptCount
  }

  /** The number of the last event; below the first one's: there was none. */
  get lastSequence(): number {
    return this.#nextSequence - 1
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  publish(event: SchedulerEvent): void {
    const numbered = { sequence: this.#nextSequence++, event }
    this.#kept[numbered.sequence % this.#keptCount] = numbered
    for (const listener of this.#listeners) listener(numbered)
    for (const reader of this.#readers) reader.wake()
  }

  /** The answer ends it. */
  listen(listener: (event: NumberedEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Events after the number `after`; default: after the last one. */
  subscribe(after = this.lastSequence): Subscription {
    const reader: Reader = new Reader(this, after, () => this.#readers.delete(reader))
    if (!this.#isClosed) this.#readers.add(reader)
    return reader
  }

  /** Nothing more comes. What is kept can still be read. */
  close(): void {
    this.#isClosed = true
    for (const reader of this.#readers) reader.wake()
    this.#readers.clear()
  }

  /** What came after a number; null: nothing so far. For readers. */
  after(sequence: number): EventReading | null {
    const { lastSequence } = this
    if (sequence >= lastSequence) return null
    const oldest = Math.max(this.#firstSequence, lastSequence - this.#keptCount + 1)
    const first = Math.max(oldest, sequence + 1)
    const isOfThisStart = sequence >= this.#firstSequence - 1
    const events: NumberedEvent[] = []
    for (let each = first; each <= lastSequence; each++) events.push(this.#kept[each % this.#keptCount]!)
    return { lostCount: isOfThisStart ? first - sequence - 1 : null, events }
  }
}

class Reader implements Subscription {
  readonly #stream: EventStream
  readonly #onClose: () => void
  #after: number
  #isClosed = false
  #wake: () => void = () => {}

  constructor(stream: EventStream, after: number, onClose: () => void) {
    this.#stream = stream
    this.#after = after
    this.#onClose = onClose
  }

  /** Something came, or nothing will. */
  wake(): void {
    this.#wake()
  }

  async read(): Promise<EventReading | null> {
    while (!this.#isClosed) {
      const reading = this.#stream.after(this.#after)
      if (reading) {
        this.#after = reading.events.at(-1)!.sequence
        return reading
      }
      if (this.#stream.isClosed) break
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return null
  }

  close(): void {
    this.#isClosed = true
    this.#onClose()
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<EventReading> {
    try {
      for (let reading = await this.read(); reading; reading = await this.read()) yield reading
    } finally {
      this.close()
    }
  }
}
