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

/**
 * What an item is made from: its model, and an id or the source that the id is made from. Dependencies are
 * ids, items or `{ id, policy }`; the other fields are those of a NewItem.
 *
 * @public
 * @example
 * ```ts
 * const options: WorkItemOptions = { sourceId: 'v1', modelId: 'Whisper', input: 'v1.wav', priority: 5 }
 * new GpuScheduler().submit(options).ids.length // => 1
 * ```
 */
export type WorkItemOptions = Omit<NewItemOptions, 'id'> & ({ id: ItemId } | { sourceId: string })

/**
 * Where time and chance come from, for tests and simulations.
 *
 * @public
 * @example
 * ```ts
 * const given: TimeAndChance = { clock: () => 7000, uuid: () => '1' }
 * const item = new WorkItem({ sourceId: 'v1', modelId: 'CLAP' }, given)
 * item.id // => 'v1_CLAP_1'
 * item.submittedAtMs // => 7000
 * ```
 */
export interface TimeAndChance {
  /** Milliseconds since 1970, or since any other fixed moment. Never throws. Default `Date.now`. */
  clock?: () => number
  /** The end of a new id. Default: a random UUID. */
  uuid?: () => string
}

/**
 * An id: `<sourceId>_<modelId>_<uuid>`, with a random uuid unless one is given. Throws BAD_VALUE for what is
 * empty or no text.
 *
 * @public
 * @example
 * ```ts
 * itemId('v1', 'Whisper').startsWith('v1_Whisper_') // => true
 * itemId('v1', 'Whisper', '1') // => 'v1_Whisper_1'
 * ```
 */
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

/**
 * The plain record of an item, as stores take it, with its defaults filled in: priority 0, no dependencies,
 * 3 attempts. Throws BAD_VALUE.
 *
 * @public
 * @example
 * ```ts
 * const item = newItem({ sourceId: 'v1', modelId: 'CLAP', dependencies: ['upload'] }, () => '1')
 * item.id // => 'v1_CLAP_1'
 * item.dependencies // => [{ id: 'upload', policy: 'fail' }]
 * ```
 */
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

/**
 * A work item on its own: it knows what it waits for, what of that is there, and for how long it has waited.
 * A scheduler, a queue and a store take it as it is.
 *
 * @public
 * @example
 * ```ts
 * const heard = new WorkItem({ sourceId: 'v1', modelId: 'Whisper', input: 'v1.wav' })
 * const summary = new WorkItem({ sourceId: 'v1', modelId: 'Qwen3', dependencies: [heard] })
 * summary.isReady // => false
 * summary.resolveDependency(heard.id)
 * summary.isReady // => true
 * ```
 */
export class WorkItem implements NewItem {
  /** `<sourceId>_<modelId>_<uuid>`, or the id that was given. */
  declare readonly id: ItemId
  /** The source it came from; null: none was named. */
  declare readonly sourceId: string | null
  declare readonly modelId: ModelId
  /** For the model; null: nothing. */
  declare readonly input: unknown
  /** −100 to 100, higher first. Default 0. */
  declare readonly priority: number
  /** What it waits for, each once. */
  declare readonly dependencies: readonly Dependency[]
  /** null unless a pipeline made it. */
  declare readonly step: string | null
  /** The record of the source, for expressions; null: none. */
  declare readonly source: unknown
  /** Number of attempts before it is dead, from 1. Default 3. */
  declare readonly maxAttempts: number
  /** Longest run of one attempt, for whoever runs it; null: nothing is said. */
  declare readonly timeoutMs: number | null
  /** The moment by which it must have ended, by the clock; null: none. */
  declare readonly deadlineAtMs: number | null
  /** For whom it is done: fairness is between tenants. null: nobody in particular. */
  declare readonly tenant: string | null
  /** null unless a pipeline made it. */
  declare readonly pipeline: string | null
  /** When it was made, ms by its clock. */
  readonly submittedAtMs: number
  readonly #clock: () => number
  /** Of its dependencies, those that are not there yet. */
  readonly #open: Set<ItemId>

  /** Throws BAD_VALUE.
   *
   * @param options - its model, an id or a source, and what else is to be said of it
   * @param given - time and chance, instead of the system's */
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

  /** Says that something is there. What the item does not wait for changes nothing. Never throws. */
  resolveDependency(id: ItemId): void {
    this.#open.delete(id)
  }

  /** Time since it was made, ms, 0 or more. Never throws. */
  waitingTime(nowMs: number = this.#clock()): number {
    return Math.max(0, nowMs - this.submittedAtMs)
  }
}
