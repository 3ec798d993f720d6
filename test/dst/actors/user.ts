// The user: has a pipeline to which items are added over time, sometimes loses some of
// them and takes them back, cancels and retries. With a daemon that runs the store
// changes under it, as over an API; without one the next start submits.
import type { ItemId, NewItem } from '../../../src/core/work/item.ts'
import { openStates } from '../checks/items.ts'
import type { Chance } from '../world/chance.ts'
import { createArrivals } from '../world/graph.ts'
import type { Current, Parts } from '../world/parts.ts'

export interface Daemons {
  readonly current: Current | null
  /** Something may have become work. */
  nudge(): void
}

export class User {
  /** The last start had lost some items of the pipeline. */
  isEdited = false
  readonly #parts: Parts
  readonly #daemons: Daemons
  readonly #chance: Chance
  /** Items of the pipeline by now. */
  readonly #listed: NewItem[] = []

  constructor(parts: Parts, daemons: Daemons) {
    this.#parts = parts
    this.#daemons = daemons
    const { context } = parts
    const { seed, settings, world, agenda, faults } = context
    this.#chance = context.chance('user')
    for (const { atMs, items } of createArrivals(seed, settings, world.models))
      agenda.after(atMs, () => this.#arrive(items))
    for (const atMs of faults.moments('user-cancels', settings.spanMs))
      agenda.after(atMs, () => this.#cancel())
    for (const atMs of faults.moments('user-retries', settings.spanMs))
      agenda.after(atMs, () => this.#retry())
  }

  get listedIds(): ItemId[] {
    return this.#listed.map(({ id }) => id)
  }

  /** Everything has arrived, is in the store and has ended. */
  get hasAll(): boolean {
    return this.#listed.length === this.#parts.context.settings.itemCount && !this.wants
  }

  /** Something is listed that is not in the store or has not ended. */
  get wants(): boolean {
    const { items } = this.#parts
    return items.openCount > 0 || this.#listed.some(({ id }) => items.stateOf(id) === null)
  }

  /** The items that the pipeline has at this start: it may have lost some, with all that wait for them. */
  pipeline(): NewItem[] {
    this.isEdited = this.#parts.context.faults.strikes('user-edits')
    if (!this.isEdited) return [...this.#listed]
    const lost = new Set<ItemId>()
    for (const { id, dependencies } of this.#listed) {
      if (this.#chance.happens(0.1) || dependencies.some((each) => lost.has(each.id))) lost.add(id)
    }
    return this.#listed.filter(({ id }) => !lost.has(id))
  }

  #arrive(items: readonly NewItem[]): void {
    this.#listed.push(...items)
    this.submitListed()
    this.#daemons.nudge()
  }

  /** What came while no daemon could take it, or comes now. */
  submitListed(): void {
    const { current } = this.#daemons
    const fresh = this.#listed.filter(({ id }) => this.#parts.items.stateOf(id) === null)
    if (current?.isRunning && fresh.length > 0) void this.#submit(fresh, current)
  }

  async #submit(fresh: NewItem[], { daemon, clock }: Current): Promise<void> {
    const { faultyStore, items } = this.#parts
    await faultyStore.store.submit(fresh, clock.nowMs())
    await items.readEvents()
    daemon.queuesChanged()
  }

  #cancel(): void {
    const chosen = this.#parts.items.ids(openStates).filter(() => this.#chance.happens(0.1))
    if (chosen.length > 0 && this.#parts.context.faults.happens('user-cancels'))
      void this.change('cancel', chosen)
  }

  #retry(): void {
    const chosen = this.#parts.items.ids(['failed', 'cancelled']).filter(() => this.#chance.happens(0.3))
    if (chosen.length > 0 && this.#parts.context.faults.happens('user-retries'))
      void this.change('retry', chosen)
  }

  async change(method: 'cancel' | 'retry', ids: ItemId[]): Promise<void> {
    const { faultyStore, items, context } = this.#parts
    context.log(method, ids)
    const { current } = this.#daemons
    const running = current?.isRunning ? current : null
    await faultyStore.store[method](ids, running ? running.clock.nowMs() : context.agenda.wallMs)
    await items.readEvents()
    running?.daemon.queuesChanged()
    this.#daemons.nudge()
  }
}
