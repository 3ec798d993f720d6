// A claimed batch is handed to its instance, and each answer is recorded as it comes, so that kill -9 in the
// middle of a batch loses only the items that had no answer yet. Answers that arrive while a write is under
// way are written together by the next one.
//
// A batch of several items that runs out of memory, or takes its instance with it, gives back what was not
// answered. The next batches are smaller, until the item that is to blame, if there is one, fails alone. That
// item is not tried again.

import type { ItemError } from '../core/errors.ts'
import type { ItemId } from '../core/work/item.ts'
import { outOfMemory } from '../runners/out-of-memory.ts'
import type { ItemAnswer } from '../runners/runner.ts'
import type { Claim, ClaimedItem, Outcome, Store } from '../stores/store.ts'
import type { Clock } from './clock.ts'
import type { LiveInstance } from './live-instance.ts'

/** A claim without a sign of life for this long is given to another; three heartbeats fit in. Chosen, not
 * measured. */
export const leaseMs = 60_000

/** First pause before an item is tried again, and the longest, ms. Chosen, not measured. */
const firstPauseMs = 1000
const longestPauseMs = 300_000

export interface RecordContext {
  store: Store
  clock: Clock
  /** 0 to 1: spreads the retries. */
  random: () => number
  /** Called after each write, with what the store took. */
  recorded: (outcomes: readonly Outcome[]) => void
}

export interface BatchResult {
  failedCount: number
  runMs: number
  peakBytes: number | null
  residentBytes: number | null
  isOutOfMemory: boolean
  /** The instance failed, and nobody had asked it to end. */
  hasCrashed: boolean
  /** The instance can no longer be used. */
  hasFailed: boolean
}

export interface BatchOptions {
  /** Its only item failed before, together with others: a failure now is its own. */
  isSuspect: boolean
  /** Called at once when the instance can no longer be used, before anything is recorded: nothing more may
   * run on it. */
  onFailure: (error: ItemError) => void
}

/** Throws only what the store throws. */
export async function runBatch(
  live: LiveInstance,
  claim: Claim,
  { isSuspect, onFailure }: BatchOptions,
  context: RecordContext,
): Promise<BatchResult> {
  const { clock } = context
  const startedAtMs = clock.nowMs()
  const answers = new Answers(claim, context)
  const stopBeating = keepLease(claim.token, context)
  const items = claim.items.map(({ id, input }) => ({ id, input }))
  const answer = await live.instance
    .run({ items, timeoutMs: longestTimeout(claim.items), onAnswer: (each) => answers.take(each) })
    .finally(stopBeating)
  const runMs = clock.nowMs() - startedAtMs
  for (const each of answer.answers) answers.take(each)
  const { failure, peakBytes, residentBytes = null } = answer
  const error = failure ?? { code: 'RUN_FAILED', message: 'the worker gave no answer for this item' }
  const hasCrashed = failure !== null && !live.isAsked
  if (hasCrashed && error.code === outOfMemory) answers.isOutOfMemory = true
  const isCharged = answers.isAlone ? !live.isAsked : failure === null
  for (const id of answers.missing()) {
    if (isCharged) answers.take({ type: 'error', id, error, retryable: !(hasCrashed && isSuspect) })
    else answers.giveBack(id) // perhaps not its fault: no attempt is used up
  }
  if (failure !== null) onFailure(failure)
  await answers.written()
  if (answers.storeError !== null) throw answers.storeError
  const { failedCount, isOutOfMemory } = answers
  return {
    failedCount,
    runMs,
    peakBytes,
    residentBytes,
    isOutOfMemory,
    hasCrashed,
    hasFailed: failure !== null,
  }
}

/** The answers of a batch. Each is taken once, and written as soon as the write before it has ended. */
class Answers {
  readonly isAlone: boolean
  failedCount = 0
  isOutOfMemory = false
  /** After it nothing more is written; null: none. */
  storeError: unknown = null
  readonly #claim: Claim
  readonly #context: RecordContext
  readonly #itemById: Map<ItemId, ClaimedItem>
  readonly #answered = new Set<ItemId>()
  readonly #waiting: Outcome[] = []
  #writing = Promise.resolve()

  constructor(claim: Claim, context: RecordContext) {
    this.#claim = claim
    this.#context = context
    this.#itemById = new Map(claim.items.map((item) => [item.id, item]))
    this.isAlone = claim.items.length === 1
  }

  /** Those that were neither answered nor given back. */
  missing(): ItemId[] {
    return this.#claim.items.map(({ id }) => id).filter((id) => !this.#answered.has(id))
  }

  take(answer: ItemAnswer): void {
    const item = this.#itemById.get(answer.id)
    if (!item || this.#answered.has(answer.id)) return
    this.#answered.add(answer.id)
    const isForMemory = answer.type === 'error' && answer.error.code === outOfMemory
    this.isOutOfMemory ||= isForMemory
    const outcome: Outcome =
      isForMemory && !this.isAlone
        ? { type: 'release', id: answer.id }
        : outcomeOf(isForMemory ? { ...answer, retryable: false } : answer, item, this.#context)
    if (outcome.type === 'fail') this.failedCount++
    this.#waiting.push(outcome)
    this.#writing = this.written()
  }

  /** With the next write. An answer that comes all the same is not taken. */
  giveBack(id: ItemId): void {
    this.#answered.add(id)
    this.#waiting.push({ type: 'release', id })
  }

  /** Resolves when all that waits is written, or the store has refused. */
  written(): Promise<void> {
    return this.#writing.then(() => this.#write())
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0 && this.storeError === null) {
      const outcomes = this.#waiting.splice(0)
      try {
        await record(this.#claim.token, outcomes, this.#context)
      } catch (error) {
        this.storeError = error
      }
    }
  }
}

/** Writes outcomes, and reports those that the store took: what a user cancelled meanwhile is not ours to
 * end. */
export async function record(
  token: string,
  outcomes: Outcome[],
  { store, clock, recorded }: RecordContext,
): Promise<void> {
  const { accepted } = await store.finish(token, outcomes, clock.nowMs())
  const isAccepted = new Set(accepted)
  recorded(outcomes.filter(({ id }) => isAccepted.has(id)))
}

function outcomeOf(answer: ItemAnswer, { attempt }: ClaimedItem, { clock, random }: RecordContext): Outcome {
  if (answer.type === 'output') return { type: 'done', id: answer.id, output: answer.output }
  const { id, error, retryable } = answer
  return { type: 'fail', id, error, retryable, retryAtMs: clock.nowMs() + pauseMs(attempt, random()) }
}

/** Doubles with each attempt; `chance` (0 to 1) spreads it from half to one and a half. */
export function pauseMs(attempt: number, chance: number): number {
  return Math.round(Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)) * (0.5 + chance))
}

/** One item may take its own limit; a batch as long as the sum of them. null: the runner's limit. */
function longestTimeout(items: readonly ClaimedItem[]): number | null {
  const limits = items.flatMap(({ timeoutMs }) => (timeoutMs === null ? [] : [timeoutMs]))
  return limits.length < items.length ? null : limits.reduce((sum, each) => sum + each, 0)
}

/** Prolongs the lease three times in its length, until the returned function is called. */
function keepLease(token: string, { store, clock }: RecordContext): () => void {
  let cancel = () => {}
  const beat = () => {
    cancel = clock.after(leaseMs / 3, () => {
      store.heartbeat(token, leaseMs, clock.nowMs()).catch(() => {}) // a refused write shows when the results are recorded
      beat()
    })
  }
  beat()
  return () => cancel()
}
