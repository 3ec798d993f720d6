// One scheduler to embed: the graph, the ledger and the policy in one object, without processes, files or
// timers. The caller runs the models: it asks for a batch, unloads and loads what the batch says, runs it,
// and reports each item. It decides as the daemon does, with the same `apply` and `decide`, over the same
// graph as the memory store.
//
//   submit ─▶ getNextBatch ─▶ (evict, load) markLoaded ─▶ run ─▶ complete or fail each item ─▶ getNextBatch …
import { admit, type InfeasibleDeadline, infeasibleDeadlines, type OpenItem } from './decide/admission.ts'
import { decide } from './decide/decide.ts'
import { SchedulerError } from './errors.ts'
import { leadTimes, type Model, type ModelId } from './model.ts'
import { defaultPolicy, type Policy } from './policy.ts'
import { apply } from './state/apply.ts'
import type { BatchId, CommandOf, Reason, SchedulerEvent } from './state/events.ts'
import { createState, modelOf, type State } from './state/state.ts'
import type { VramConfig } from './vram.ts'
import { WorkGraph } from './work/graph.ts'
import { hasEnded, type ItemId, type NewItem, type NewItemOptions, newItem } from './work/item.ts'
import { type ClaimedItem, countByTenant } from './work/lease.ts'

export interface GpuSchedulerOptions {
  vram: VramConfig
  models: readonly Model[]
  policy?: Partial<Policy>
  /** Batches that may run at once on the device. Default 1. */
  slots?: number
  /** Milliseconds since any fixed moment; ages and the wait bound are measured with it. */
  clock: () => number
}

export interface Submission {
  /** In the order of the call; those that were known too. */
  ids: ItemId[]
  /** Items of the call that will be late whatever comes first. They are added and run like any other. */
  infeasibleDeadlines: InfeasibleDeadline[]
}

export interface NextBatch {
  modelId: ModelId
  items: ClaimedItem[]
  /** Models to unload before, and to load before this batch, in this order; their memory is booked
   * already. */
  evictions: ModelId[]
  loads: ModelId[]
  reason: Reason
}

interface RunningBatch {
  id: BatchId
  token: string
  startedAtMs: number
  openCount: number
  failedCount: number
}

const deviceId = 'gpu'

export class GpuScheduler {
  readonly #state: State
  readonly #graph: WorkGraph
  readonly #clock: () => number
  /** At most one for each slot. */
  readonly #running: RunningBatch[] = []

  constructor({ vram, models, policy, slots = 1, clock }: GpuSchedulerOptions) {
    const { totalBytes: capacityBytes, safetyFactor: safetyRatio } = vram
    this.#state = createState(models, [{ id: deviceId, kind: 'static', capacityBytes, safetyRatio, slots }], {
      ...defaultPolicy,
      ...policy,
    })
    this.#clock = clock
    this.#graph = new WorkGraph({ leadMs: leadTimes(models) })
  }

  /** Adds an item, or a graph of items at once. A known id changes nothing.
   * Throws UNKNOWN_MODEL, NEVER_FITS, UNKNOWN_DEPENDENCY, CYCLE; then nothing was added. */
  submit(...items: NewItemOptions[]): Submission {
    const complete: NewItem[] = items.map(newItem)
    for (const { modelId } of complete) admit(this.#state, modelId)
    const nowMs = this.#clock()
    this.#graph.submit(complete, nowMs)
    return { ids: complete.map(({ id }) => id), infeasibleDeadlines: this.#infeasible(complete, nowMs) }
  }

  #infeasible(submitted: readonly NewItem[], nowMs: number): InfeasibleDeadline[] {
    if (submitted.every(({ deadlineAtMs }) => deadlineAtMs === null)) return []
    const dated = submitted.filter(({ deadlineAtMs }) => deadlineAtMs !== null).map(({ id }) => id)
    const open = (id: ItemId): OpenItem | null => {
      const node = this.#graph.get(id)
      return node && !hasEnded(node.state) ? { ...node.item, isRunning: node.state === 'leased' } : null
    }
    const items = [...new Set(dated)].flatMap((id) => open(id) ?? [])
    return infeasibleDeadlines(this.#state, items, open, nowMs)
  }

  /** Says that something items wait for is there: an item of ours, or anything that has a name, before or
   * after the items that wait for it are submitted. */
  resolveDependency(id: ItemId, output: unknown = null): void {
    if (this.#batchOf(id)) this.complete(id, output)
    else this.#graph.resolve(id, output, this.#clock())
  }

  /** The next batch of at most `maxBatchSize` items, or null: nothing is ready, or every slot is busy. */
  getNextBatch(maxBatchSize = Number.POSITIVE_INFINITY): NextBatch | null {
    const evictions: ModelId[] = []
    const loads: ModelId[] = []
    for (;;) {
      const nowMs = this.#clock()
      this.#showQueues(nowMs)
      const { command } = decide(this.#state, nowMs)
      if (!command) return null
      this.#emit({ type: 'command-issued', atMs: nowMs, command })
      if (command.type === 'run-batch') {
        const items = this.#claim(command, maxBatchSize, nowMs)
        if (items) return { modelId: command.modelId, items, evictions, loads, reason: command.reason }
      } else if (command.type === 'start-load') {
        // The caller loads before it runs the batch; markLoaded tells how long it took.
        const { instanceId, modelId } = command
        this.#emit({
          type: 'load-finished',
          atMs: nowMs,
          instanceId,
          loadMs: null,
          residentBytes: null,
          maxBatch: null,
        })
        loads.push(modelId)
      } else if (command.type === 'stop-instance') {
        this.#emit({ type: 'memory-released', atMs: nowMs, instanceId: command.instanceId })
        evictions.push(command.modelId)
      }
    }
  }

  /** How long a load really took: later decisions count with it. */
  markLoaded(modelId: ModelId, loadMs: number): void {
    const model = modelOf(this.#state, modelId)
    this.#state.loads.markLoaded(modelId, loadMs)
    model.loadMs = this.#state.loads.estimatedLoadMs(modelId)
  }

  /** Ends an item well. Its dependents become ready. Throws STALE_TOKEN for an item that is not running. */
  complete(id: ItemId, output: unknown = null): void {
    const batch = this.#runningBatch(id)
    this.#graph.finishItem(batch.token, { type: 'done', id, output }, this.#clock())
    this.#answered(batch)
  }

  /** Ends an attempt: the item is ready again after `retryInMs` while attempts are left, else it is dead and
   * its dependents follow their edge policies. */
  fail(id: ItemId, error: Error | string, { retryable = true, retryInMs = 0 } = {}): void {
    const batch = this.#runningBatch(id)
    const message = typeof error === 'string' ? error : error.message
    const nowMs = this.#clock()
    const failure = { code: 'RUN_FAILED', message }
    const retryAtMs = nowMs + retryInMs
    this.#graph.finishItem(batch.token, { type: 'fail', id, error: failure, retryable, retryAtMs }, nowMs)
    batch.failedCount++
    this.#answered(batch)
  }

  /** Items that have not ended: blocked, ready or running. */
  totalPending(): number {
    return this.#graph.totalPending
  }

  residentModels(): ModelId[] {
    return this.#state.models.filter(({ instances }) => instances.length > 0).map(({ model }) => model.id)
  }

  #claim(command: CommandOf<'run-batch'>, maxBatchSize: number, nowMs: number): ClaimedItem[] | null {
    const { batchId, modelId, order } = command
    const maxCount = Math.min(command.maxCount, maxBatchSize)
    const { token, items } = this.#graph.claim(
      { modelId, maxCount, order, leaseMs: Number.POSITIVE_INFINITY },
      nowMs,
    )
    this.#emit({
      type: 'batch-claimed',
      atMs: nowMs,
      batchId,
      itemCount: items.length,
      countByTenant: countByTenant(items),
    })
    if (items.length === 0) return null
    const batch: RunningBatch = {
      id: batchId,
      token,
      startedAtMs: nowMs,
      openCount: items.length,
      failedCount: 0,
    }
    this.#running.push(batch)
    return items
  }

  #batchOf(id: ItemId): RunningBatch | undefined {
    return this.#running.find(({ token }) => this.#graph.holds(token, id))
  }

  /** Throws STALE_TOKEN. */
  #runningBatch(id: ItemId): RunningBatch {
    const batch = this.#batchOf(id)
    if (batch) return batch
    throw new SchedulerError(
      'STALE_TOKEN',
      `Item "${id}" is not running. Report each item of a batch once.`,
      { id },
    )
  }

  #answered(batch: RunningBatch): void {
    if (--batch.openCount === 0) {
      this.#running.splice(this.#running.indexOf(batch), 1)
      const atMs = this.#clock()
      const { id: batchId, failedCount, startedAtMs } = batch
      this.#emit({
        type: 'batch-finished',
        atMs,
        batchId,
        failedCount,
        runMs: atMs - startedAtMs,
        peakBytes: null,
      })
    }
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
