// What must hold of items, whatever goes wrong: checked on every change that the store
// tells, against what the harness submitted, what runners were given and what the
// daemon believes. Told in order, so a rule sees the state of that moment.
//
//  (1) A state is followed only by those that the life cycle allows: an item ends
//      exactly once, a result is recorded once and never computed again.
//  (2) No item becomes ready while one that it waits for is open, or has ended badly on
//      an edge that does not go on.
//  (3) Attempts are at most the item's maximum.
//  (4) Each lease is run at most once, and nothing is run that is not leased.
//  (5) A stale token changes nothing, and is told so.
//  (6) An item is charged with a failure only if a runner had it, or its model could not
//      be loaded; never with a stop that the daemon asked for, nor with what another item
//      of its batch did to their worker. One that runs out of memory alone is not tried
//      again, and one that kills whatever runs it is found before it has killed many.
//  (7) No lease ends by time: a daemon that lives keeps it, and after one that died all are given back.
//  (8) The daemon tells of an outcome what was recorded, once.
import {
  type EdgePolicy,
  hasEnded,
  type ItemId,
  type ItemState,
  satisfies,
} from '../../../src/core/work/item.ts'
import { outOfMemory } from '../../../src/runners/out-of-memory.ts'
import type { Claim, Outcome, Store, StoredItem, StoreEvent } from '../../../src/stores/store.ts'
import type { Context } from '../world/context.ts'
import { outcomesOf, type StoreWatch } from '../world/faulty-store.ts'
import { wrongOutput } from '../world/graph.ts'
import { stopped } from '../world/instance.ts'

const next: Record<ItemState, readonly ItemState[]> = {
  blocked: ['ready', 'skipped', 'failed', 'done', 'cancelled'],
  ready: ['leased', 'cancelled'],
  leased: ['ready', 'scheduled', 'done', 'failed', 'cancelled'],
  scheduled: ['ready', 'cancelled'],
  // Out of an end leads only the user's retry.
  failed: ['blocked'],
  cancelled: ['blocked'],
  skipped: ['blocked'],
  done: ['blocked'], // with what it went on without
}

export const openStates: readonly ItemState[] = ['blocked', 'scheduled', 'ready', 'leased']

/** A search takes four batches where nothing else goes wrong. Where much does, it is
 * broken off and begun anew; more than this is no search. */
const mostPoisoned = 40

/** What the ready items of a model fail with that cannot be loaded: no runner had them. */
const ofQueue: ReadonlySet<string> = new Set(['LOAD_FAILED', 'NEVER_FITS'])

interface Known {
  readonly id: ItemId
  readonly modelId: string
  readonly maxAttempts: number
  /** Those of its submission; a fan-out's children come with their expansion. */
  readonly parents: readonly { id: ItemId; policy: EdgePolicy }[]
  readonly children: ItemId[]
  state: ItemState | null
  leaseCount: number
  runCount: number
  /** `runCount` when it was leased last. */
  runsBefore: number
  /** It has done something since that may count against it. */
  isToBlame: boolean
  /** Batches that it has brought to an end in this life of the daemon, since the user last retried it. */
  poisonedCount: number
  /** Who holds it. */
  token: string | null
}

export class ItemChecks implements StoreWatch {
  /** Changes since the beginning. */
  eventCount = 0
  readonly readyByModel = new Map<string, number>()
  readonly #context: Context
  readonly #store: Store
  readonly #items = new Map<ItemId, Known>()
  /** Accepted outcomes that the daemon has not told of: those of the present life. */
  #accepted = new Map<Outcome, boolean>()
  readonly #countByState = new Map<ItemState, number>()

  constructor(context: Context, store: Store) {
    this.#context = context
    this.#store = store
  }

  /** Items that have not ended. */
  get openCount(): number {
    return openStates.reduce((sum, state) => sum + this.countOf(state), 0)
  }

  countOf(state: ItemState): number {
    return this.#countByState.get(state) ?? 0
  }

  stateOf(id: ItemId): ItemState | null {
    return this.#items.get(id)?.state ?? null
  }

  ids(states: readonly ItemState[]): ItemId[] {
    return [...this.#items.values()]
      .filter(({ state }) => state !== null && states.includes(state))
      .map(({ id }) => id)
  }

  async carryOut<T>(method: string, args: readonly unknown[], work: () => Promise<T>): Promise<T> {
    const stale = method === 'finish' ? await this.#staleOf(outcomesOf(args)) : []
    if (method === 'finish') this.#checkCharges(outcomesOf(args))
    const value = await work()
    await this.readEvents(method)
    if (method === 'claim') this.#claimed(value as Claim)
    if (method === 'finish') await this.#finished(outcomesOf(args).outcomes, value as Finished, stale)
    return value
  }

  /** (5) The items that the token does not hold, as they are. */
  async #staleOf({ token, outcomes }: { token: string; outcomes: Outcome[] }): Promise<StoredItem[]> {
    const others = outcomes.filter(({ id }) => this.#items.get(id)?.token !== token)
    return Promise.all(others.map(async ({ id }) => (await this.#store.get(id))!))
  }

  async #finished(outcomes: Outcome[], { accepted, stale }: Finished, before: StoredItem[]): Promise<void> {
    const open = new Set(accepted)
    for (const outcome of outcomes) if (open.delete(outcome.id)) this.#accepted.set(outcome, false)
    for (const item of before) {
      const now = await this.#store.get(item.id)
      this.#check(stale.includes(item.id), () => `${item.id}: a stale token was accepted`)
      this.#check(JSON.stringify(now) === JSON.stringify(item), () => `${item.id}: a stale token changed it`)
    }
  }

  /** (6) */
  #checkCharges({ token, outcomes }: { token: string; outcomes: Outcome[] }): void {
    for (const outcome of outcomes) {
      const item = this.#items.get(outcome.id)!
      if (outcome.type !== 'fail' || item.token !== token || ofQueue.has(outcome.error.code)) continue
      const { message, code } = outcome.error
      const hadIt = item.runCount > item.runsBefore
      this.#check(hadIt, () => `${item.id}: charged with "${message}", but no runner had it`)
      this.#check(message !== stopped.message, () => `${item.id}: charged with a stop that was asked for`)
      this.#check(item.isToBlame, () => `${item.id}: charged with "${message}", which it did not do`)
      this.#check(
        code !== outOfMemory || !outcome.retryable,
        () => `${item.id} ran out of memory alone and is to be tried again`,
      )
    }
  }

  #claimed({ token, items }: Claim): void {
    for (const { id } of items) this.#items.get(id)!.token = token
  }

  /** (4) Called when a runner is given items. */
  runStarted(ids: readonly ItemId[]): void {
    for (const id of ids) {
      const item = this.#items.get(id)!
      this.#check(++item.runCount <= item.leaseCount, () => `${id} is run twice under one lease`)
    }
  }

  /** Called when an item does something that may count against it. */
  blamed(id: ItemId): void {
    this.#items.get(id)!.isToBlame = true
  }

  /** Called when an item brings its batch to an end, as it always does. */
  poisoned(id: ItemId): void {
    const count = ++this.#items.get(id)!.poisonedCount
    this.#check(
      count <= mostPoisoned,
      () => `${id} has brought ${count} batches to an end, and is tried again`,
    )
  }

  /** (8) Called when the daemon tells that outcomes have been recorded. */
  reported(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      this.#check(
        this.#accepted.get(outcome) === false,
        () => `${outcome.id}: told of an outcome that was not recorded, or twice`,
      )
      this.#accepted.set(outcome, true)
    }
  }

  /** Answers to a daemon that is gone are told by nobody. */
  lifeBegan(): void {
    this.#accepted = new Map()
    for (const item of this.#items.values()) item.poisonedCount = 0
  }

  async readEvents(method = ''): Promise<void> {
    for (;;) {
      const events = await this.#store.events(this.eventCount, 500)
      if (events.length === 0) return
      this.eventCount += events.length
      for (const event of events) await this.#take(event, method)
    }
  }

  async #take({ itemId: id, state, attempt }: StoreEvent, method: string): Promise<void> {
    const item = this.#items.get(id) ?? (await this.#meet(id))
    const before = item.state
    this.#context.log('item', `${id} ${before} -> ${state} ${attempt}`)
    if (before === null) this.#check(state === 'blocked', () => `${id} begins as ${state}`)
    else this.#check(next[before].includes(state), () => `${id} went from ${before} to ${state}`)
    // '': what was read between calls, a user's retry among it.
    const isRetried = before !== 'done' || method === 'retry' || method === ''
    this.#check(isRetried, () => `${id} was done, and is new again by ${method}`)
    this.#check(attempt <= item.maxAttempts, () => `${id}: attempt ${attempt} of ${item.maxAttempts}`)
    if (before === 'blocked' && (state === 'ready' || state === 'done')) this.#checkParents(item, state)
    if (before === 'failed') item.poisonedCount = 0
    if (state === 'leased') {
      item.leaseCount++
      item.isToBlame = false
      item.runsBefore = item.runCount
    }
    // (7) A fan-out may take the rest of its parts along; those are cancelled.
    if (before === 'leased' && method === 'sweep')
      this.#check(state === 'cancelled', () => `the lease of ${id} ended by time`)
    if (before === 'leased') item.token = null
    if (before === 'ready') this.#count(item.modelId, -1)
    if (state === 'ready') this.#count(item.modelId, 1)
    if (before !== null) this.#countByState.set(before, this.countOf(before) - 1)
    this.#countByState.set(state, this.countOf(state) + 1)
    item.state = state
  }

  #count(modelId: string, change: 1 | -1): void {
    this.readyByModel.set(modelId, (this.readyByModel.get(modelId) ?? 0) + change)
  }

  async #meet(id: ItemId): Promise<Known> {
    const { modelId, maxAttempts, dependencies, parentId } = (await this.#store.get(id))!
    const item: Known = {
      id,
      modelId,
      maxAttempts,
      parents: dependencies,
      children: [],
      state: null,
      leaseCount: 0,
      runCount: 0,
      runsBefore: 0,
      isToBlame: false,
      poisonedCount: 0,
      token: null,
    }
    this.#items.set(id, item)
    if (parentId !== null) this.#items.get(parentId)!.children.push(id)
    return item
  }

  /** (2) */
  #checkParents({ id, parents, children }: Known, state: ItemState): void {
    for (const parent of parents) {
      const parentState = this.stateOf(parent.id)
      const isOpen = parentState === null || !hasEnded(parentState)
      this.#check(!isOpen, () => `${id} became ${state} while ${parent.id} is ${parentState}`)
      if (!isOpen && parent.policy !== 'continue')
        this.#check(
          satisfies(parentState),
          () => `${id} became ${state} although ${parent.id} is ${parentState}`,
        )
    }
    for (const child of children) {
      const childState = this.stateOf(child)
      this.#check(
        childState !== null && hasEnded(childState),
        () => `${id} became ${state} while its part ${child} is ${childState}`,
      )
    }
  }

  /** At the end: everything has ended, and what is recorded is what the right worker answered for it. */
  async checkEnd(submittedIds: readonly ItemId[]): Promise<void> {
    for (const id of submittedIds) this.#check(this.#items.has(id), () => `${id} was never added`)
    for (const { id, state, leaseCount, children } of this.#items.values()) {
      this.#check(state !== null && hasEnded(state), () => `${id} is still ${state}`)
      const { output, error } = (await this.#store.get(id))!
      this.#check(error?.code !== 'SUPERSEDED', () => `${id} is in the pipeline again and did not come back`)
      this.#check(
        (output !== null) === (state === 'done'),
        () => `${id} is ${state} with output ${JSON.stringify(output)}`,
      )
      if (state !== 'done' || leaseCount === 0) continue
      const isRight =
        JSON.stringify(output) !== JSON.stringify(wrongOutput(id)) && (output as { of?: string }).of === id
      this.#check(isRight || children.length > 0, () => `${id} has the output ${JSON.stringify(output)}`)
    }
  }

  #check(holds: boolean, sentence: () => string): void {
    this.#context.check(holds, sentence)
  }
}

interface Finished {
  accepted: ItemId[]
  stale: ItemId[]
}
