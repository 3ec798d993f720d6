// A claimed batch is handed to its instance, and each answer is recorded as it comes, so that kill -9 in the
// middle of a batch loses only the items that had no answer yet. Answers that arrive while a write is under
// way are written together by the next one.
//
// A batch of several items that runs out of memory, or takes its instance with it, gives back what was not
// answered. The next batches are smaller, until the item that is to blame, if there is one, fails alone. That
// item is not tried again.

import type { ItemError } from '../core/errors.ts'
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
  const itemById = new Map(claim.items.map((item) => [item.id, item]))
  const waiting: Outcome[] = []
  const answered = new Set<string>()
  const isAlone = claim.items.length === 1
  let failedCount = 0
  let isOutOfMemory = false
  let storeError: unknown = null
  /** Writes one after another; each takes all that waits. */
  let writing = Promise.resolve()

  const write = async () => {
    while (waiting.length > 0 && storeError === null) {
      const outcomes = waiting.splice(0)
      try {
        await record(claim.token, outcomes, context)
      } catch (error) {
        storeError = error
      }
    }
  }
  const take = (answer: ItemAnswer) => {
    const item = itemById.get(answer.id)
    if (!item || answered.has(answer.id)) return
    answered.add(answer.id)
    const isForMemory = answer.type === 'error' && answer.error.code === outOfMemory
    isOutOfMemory ||= isForMemory
    const outcome: Outcome =
      isForMemory && !isAlone
        ? { type: 'release', id: answer.id }
        : outcomeOf(isForMemory ? { ...answer, retryable: false } : answer, item, context)
    if (outcome.type === 'fail') failedCount++
    waiting.push(outcome)
    writing = writing.then(write)
  }

  const stopBeating = keepLease(claim.token, context)
  const items = claim.items.map(({ id, input }) => ({ id, input }))
  const answer = await live.instance
    .run({ items, timeoutMs: longestTimeout(claim.items), onAnswer: take })
    .finally(stopBeating)
  const runMs = clock.nowMs() - startedAtMs
  for (const each of answer.answers) take(each)
  const error = answer.failure ?? { code: 'RUN_FAILED', message: 'the worker gave no answer for this item' }
  const hasCrashed = answer.failure !== null && !live.isAsked
  if (hasCrashed && error.code === outOfMemory) isOutOfMemory = true
  for (const { id } of claim.items) {
    if (answered.has(id)) continue
    if (isAlone ? !live.isAsked : answer.failure === null)
      take({ type: 'error', id, error, retryable: !(hasCrashed && isSuspect) })
    else {
      answered.add(id)
      waiting.push({ type: 'release', id }) // perhaps not its fault: no attempt is used up
    }
  }
  const { peakBytes, residentBytes = null, failure } = answer
  if (failure !== null) onFailure(failure)
  await writing.then(write)
  if (storeError !== null) throw storeError
  const hasFailed = failure !== null
  return { failedCount, runMs, peakBytes, residentBytes, isOutOfMemory, hasCrashed, hasFailed }
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
