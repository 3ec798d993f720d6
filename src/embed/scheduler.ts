// One scheduler to embed: the graph, the ledger and the policy in one object, without processes, files or
// timers. The caller runs the models: it asks for a batch, unloads and loads what the batch says, runs it,
// and reports each item. It decides as the daemon does, with the same `apply` and `decide`, over the same
// graph as the memory store.
//
//   submit ─▶ getNextBatch ─▶ (evict, load) markLoaded ─▶ run ─▶ complete or fail each item ─▶ getNextBatch …
import { admit } from '../core/decide/admission.ts'
import { decide } from '../core/decide/decide.ts'
import { SchedulerError } from '../core/errors.ts'
import { whyWaiting } from '../core/explain/explain.ts'
import { leadTimes, type ModelId, runMs } from '../core/model.ts'
import { parsePolicy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import type { CommandOf, SchedulerEvent } from '../core/state/events.ts'
import { createState, modelOf, type State } from '../core/state/state.ts'
import { VramConfig } from '../core/vram.ts'
import { outsideItem, WorkGraph } from '../core/work/graph.ts'
import type { ItemId } from '../core/work/item.ts'
import { type Claim, type ClaimedItem, countByTenant, type Outcome } from '../core/work/lease.ts'
import { plainOrder } from '../core/work/queue-head.ts'
import { assertLoadTime, ModelStateManager, type ModelStates } from './model-state.ts'
import { type NextBatch, ReasonedBatch } from './next-batch.ts'
import { assertCount, type GpuSchedulerOptions, modelsOf } from './options.ts'
import { type ItemProgress, progressOf, waitingOf } from './progress.ts'
import { type RunningBatch, RunningBatches } from './running.ts'
import { type SchedulerStatus, statusOf, UsageByModel } from './status.ts'
import { Steps } from './steps.ts'
import { missedDeadlines, type Submission } from './submission.ts'
import { newItem, type WorkItemOptions } from './work-item.ts'

const deviceId = 'gpu'

/**
 * The scheduler to embed: it keeps the items, their dependencies and the memory of one device, and says what
 * to run next and which models to unload and load for it. The caller runs the models, and reports each item.
 * It starts nothing, opens nothing and waits for nothing.
 *
 * @public
 * @example
 * ```ts
 * const scheduler = new GpuScheduler({ vram: new VramConfig({ totalGb: 8 }) })
 * const heard = new WorkItem({ id: 'v1_Whisper', modelId: 'Whisper', input: 'v1.wav' })
 * const summary = new WorkItem({ id: 'v1_Qwen3', modelId: 'Qwen3', dependencies: [heard] })
 * scheduler.submit(heard, summary)
 *
 * const done: string[] = []
 * for (let batch = scheduler.getNextBatch(8); batch; batch = scheduler.getNextBatch(8)) {
 *   // Unload batch.evictions, load batch.loads, tell how long that took, and run the batch.
 *   for (const model of batch.loads) scheduler.markLoaded(model, 4000)
 *   for (const { id } of batch.items) {
 *     scheduler.complete(id, 'what came of it')
 *     done.push(id)
 *   }
 * }
 * done // => ['v1_Whisper', 'v1_Qwen3']
 * scheduler.totalPending() // => 0
 * ```
 */
export class GpuScheduler {
  /** Which models are loaded, as far as batches have said so, and what their loads take. */
  readonly modelStates: ModelStates
  readonly #state: State
  readonly #graph: WorkGraph
  readonly #clock: () => number
  readonly #uuid: (() => string) | undefined
  readonly #modelStates: ModelStateManager
  readonly #steps = new Steps()
  readonly #running: RunningBatches
  readonly #usage: UsageByModel
  /** From outside, and not there yet. */
  readonly #expected = new Set<ItemId>()

  /** With 16 GB, 0.9 of it to be promised, and the five media models, where nothing else is said. Throws
   * BAD_VALUE. */
  constructor(options: GpuSchedulerOptions = {}) {
    const { vram = new VramConfig(), policy = {}, slots = 1, clock = Date.now, uuid } = options
    const models = modelsOf(options)
    const { totalBytes: capacityBytes, safetyFactor: safetyRatio } = vram
    const device = { id: deviceId, kind: 'static', capacityBytes, safetyRatio, slots }
    this.#state = createState(models, [device], parsePolicy(policy))
    this.#clock = clock
    this.#uuid = uuid
    this.#graph = new WorkGraph({ leadMs: leadTimes(models) })
    this.#running = new RunningBatches(this.#graph)
    this.#usage = new UsageByModel(models.map(({ id }) => id))
    this.#modelStates = new ModelStateManager({ models, clock, loadTimes: this.#state.loads })
    this.modelStates = this.#modelStates
  }

  /** Adds an item, or a graph of items at once. A known id changes nothing.
   * Throws BAD_VALUE, UNKNOWN_MODEL, NEVER_FITS, UNKNOWN_DEPENDENCY, CYCLE; then nothing was added. */
  submit(...items: WorkItemOptions[]): Submission {
    const complete = items.map((each) => newItem(each, this.#uuid))
    for (const { modelId } of complete) admit(this.#state, modelId)
    const nowMs = this.#clock()
    this.#graph.submit(complete, nowMs)
    return {
      ids: complete.map(({ id }) => id),
      infeasibleDeadlines: missedDeadlines(this.#state, this.#graph, complete, nowMs),
    }
  }

  /** Names something from outside that items will wait for, such as a download: they can be submitted before
   * it is there. Without that a name which no item has is refused. A known id changes nothing. Throws
   * BAD_VALUE. */
  expectDependency(id: ItemId): void {
    if (this.#graph.get(id)) return
    this.#graph.submit([outsideItem(id)], this.#clock())
    this.#expected.add(id)
  }

  /** Says that something items wait for is there: an item of ours, what `expectDependency` has named, or
   * anything else that later items will wait for. Throws BAD_VALUE. */
  resolveDependency(id: ItemId, output: unknown = null): void {
    this.#expected.delete(id)
    if (this.#running.of(id)) this.complete(id, output)
    else this.#graph.resolve(id, output, this.#clock())
  }

  /** The next batch, or null: nothing is ready, or every slot is busy. Throws BAD_VALUE.
   *
   * @param maxBatchSize - most items in it, a whole number from 1; default: what the model's batches take */
  getNextBatch(maxBatchSize = Number.POSITIVE_INFINITY): NextBatch | null {
    if (maxBatchSize !== Number.POSITIVE_INFINITY) assertCount('maxBatchSize', maxBatchSize)
    for (;;) {
      const nowMs = this.#clock()
      this.#showQueues(nowMs)
      const decision = decide(this.#state, nowMs)
      if (!decision.command) return null
      const { command, passedOver } = decision
      this.#emit({ type: 'command-issued', atMs: nowMs, command })
      if (command.type === 'run-batch') {
        const claim = this.#claim(command, maxBatchSize, nowMs)
        if (claim.items.length > 0) return this.#start(command, claim, passedOver)
      } else if (command.type === 'start-load') this.#load(command, nowMs)
      else if (command.type === 'stop-instance') this.#evict(command, nowMs)
      else if (command.type === 'fail-queue') this.#failQueue(command, nowMs)
    }
  }

  /** A load that `getNextBatch` asked for is over, and took so many milliseconds: later decisions count with
   * it. Throws UNKNOWN_MODEL, BAD_VALUE. */
  markLoaded(modelId: ModelId, loadTime: number): void {
    const model = modelOf(this.#state, modelId)
    assertLoadTime(modelId, loadTime)
    this.#state.loads.markLoaded(modelId, loadTime)
    model.loadMs = this.#state.loads.estimatedLoadMs(modelId)
    this.#running.loaded(modelId, this.#clock())
  }

  /** A model is no longer loaded though nobody asked for that: its load failed, or what held it has ended.
   * Its memory is free, and it is loaded again for its next batch. Throws UNKNOWN_MODEL, and BAD_VALUE while
   * items of it run: report or release them first. */
  markUnloaded(modelId: ModelId): void {
    const { instances, runningCount } = modelOf(this.#state, modelId)
    if (runningCount > 0) {
      const message = `${modelId} runs ${this.#running.counts().get(modelId)} items. Report each with complete or fail, or give it back with release; then call markUnloaded.`
      throw new SchedulerError('BAD_VALUE', message, { modelId })
    }
    const atMs = this.#clock()
    for (const { id: instanceId } of [...instances]) this.#emit({ type: 'memory-released', atMs, instanceId })
    this.#steps.forget(modelId)
    this.#modelStates.markUnloaded(modelId)
  }

  /** Ends an item well. Its dependents become ready. Throws STALE_TOKEN for an item that is not running. */
  complete(id: ItemId, output: unknown = null): void {
    this.#finish(id, { type: 'done', id, output }).usage.doneCount++
  }

  /** Ends an attempt: the item is ready again after `retryInMs` while attempts are left, else it is dead and
   * its dependents follow their edge policies. Throws STALE_TOKEN for an item that is not running, BAD_VALUE.
   *
   * @param id - an item of a batch
   * @param error - what was wrong
   * @param options - `retryable`: whether it may be tried again, default true; `retryInMs`: after how many
   *   milliseconds, default 0 */
  fail(id: ItemId, error: Error | string, { retryable = true, retryInMs = 0 } = {}): void {
    if (!(retryInMs >= 0)) {
      const message = `Item "${id}" cannot be tried again in ${retryInMs} ms; give a time of 0 or more.`
      throw new SchedulerError('BAD_VALUE', message, { id, retryInMs })
    }
    const failure = { code: 'RUN_FAILED', message: typeof error === 'string' ? error : error.message }
    const retryAtMs = this.#clock() + retryInMs
    this.#finish(id, { type: 'fail', id, error: failure, retryable, retryAtMs }).usage.failedCount++
  }

  /** Gives an item back that was not run: it is the first of its queue again, and the attempt does not count.
   * Throws STALE_TOKEN for an item that is not running. */
  release(id: ItemId): void {
    this.#finish(id, { type: 'release', id })
  }

  /** Number of items that have not ended: blocked, ready or running. */
  totalPending(): number {
    return this.#graph.totalPending - this.#expected.size
  }

  /** Models that are loaded, as far as batches have said so, by id. */
  residentModels(): ModelId[] {
    return this.#modelStates.residentModels.sort()
  }

  /** The figures of this moment. Cost: O(models). */
  status(): SchedulerStatus {
    const nowMs = this.#clock()
    this.#showQueues(nowMs)
    return statusOf(
      {
        state: this.#state,
        device: this.#state.deviceById.get(deviceId)!,
        modelStates: this.#modelStates,
        usage: this.#usage,
        runningCounts: this.#running.counts(),
        pendingCount: this.totalPending(),
      },
      nowMs,
    )
  }

  /** What has become of an item; null: none is called so. Never throws. */
  get(id: ItemId): ItemProgress | null {
    const node = this.#graph.get(id)
    return node && progressOf(node)
  }

  /** Why an item does not run yet, in sentences, most important first. Throws UNKNOWN_ITEM. Cost:
   * O(models). */
  why(id: ItemId): string[] {
    const node = this.#graph.get(id)
    if (!node) throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}".`, { id })
    const nowMs = this.#clock()
    this.#showQueues(nowMs)
    return whyWaiting(this.#state, waitingOf(node), nowMs)
  }

  #load({ instanceId, modelId, reason }: CommandOf<'start-load'>, atMs: number): void {
    // The caller loads before it runs the batch; markLoaded says how long it took.
    const unmeasured = { loadMs: null, residentBytes: null, maxBatch: null }
    this.#emit({ type: 'load-finished', atMs, instanceId, ...unmeasured })
    this.#steps.load(modelId, reason)
  }

  #evict({ instanceId, modelId, reason }: CommandOf<'stop-instance'>, atMs: number): void {
    this.#emit({ type: 'memory-released', atMs, instanceId })
    this.#steps.evict(modelId, reason)
  }

  /** The items that wait for a model which no longer has a place: they fail. */
  #failQueue({ modelId, message }: CommandOf<'fail-queue'>, nowMs: number): void {
    const all = {
      modelId,
      maxCount: Number.POSITIVE_INFINITY,
      order: plainOrder,
      leaseMs: Number.POSITIVE_INFINITY,
    }
    const { token, items } = this.#graph.claim(all, nowMs)
    const error = { code: 'NEVER_FITS', message }
    const failed = ({ id }: ClaimedItem): Outcome => ({
      ...{ type: 'fail', id, error, retryable: false },
      retryAtMs: nowMs,
    })
    this.#graph.finish(token, items.map(failed), nowMs)
    this.#usage.of(modelId).failedCount += items.length
  }

  #claim(command: CommandOf<'run-batch'>, maxBatchSize: number, nowMs: number): Claim {
    const { batchId, modelId, order } = command
    const maxCount = Math.min(command.maxCount, maxBatchSize)
    const claim = this.#graph.claim({ modelId, maxCount, order, leaseMs: Number.POSITIVE_INFINITY }, nowMs)
    this.#emit({
      type: 'batch-claimed',
      atMs: nowMs,
      batchId,
      itemCount: claim.items.length,
      countByTenant: countByTenant(claim.items),
    })
    return claim
  }

  #start(command: CommandOf<'run-batch'>, claim: Claim, passedOver: readonly ModelId[]): NextBatch {
    const { modelId, batchId, reason } = command
    const { token, items } = claim
    const steps = this.#steps.before(modelId)
    for (const each of steps.evictions) this.#modelStates.markUnloaded(each)
    for (const each of steps.loads) this.#modelStates.markLoaded(each)
    this.#modelStates.markUsed(modelId)
    this.#running.start({
      id: batchId,
      token,
      modelId,
      usage: this.#usage.batchStarted(modelId, steps.evictions),
      itemCount: items.length,
      openCount: items.length,
      failedCount: 0,
      startedAtMs: this.#clock(),
      isLoading: steps.loads.length > 0,
    })
    return new ReasonedBatch({ modelId, items }, steps, reason, passedOver)
  }

  /** Throws STALE_TOKEN. */
  #finish(id: ItemId, outcome: Outcome): RunningBatch {
    const batch = this.#running.of(id)
    if (!batch) {
      const message = `Item "${id}" is not running. Report each item of a batch once.`
      throw new SchedulerError('STALE_TOKEN', message, { id })
    }
    const atMs = this.#clock()
    this.#graph.finishItem(batch.token, outcome, atMs)
    if (outcome.type !== 'done') batch.failedCount++
    if (this.#running.answered(batch)) this.#end(batch, atMs)
    return batch
  }

  #end(batch: RunningBatch, atMs: number): void {
    const { id: batchId, modelId, usage, itemCount, failedCount, isLoading, startedAtMs } = batch
    const tookMs = isLoading ? runMs(modelOf(this.#state, modelId).model, itemCount) : atMs - startedAtMs
    usage.runMs += tookMs
    this.#emit({ type: 'batch-finished', atMs, batchId, failedCount, runMs: tookMs, peakBytes: null })
  }

  /** What changed since the last decision, and retries that are due. */
  #showQueues(nowMs: number): void {
    this.#graph.sweep(nowMs)
    const heads = this.#graph.queues.changedHeads()
    if (heads.length > 0) this.#emit({ type: 'queue-changed', atMs: nowMs, heads })
  }

  #emit(event: SchedulerEvent): void {
    apply(this.#state, event)
  }
}
