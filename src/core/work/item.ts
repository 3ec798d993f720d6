// A work item: one input for one model, with a priority and the items it waits for. This file has the words
// that the graph, the stores and the pipelines share: the states of an item and the policies of an edge.
import { type ItemError, SchedulerError } from '../errors.ts'
import type { Id } from '../id.ts'
import type { ModelId } from '../model.ts'

/**
 * The name of an item: text of 1 to 512 characters, the same wherever the item is meant.
 *
 * @public
 * @example
 * ```ts
 * const id: ItemId = 'v1_Whisper_3f0c'
 * ```
 */
export type ItemId = Id<'item'>

/**
 * What becomes of a dependent when the item it waits for did not finish well. fail: it fails too, with the
 * cause named. skip: it is skipped. continue: it runs, and sees null as that output.
 *
 * @public
 * @example
 * ```ts
 * const policy: EdgePolicy = 'continue'
 * ```
 */
export type EdgePolicy = 'fail' | 'skip' | 'continue'

/**
 * What an item waits for, and what its failure means.
 *
 * @public
 * @example
 * ```ts
 * const item = newItem({ id: 'b', modelId: 'Qwen3', dependencies: ['a'] })
 * const { id, policy }: Dependency = item.dependencies[0]!
 * id // => 'a'
 * policy // => 'fail'
 * ```
 */
export interface Dependency {
  id: ItemId
  /** Default fail. */
  policy: EdgePolicy
}

/**
 *  *   blocked ──▶ ready ◀──▶ leased ──▶ done
 *      │          ▲          ├──────▶ failed
 *      │          └ scheduled┘
 *      └─▶ skipped, failed, done      (any that has not ended ──▶ cancelled)
 *
 * blocked: waits for items. scheduled: waits for a moment (retry). ready: waits for a device. leased: runs.
 *
 *
 * @public
 * @example
 * ```ts
 * const scheduler = new GpuScheduler()
 * scheduler.submit({ id: 'a', modelId: 'CLAP' })
 * const state: ItemState = scheduler.get('a')!.state
 * state // => 'ready'
 * ```
 */
export type ItemState =
  | 'blocked'
  | 'scheduled'
  | 'ready'
  | 'leased'
  | 'done'
  | 'failed'
  | 'skipped'
  | 'cancelled'

export const itemStates: readonly ItemState[] = [
  'blocked',
  'scheduled',
  'ready',
  'leased',
  'done',
  'failed',
  'skipped',
  'cancelled',
]

/** Done, failed, skipped and cancelled are final; `retry` alone leads out of failed and cancelled. */
export function hasEnded(state: ItemState): boolean {
  return state === 'done' || state === 'failed' || state === 'skipped' || state === 'cancelled'
}

/** Ended so that dependents go on: a skipped item's output is null. */
export function satisfies(state: ItemState): boolean {
  return state === 'done' || state === 'skipped'
}

/**
 * An item as it is submitted: every field is there.
 *
 * @public
 * @example
 * ```ts
 * const item: NewItem = newItem({ id: 'a', modelId: 'CLAP', input: 'v1.wav' })
 * item.priority // => 0
 * item.maxAttempts // => 3
 * ```
 */
export interface NewItem {
  /** `<sourceId>_<Model>_<uuid>`, see `itemId`; any text of 1 to 512 characters works. Known ids are not
   * added again. */
  id: ItemId
  modelId: ModelId
  /** JSON for the runner; for an item with a `step` what the resolver makes the input from. */
  input: unknown
  /** −100 to 100, higher first. */
  priority: number
  dependencies: readonly Dependency[]
  /** The pipeline's step, or null. An item with a step is shown to the store's resolver when it is
   * released. */
  step: string | null
  /** The source it came from: an id for people and the record for expressions. */
  sourceId: string | null
  /** The record of the source, for expressions; null: none. */
  source: unknown
  /** Attempts before it is dead, from 1. */
  maxAttempts: number
  /** Longest run of one attempt, ms; null: the runner's own limit. */
  timeoutMs: number | null
  /** The caller's moment, ms since 1970; null: none. */
  deadlineAtMs: number | null
  /** For whom it is done: fairness is between tenants. null: nobody in particular. */
  tenant: string | null
  /** The name of the pipeline that it is of, or null. What a fan-out makes is of the fan-out's pipeline. */
  pipeline: string | null
}

/**
 * An item with what has become of it. Moments are in ms since 1970, by the clock of whoever calls the store;
 * null: it has not come.
 *
 * @beta
 * @example
 * ```ts
 * const store = openMemoryStore()
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * const item: StoredItem = (await store.get('a'))!
 * item.state // => 'ready'
 * item.submittedAtMs // => 1000
 * ```
 */
export interface StoredItem extends NewItem {
  /** Order of submission, from 1. */
  sequence: number
  state: ItemState
  /** The fan-out item that this one was made by, or null. */
  parentId: ItemId | null
  /** Its own priority, or a higher one that it has inherited from an item that waits for it. */
  effectivePriority: number
  /** When it must have ended for its own deadline and for those of the items that wait for it, ms; null: none
   * has one. */
  latestEndAtMs: number | null
  /** What its model made; null before that. */
  output: unknown
  /** Why it failed, was skipped or last failed. */
  error: ItemError | null
  /** Attempts that have begun. */
  attempt: number
  submittedAtMs: number
  readyAtMs: number | null
  startedAtMs: number | null
  endedAtMs: number | null
}

/**
 * An item as people write it: its id and model, and any other field of a NewItem. Dependencies are ids,
 * items, or `{ id, policy }`.
 *
 * @public
 * @example
 * ```ts
 * const options: NewItemOptions = { id: 'a', modelId: 'CLAP', priority: 5 }
 * newItem(options).priority // => 5
 * ```
 */
export type NewItemOptions = Partial<Omit<NewItem, 'dependencies'>> &
  Pick<NewItem, 'id' | 'modelId'> & { dependencies?: readonly (ItemId | DependencyOptions)[] }

/**
 * What an item waits for, as people write it; an item can stand here too.
 *
 * @public
 * @example
 * ```ts
 * const dependency: DependencyOptions = { id: 'v1_CLAP_1', policy: 'continue' }
 * new WorkItem({ sourceId: 'v1', modelId: 'Qwen3', dependencies: [dependency] })
 * ```
 */
export interface DependencyOptions {
  id: ItemId
  /** Default fail. */
  policy?: EdgePolicy
}

/** Fills in the defaults: priority 0, no dependencies (edge policy fail), 3 attempts. Throws BAD_VALUE. */
export function newItem(options: NewItemOptions): NewItem {
  const { id, modelId, dependencies, priority = 0, maxAttempts = 3 } = options
  assertItem(id, priority, maxAttempts)
  return {
    id,
    modelId,
    input: options.input ?? null,
    priority,
    dependencies: dependencies && dependencies.length > 0 ? uniqueDependencies(dependencies) : none,
    step: options.step ?? null,
    sourceId: options.sourceId ?? null,
    source: options.source ?? null,
    maxAttempts,
    timeoutMs: options.timeoutMs ?? null,
    deadlineAtMs: options.deadlineAtMs ?? null,
    tenant: options.tenant ?? null,
    pipeline: options.pipeline ?? null,
  }
}

function assertItem(id: ItemId, priority: number, maxAttempts: number): void {
  if (typeof id !== 'string' || id.length < 1 || id.length > 512) {
    throw new SchedulerError(
      'BAD_VALUE',
      `Item id ${JSON.stringify(id)} must be text of 1 to 512 characters.`,
      { id },
    )
  }
  if (!Number.isInteger(priority) || priority < -100 || priority > 100) {
    throw new SchedulerError(
      'BAD_VALUE',
      `Item "${id}" has priority ${priority}; it must be a whole number from -100 to 100.`,
      {
        id,
        priority,
      },
    )
  }
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1) {
    throw new SchedulerError(
      'BAD_VALUE',
      `Item "${id}" has maxAttempts ${maxAttempts}; it must be a whole number from 1.`,
      { id },
    )
  }
}

/** The item as one of that pipeline. */
export function ofPipeline(item: NewItem, pipeline: string | null): NewItem {
  return item.pipeline === pipeline ? item : { ...item, pipeline }
}

/** Most items wait for nothing: they share one list. */
const none: readonly Dependency[] = []

/** Each once; the first policy stands. */
function uniqueDependencies(written: readonly (ItemId | DependencyOptions)[]): Dependency[] {
  if (!Array.isArray(written)) throw noDependencies(written)
  const dependencies = written.map(dependencyOf)
  if (dependencies.length < 2) return dependencies
  const byId = new Map<ItemId, Dependency>()
  for (const each of dependencies) if (!byId.has(each.id)) byId.set(each.id, each)
  return byId.size === dependencies.length ? dependencies : [...byId.values()]
}

function dependencyOf(written: ItemId | DependencyOptions): Dependency {
  if (typeof written === 'string') return { id: written, policy: 'fail' }
  if (typeof written?.id !== 'string') throw noDependencies(written)
  return written.policy === undefined ? { id: written.id, policy: 'fail' } : (written as Dependency)
}

function noDependencies(written: unknown): SchedulerError {
  const message = `${JSON.stringify(written)} is no list of dependencies; give ids, items or { id, policy }: ['v1_Whisper_1'].`
  return new SchedulerError('BAD_VALUE', message, { dependencies: written })
}

/** The seed's id format: `<sourceId>_<Model>_<uuid>`. The caller brings the uuid: chance is an argument. */
export function itemId(sourceId: string, modelId: ModelId, uuid: string): ItemId {
  return `${sourceId}_${modelId}_${uuid}`
}

/** Characters of a cause that are kept. Each dependent names its parent and the parent's cause: without a
 * bound a failed chain of n items would be n² long (6,000 items: 800 MB). Chosen, not measured. */
const maxCauseLength = 4000

/** Keeps the nearest causes and the first one. */
function shorten(message: string): string {
  if (message.length <= maxCauseLength) return message
  const half = maxCauseLength / 2
  return `${message.slice(0, half)} … ${message.slice(-half)}`
}

/** The cause that a dependent inherits. */
export function dependencyError(parentId: ItemId, error: ItemError | null): ItemError {
  const cause = error ? `: ${shorten(error.message)}` : ''
  return {
    code: 'DEPENDENCY_FAILED',
    message: `"${parentId}", which this item needs, did not finish${cause}`,
  }
}
