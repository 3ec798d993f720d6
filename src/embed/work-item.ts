// A work item on its own, as the seed has it: it knows what it waits for, what of that is there, and for how
// long it has waited. Its fields are those of every item that is submitted (core/work/item.ts); a scheduler
// and a queue take it as it is. An id is made of the source, the model and a uuid. Chance and time are the
// system's unless the caller brings others.
import { randomUUID } from 'node:crypto'
import { SchedulerError } from '../core/errors.ts'
import type { ModelId } from '../core/model.ts'
import {
  type Dependency,
  type ItemId,
  type NewItem,
  type NewItemOptions,
  newItem as plainItem,
  itemId as plainItemId,
} from '../core/work/item.ts'

/** What an item is made from: its model, and an id or the source that the id is made from. */
export type WorkItemOptions = Omit<NewItemOptions, 'id'> & ({ id: ItemId } | { sourceId: string })

/** What an item asks of the world. */
export interface TimeAndChance {
  /** Milliseconds since 1970, or since any other fixed moment. Default `Date.now`. */
  clock?: () => number
  /** The end of a new id. Default: a random UUID. */
  uuid?: () => string
}

/** `<sourceId>_<modelId>_<uuid>`, with a random uuid unless one is given. */
export function itemId(sourceId: string, modelId: ModelId, uuid: string = randomUUID()): ItemId {
  assertName('source id', sourceId)
  assertName('model id', modelId)
  assertName('uuid', uuid)
  return plainItemId(sourceId, modelId, uuid)
}

function assertName(what: string, name: unknown): void {
  if (typeof name === 'string' && name !== '') return
  const message = `The ${what} of an item is ${JSON.stringify(name)}; it must be text, such as "v1" for a video or "Whisper" for a model.`
  throw new SchedulerError('BAD_VALUE', message, { [what]: name })
}

/** The plain record of an item, as stores take it, with its defaults filled in. */
export function newItem(options: WorkItemOptions, uuid?: () => string): NewItem {
  assertName('model id', options.modelId)
  return plainItem(hasId(options) ? options : withId(options, uuid))
}

function hasId(options: Partial<NewItemOptions>): options is NewItemOptions {
  return options.id !== undefined
}

function withId(options: Omit<NewItemOptions, 'id'>, uuid: () => string = randomUUID): NewItemOptions {
  const { sourceId, modelId } = options
  if (sourceId === undefined || sourceId === null) {
    const message = `An item of ${modelId} has neither an id nor a source; give it one: sourceId: 'v1'.`
    throw new SchedulerError('BAD_VALUE', message, { modelId })
  }
  return { ...options, id: itemId(sourceId, modelId, uuid()) }
}

export class WorkItem implements NewItem {
  declare readonly id: ItemId
  declare readonly sourceId: string | null
  declare readonly modelId: ModelId
  declare readonly input: unknown
  declare readonly priority: number
  declare readonly dependencies: readonly Dependency[]
  declare readonly step: string | null
  declare readonly source: unknown
  declare readonly maxAttempts: number
  declare readonly timeoutMs: number | null
  declare readonly deadlineAtMs: number | null
  declare readonly tenant: string | null
  declare readonly pipeline: string | null
  /** When it was made, ms by its clock. */
  readonly submittedAtMs: number
  readonly #clock: () => number
  /** Of its dependencies, those that are not there yet. */
  readonly #open: Set<ItemId>

  /** Throws BAD_VALUE. */
  constructor(options: WorkItemOptions, { clock = Date.now, uuid }: TimeAndChance = {}) {
    Object.assign(this, newItem(options, uuid))
    this.submittedAtMs = clock()
    this.#clock = clock
    this.#open = new Set(this.dependencies.map(({ id }) => id))
  }

  /** Whether all that it waits for is there. */
  get isReady(): boolean {
    return this.#open.size === 0
  }

  /** Of its dependencies, those that are there. */
  get resolvedDependencies(): ReadonlySet<ItemId> {
    return new Set(this.dependencies.map(({ id }) => id).filter((id) => !this.#open.has(id)))
  }

  /** Says that something is there. What the item does not wait for changes nothing. */
  resolveDependency(id: ItemId): void {
    this.#open.delete(id)
  }

  /** Time since it was made, ms, 0 or more. */
  waitingTime(nowMs: number = this.#clock()): number {
    return Math.max(0, nowMs - this.submittedAtMs)
  }
}
