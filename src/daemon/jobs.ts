// What people and programs ask of the items of a running daemon: submit a pipeline's items, cancel some, try some again.
// Each is one operation on the store, at the daemon's time, after which the daemon reads its queues again. Each may be
// asked twice, and may be cut off by kill -9 between any two lines: the same submission again completes it.
//
// A pipeline's items are submitted as it is now. Items that it no longer has are cancelled as superseded, with the parts
// that a fan-out made of them, and come back when it has them again.
import { hasEnded, type ItemId, type NewItem } from '../core/work/item.ts'
import { allItems, type RetryQuery, type Store, type StoredItem } from '../stores/store.ts'
import type { Clock } from './clock.ts'

const superseded = { code: 'SUPERSEDED', message: 'the pipeline no longer has this item' }

/** Items handed to the store at once: bounds the time of a transaction. */
const submissionSize = 5000

export interface JobsOptions {
  store: Store
  clock: Clock
  /** Called after each change. */
  onChange: () => void
}

export class Jobs {
  readonly #options: JobsOptions

  constructor(options: JobsOptions) {
    this.#options = options
  }

  /** `items`: all of the pipeline as it is now, each after those it needs, without the parts that fan-out makes. */
  async submit(items: readonly NewItem[]): Promise<{ addedCount: number }> {
    const { store, clock, onChange } = this.#options
    const known = await allItems(store)
    const ids = new Set(items.map(({ id }) => id))
    const isOurs = ({ id, parentId }: StoredItem) => ids.has(id) || (parentId !== null && ids.has(parentId))
    const left = known.filter((item) => !hasEnded(item.state) && !isOurs(item))
    const back = known.filter(
      (item) => item.state === 'cancelled' && item.error?.code === superseded.code && isOurs(item),
    )
    if (left.length > 0) await store.cancel(idsOf(left), clock.nowMs(), superseded)
    if (back.length > 0) await store.retry(idsOf(back), clock.nowMs())
    let addedCount = 0
    for (let from = 0; from < items.length; from += submissionSize) {
      const part = items.slice(from, from + submissionSize)
      addedCount += (await store.submit(part, clock.nowMs())).addedCount
    }
    onChange()
    return { addedCount }
  }

  /** Items that have not ended, and what depends on them. Throws UNKNOWN_ITEM. */
  async cancel(ids: ItemId[]): Promise<{ cancelledCount: number }> {
    const { store, clock, onChange } = this.#options
    const answer = await store.cancel(ids, clock.nowMs())
    onChange()
    return answer
  }

  /** Failed and cancelled items are new again, with what failed because of them. Throws UNKNOWN_ITEM. */
  async retry(which: ItemId[] | RetryQuery): Promise<{ retriedCount: number }> {
    const { store, clock, onChange } = this.#options
    const answer = await store.retry(which, clock.nowMs())
    onChange()
    return answer
  }
}

function idsOf(items: readonly StoredItem[]): ItemId[] {
  return items.map(({ id }) => id)
}
