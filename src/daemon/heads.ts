// What the core is told of the queues: their heads, read after every change, and of those only what is new.
// One reading at a time: changes that come meanwhile are read by the next, so that older heads never follow
// newer ones. The same loop asks the store for what has come due (leases that ended, retries) when the moment
// is there, and not while a reading is on: a store that takes its time would be asked every millisecond.
import type { ModelId } from '../core/model.ts'
import type { State } from '../core/state/state.ts'
import { emptyHead, type QueueHead } from '../core/work/queue-head.ts'
import type { Store } from '../stores/store.ts'
import type { Clock } from './clock.ts'

export interface HeadReaderOptions {
  store: Store
  clock: Clock
  state: State
  /** Told of the heads that changed, perhaps none. */
  onHeads: (heads: QueueHead[]) => void
  /** Nothing more is to be read for now. */
  onCurrent: () => void
  onError: (error: unknown) => void
}

export class HeadReader {
  readonly #options: HeadReaderOptions
  readonly #seen = new Map<ModelId, string>()
  #reading: Promise<void> | null = null
  #mustReadAgain = false
  #isOver = false
  #dueAtMs = 0

  constructor(options: HeadReaderOptions) {
    this.#options = options
  }

  /** When the store has something due next and nobody is about to ask for it; Infinity: never, or a reading
   * is on. */
  get dueAtMs(): number {
    return this.#reading ? Number.POSITIVE_INFINITY : this.#dueAtMs
  }

  /** The core has been told of everything that `changed` told us of. */
  get isCurrent(): boolean {
    return this.#reading === null && !this.#mustReadAgain
  }

  /** Something will be due at a moment that the store has not told. */
  dueAt(atMs: number): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, atMs)
  }

  changed(): void {
    this.#mustReadAgain = true
    if (this.#reading || this.#isOver) return
    this.#reading = this.#read()
      .catch(this.#options.onError)
      .then(() => {
        this.#reading = null
        if (this.#mustReadAgain) this.changed()
        else this.#options.onCurrent()
      })
  }

  /** Reads nothing more; resolves when the reading that is on has come to its end. */
  async close(): Promise<void> {
    this.#isOver = true
    await this.#reading
  }

  async #read(): Promise<void> {
    const { store, clock, onHeads } = this.#options
    while (this.#mustReadAgain && !this.#isOver) {
      this.#mustReadAgain = false
      if (clock.nowMs() >= this.#dueAtMs) {
        this.#dueAtMs = Number.POSITIVE_INFINITY // a retry that is recorded meanwhile lowers it
        const { nextAtMs } = await store.sweep(clock.nowMs())
        if (nextAtMs !== null) this.dueAt(nextAtMs)
      }
      onHeads(this.#changedOf(await store.queueHeads()))
    }
  }

  /** A queue that is no longer listed has become empty. */
  #changedOf(heads: QueueHead[]): QueueHead[] {
    const listed = new Set(heads.map(({ modelId }) => modelId))
    const emptied = [...this.#seen.keys()].filter((modelId) => !listed.has(modelId))
    const all = [...heads, ...emptied.map(emptyHead)]
    return all.filter((head) => {
      const text = JSON.stringify(head)
      const known = this.#options.state.modelById.get(head.modelId)?.readyCount
      const isNew = this.#seen.get(head.modelId) !== text || known !== head.readyCount
      this.#seen.set(head.modelId, text)
      return isNew
    })
  }
}
