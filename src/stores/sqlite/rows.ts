// The rows of a SQLite store as they are in memory, and how they become items. The statements are in
// queries.ts.
import { type ItemError, SchedulerError } from '../../core/errors.ts'
import type { ModelId } from '../../core/model.ts'
import { type ItemId, type ItemState, itemStates, type NewItem, ofPipeline } from '../../core/work/item.ts'
import type { ResolvedParent } from '../../core/work/resolver.ts'
import type { GraphRow } from '../../core/work/working-set.ts'
import type { ItemBrief, StoredItem } from '../store.ts'
import type { Kind } from './kinds.ts'
import { all, first, type Queries } from './queries.ts'
import { policies } from './schema.ts'

/** A row of `progress` in memory: what a change of state needs to know of an item. */
export class ItemRow implements GraphRow {
  readonly sequence: number
  readonly submittedAtMs: number
  /** Another one when it inherits a priority, or becomes another pipeline's. */
  kind: Kind
  state: ItemState = 'blocked'
  attempt = 0
  openCount = 0
  turn: number | null = null
  readyAtMs: number | null = null
  dueAtMs: number | null = null
  /** Its row in `run`. */
  run: number | null = null
  latestEndAtMs: number | null = null
  // The rest is null where it has not been asked for.
  id: ItemId | null = null
  maxAttempts: number | null = null
  /** Since when a claim holds it, or held it in this operation. */
  startedAtMs: number | null = null
  /** What it waits for, as `item.parents` has it. */
  parents: Parent[] | null = null
  /** What holds it. */
  claim: LiveClaim | null = null
  // What the next flush writes.
  isChanged = false
  /** Not in the file yet. */
  fresh: NewRow | null = null
  outcome: Result | null = null

  constructor(sequence: number, submittedAtMs: number, kind: Kind) {
    this.sequence = sequence
    this.submittedAtMs = submittedAtMs
    this.kind = kind
  }

  get modelId(): ModelId {
    return this.kind.modelId
  }

  get step(): string | null {
    return this.kind.step
  }

  get priority(): number {
    return this.kind.priority
  }

  get pipeline(): string | null {
    return this.kind.pipeline
  }

  get isParked(): boolean {
    return this.kind.isParked
  }
}

/** Items that are leased together. */
export interface LiveClaim {
  readonly token: string
  readonly atMs: number
  untilMs: number
  readonly byId: Map<ItemId, ItemRow>
  readonly bySequence: Map<number, ItemRow>
  /** An item was taken from it: cancelled while it ran. */
  isBroken: boolean
}

export type Parent = [seq: number, policy: number]

/** An item with its JSON made, so that what JSON cannot say is refused before anything changes. */
export interface NewRow {
  item: NewItem
  source: string | null
  input: string | null
  /** The fan-out item that made it. */
  makerSequence: number | null
}

/** Throws BAD_VALUE for what JSON cannot say. */
export function toNewRow(item: NewItem, maker: ItemRow | null): NewRow {
  const source = json(item.source, `The source of item "${item.id}"`)
  const input = json(item.input, `The input of item "${item.id}"`)
  return {
    item: maker === null ? item : ofPipeline(item, maker.kind.pipeline),
    source,
    input,
    makerSequence: maker?.sequence ?? null,
  }
}

/** What an attempt came to, or why an item ended without one. */
export interface Result {
  /** Null: it goes on. */
  endedAtMs: number | null
  /** JSON. */
  output: string | null
  error: ItemError | null
}

/** What was submitted. */
export interface SubmittedRow {
  id: ItemId
  priority: number
  max_attempts: number
  timeout: number | null
  deadline_at: number | null
  source_id: string | null
  source: string | null
  input: string | null
}

/** An item that has ended, as those see it that waited for it. */
export interface EndedRow {
  seq: number
  id: ItemId
  source_id: string | null
  source: string | null
  model: string
  step: string | null
  state: number
  output: string | null
}

/** All that is stored of an item. */
export interface StoredRow extends SubmittedRow, EndedRow {
  effective_priority: number
  tenant: string | null
  pipeline: string | null
  latest_end_at: number | null
  attempt: number
  submitted_at: number
  ready_at: number | null
  started_at: number | null
  ended_at: number | null
  maker: number | null
  parents: string | null
  error: string | null
  /** Since when a claim holds it, or null: then the row says all. Only in what is read for callers. */
  leased_at?: number | null
}

/** Throws BAD_VALUE for what JSON cannot say; `what` names it. */
export function json(value: unknown, what: string): string | null {
  if (value === null || value === undefined) return null
  try {
    return JSON.stringify(value) ?? null
  } catch (error) {
    const { message } = error as Error
    throw new SchedulerError('BAD_VALUE', `${what} is not JSON: ${message}`, { what }, error)
  }
}

export function parse<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T)
}

/** The item as it was submitted; without its dependencies, which only `get` reads. */
export function toNewItem(
  row: SubmittedRow,
  { modelId, step, tenant, pipeline }: Pick<Kind, 'modelId' | 'step' | 'tenant' | 'pipeline'>,
): NewItem {
  return {
    id: row.id,
    modelId,
    input: parse(row.input),
    priority: row.priority,
    dependencies: [],
    step,
    sourceId: row.source_id,
    source: parse(row.source),
    maxAttempts: row.max_attempts,
    timeoutMs: row.timeout,
    deadlineAtMs: row.deadline_at,
    tenant,
    pipeline,
  }
}

/** One that is not in the file yet, as it will be read from there. */
export function submitted({ item, source, input }: NewRow): NewItem {
  return { ...item, dependencies: [], source: parse(source), input: parse(input) }
}

/** What the resolver sees of an ended parent. `row`: what this operation knows of it. */
export function toParent(stored: EndedRow, row: ItemRow | undefined): ResolvedParent {
  const state = row?.state ?? itemStates[stored.state]!
  return {
    id: stored.id,
    modelId: stored.model,
    step: stored.step,
    sourceId: stored.source_id,
    source: parse(stored.source),
    state,
    output: state === 'done' ? parse(row?.outcome ? row.outcome.output : stored.output) : null,
  }
}

export function readItem(row: StoredRow, read: Pick<Queries, 'dependencies' | 'idOf'>): StoredItem {
  const parents = row.parents ? all<{ id: string; policy: number }>(read.dependencies, row.seq) : []
  const isLeased = (row.leased_at ?? null) !== null
  return {
    ...toNewItem(row, { modelId: row.model, step: row.step, tenant: row.tenant, pipeline: row.pipeline }),
    dependencies: parents.map(({ id, policy }) => ({ id, policy: policies[policy]! })),
    sequence: row.seq,
    effectivePriority: row.effective_priority,
    latestEndAtMs: row.latest_end_at,
    state: isLeased ? 'leased' : itemStates[row.state]!,
    parentId: row.maker === null ? null : first<{ id: string }>(read.idOf, row.maker)!.id,
    output: parse(row.output),
    error: parse<ItemError>(row.error),
    attempt: row.attempt + (isLeased ? 1 : 0),
    submittedAtMs: row.submitted_at,
    readyAtMs: row.ready_at,
    startedAtMs: row.leased_at ?? row.started_at,
    endedAtMs: row.ended_at,
  }
}

export interface BriefRow {
  seq: number
  id: ItemId
  state: number
  /** 1: a claim holds it. */
  is_held: number
  maker: ItemId | null
  pipeline: string | null
  step: string | null
  model: string
  code: string | null
}

export function readBrief({
  seq,
  id,
  state,
  is_held,
  maker,
  pipeline,
  step,
  model,
  code,
}: BriefRow): ItemBrief {
  return {
    sequence: seq,
    id,
    state: is_held === 1 ? 'leased' : itemStates[state]!,
    parentId: maker,
    pipeline,
    step,
    modelId: model,
    errorCode: code,
  }
}
