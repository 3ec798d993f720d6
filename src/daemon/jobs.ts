// What people and programs ask of the items of a running daemon: submit a pipeline's items, cancel some, try
// some again. Each is one operation on the store, at the daemon's time, after which the daemon reads its
// queues again. Each may be asked twice, and may be cut off by kill -9 between any two lines: the same
// submission again completes it.
//
// A pipeline's items are submitted as it is now. Items of that pipeline that it no longer has are cancelled
// as superseded, with the parts that fan-outs made of them, and come back when it has them again. Items of
// other pipelines are left alone; those of none, which an older Plimsoll wrote, count as those of the
// pipeline that is submitted next. An open item that two pipelines have (the same step over the same source)
// is that of the one which was submitted last. What has ended is not read at all.
import type { ItemId, ItemState, NewItem } from '../core/work/item.ts'
import { allBriefs, type ItemBrief, type RetryQuery, type Store } from '../stores/store.ts'
import type { Clock } from './clock.ts'

const superseded = { code: 'SUPERSEDED', message: 'the pipeline no longer has this item' }

/** In the order in which an item goes through them, so that one that moves on meanwhile is seen. */
const openStates: readonly ItemState[] = ['blocked', 'scheduled', 'ready', 'leased']

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

  /** `items`: all of the pipeline as it is now, each after those it needs, without the parts that fan-out
   * makes. */
  async submit(pipeline: string, items: readonly NewItem[]): Promise<{ addedCount: number }> {
    const { store, clock, onChange } = this.#options
    const ids = new Set(items.map(({ id }) => id))
    const isListed = ({ id, parentId }: ItemBrief) => ids.has(id) || (parentId !== null && ids.has(parentId))
    const open = await this.#briefs(openStates)
    const isOthers = (each: ItemBrief) => each.pipeline !== pipeline && each.pipeline !== null
    const left = open.filter((each) => !isOthers(each) && !isListed(each))
    const back = (await this.#briefs(['cancelled'])).filter(
      (each) => each.errorCode === superseded.code && isListed(each),
    )
    if (left.length > 0) await store.cancel(idsOf(left), clock.nowMs(), superseded)
    if (back.length > 0) await store.retry(idsOf(back), clock.nowMs())
    const adopted = [...open, ...back].filter((each) => isOthers(each) && ids.has(each.id))
    if (adopted.length > 0) await store.adopt(idsOf(adopted), pipeline, clock.nowMs())
    let addedCount = 0
    for (let from = 0; from < items.length; from += submissionSize) {
      const part = items.slice(from, from + submissionSize)
      addedCount += (await store.submit(part, clock.nowMs())).addedCount
    }
    onChange()
    return { addedCount }
  }

  async #briefs(states: readonly ItemState[]): Promise<ItemBrief[]> {
    const found: ItemBrief[][] = []
    for (const state of states) found.push(await allBriefs(this.#options.store, { state }))
    return found.flat()
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

function idsOf(items: readonly ItemBrief[]): ItemId[] {
  return items.map(({ id }) => id)
}
