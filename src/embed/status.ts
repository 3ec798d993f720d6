// The figures of a scheduler at one moment, of all and by model: what waits and for how long, what runs, what
// is loaded, and what has been done so far.
import { waitedMs } from '../core/decide/ordering.ts'
import type { ModelId } from '../core/model.ts'
import { bookedBytes } from '../core/state/ledger.ts'
import type { DeviceState, ModelState, State } from '../core/state/state.ts'
import type { ModelStates } from './model-state.ts'

/**
 * What a scheduler says of itself at one moment.
 *
 * @public
 * @example
 * ```ts
 * const status: SchedulerStatus = new GpuScheduler().status()
 * status.usableBytes // => 14.4e9
 * status.switchCount // => 0
 * status.models.length // => 5
 * ```
 */
export interface SchedulerStatus {
  /** Items that have not ended: ready, waiting and running ones. */
  pendingCount: number
  /** Memory that may be promised, and what of it is promised to models and to running batches, bytes. */
  usableBytes: number
  bookedBytes: number
  /** The model of the last batch, if it is still loaded; else null. */
  currentModel: ModelId | null
  /** Batches that were of another model than the batch before. */
  switchCount: number
  /** By model id; every model of the scheduler is there. */
  models: ModelStatus[]
}

/**
 * A model's part of a scheduler's status. Counts and times are since the scheduler was made.
 *
 * @public
 * @example
 * ```ts
 * let nowMs = 0
 * const scheduler = new GpuScheduler({ clock: () => nowMs })
 * scheduler.submit({ id: 'a', modelId: 'CLAP' })
 * nowMs = 3000
 * const status: ModelStatus = scheduler.status().models.find(({ modelId }) => modelId === 'CLAP')!
 * status.readyCount // => 1
 * status.longestWaitMs // => 3000
 * ```
 */
export interface ModelStatus {
  modelId: ModelId
  /** Items that could run now. */
  readyCount: number
  /** Items that wait for other items, or for the moment of their next attempt. */
  waitingCount: number
  runningCount: number
  /** How long the ready items have been ready, at most, and how long ago they were submitted, in the mean,
   * ms. 0: none is ready. */
  longestWaitMs: number
  meanWaitMs: number
  isResident: boolean
  /** Promised to the model and to its batches, bytes. */
  bookedBytes: number
  loadCount: number
  evictionCount: number
  batchCount: number
  doneCount: number
  /** Attempts that failed. */
  failedCount: number
  /** Time in batches, without loads that were reported with `markLoaded`, ms. */
  runMs: number
}

/** What has been done with a model. */
export type Usage = Pick<ModelStatus, 'evictionCount' | 'batchCount' | 'doneCount' | 'failedCount' | 'runMs'>

/** What has been done so far, by model. */
export class UsageByModel {
  switchCount = 0
  readonly #byModel: ReadonlyMap<ModelId, Usage>
  #lastModel: ModelId | null = null

  constructor(modelIds: Iterable<ModelId>) {
    const unused = () => ({ evictionCount: 0, batchCount: 0, doneCount: 0, failedCount: 0, runMs: 0 })
    this.#byModel = new Map([...modelIds].map((id) => [id, unused()]))
  }

  of(modelId: ModelId): Usage {
    return this.#byModel.get(modelId)!
  }

  /** Answers with the model's own. */
  batchStarted(modelId: ModelId, evictions: readonly ModelId[]): Usage {
    for (const each of evictions) this.of(each).evictionCount++
    if (this.#lastModel !== null && this.#lastModel !== modelId) this.switchCount++
    this.#lastModel = modelId
    const usage = this.of(modelId)
    usage.batchCount++
    return usage
  }
}

/** What a status is made of. */
interface Sources {
  state: State
  device: DeviceState
  modelStates: ModelStates
  usage: UsageByModel
  /** Items that run, by model. */
  runningCounts: ReadonlyMap<ModelId, number>
  pendingCount: number
}

export function statusOf(sources: Sources, nowMs: number): SchedulerStatus {
  const { state, device, modelStates, usage, pendingCount } = sources
  return {
    pendingCount,
    usableBytes: device.budgetBytes,
    bookedBytes: bookedBytes(device.ledger),
    currentModel: modelStates.currentModel,
    switchCount: usage.switchCount,
    models: state.models.map((each) => modelStatus(each, sources, nowMs)),
  }
}

function modelStatus(each: ModelState, { modelStates, usage, runningCounts }: Sources, nowMs: number) {
  const modelId = each.model.id
  return {
    modelId,
    readyCount: each.readyCount,
    waitingCount: each.blockedCount,
    runningCount: runningCounts.get(modelId) ?? 0,
    longestWaitMs: each.readyCount === 0 ? 0 : waitedMs(each, nowMs),
    meanWaitMs: meanWaitMs(each, nowMs),
    isResident: modelStates.isResident(modelId),
    bookedBytes: each.instances.reduce((sum, { bytes, activeBytes }) => sum + bytes + activeBytes, 0),
    loadCount: modelStates.loadCount(modelId),
    ...usage.of(modelId),
  }
}

function meanWaitMs({ levels }: ModelState, nowMs: number): number {
  let count = 0
  let sumMs = 0
  for (const level of levels) {
    count += level.count
    sumMs += level.count * (nowMs - level.submittedMeanMs)
  }
  return count === 0 ? 0 : Math.round(sumMs / count)
}
