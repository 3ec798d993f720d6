// What the scheduler knows: models with the heads of their queues, devices with their ledgers, instances and
// batches. Only apply.ts writes it, directly or through the files of this folder; decide/ reads it. Lists are
// ordered by id (instances by their start), so that no decision depends on the order in which a map was
// filled.

import { SchedulerError } from '../errors.ts'
import { type Model, type ModelId, unknownModel } from '../model.ts'
import type { Policy } from '../policy.ts'
import { defaultSafetyRatio, lineBytes } from '../vram.ts'
import type { LevelHead } from '../work/queue-head.ts'
import type { BatchId, DeviceId, InstanceId } from './events.ts'
import { LoadTimes } from './loads.ts'

export interface State {
  readonly policy: Policy
  /** By id. */
  readonly models: ModelState[]
  readonly modelById: Map<ModelId, ModelState>
  /** By id. */
  readonly devices: DeviceState[]
  readonly deviceById: Map<DeviceId, DeviceState>
  readonly instanceById: Map<InstanceId, InstanceState>
  readonly batchById: Map<BatchId, Batch>
  /** How long the loads of each model take. */
  readonly loads: LoadTimes
  /** What all items that wait, ready or blocked, add up to: their compute, ms; one load of each of their
   * models, ms; the bytes of these models. */
  readonly waiting: { workMs: number; loadMs: number; vramBytes: number }
  /** Time to clear what waits on all devices, ms: the peak since it was last down to a tenth of its peak. */
  readonly backlog: { peakMs: number }
  /** Tenants that items have named, in the order they came. The id is empty for items that name none. */
  readonly tenants: Map<string, TenantState>
  /** Arrivals of interactive items of any model. */
  readonly interactive: Arrivals
  /** No new work is started. */
  isDraining: boolean
  /** Numbers of the next instance and of the next batch. */
  nextInstance: number
  nextBatch: number
}

/** For whom items are. Written through fairness.ts. */
export interface TenantState {
  readonly id: string
  readonly weight: number
  /** Compute and loads that the tenant has had, divided by its weight, ms. */
  servedMs: number
  readyCount: number
}

/** A model, the head of its queue, and what was learned of it. */
export interface ModelState {
  /** As it was declared, but with run times as they were measured. */
  model: Model
  readonly declared: Model
  /** Measured ÷ declared run time as a running average, and the batches that it is from. */
  readonly pace: { ratio: number; batchCount: number }
  /** Its place in `State.models`. */
  readonly index: number
  /** Ready items, less those that a batch is being claimed for. */
  readyCount: number
  /** Items that wait for other items or for a moment. */
  blockedCount: number
  /** The ready items by priority and tenant, highest priority first. */
  levels: LevelHead[]
  /** When the most urgent ready item must have ended, ms, as in the queue's head; null: none has a deadline
   * ahead. */
  latestEndAtMs: number | null
  /** Models whose items the blocked ones wait for, with the number of open dependencies. */
  waitsOn: readonly { modelId: ModelId; count: number }[]
  /** What the model adds to `State.waiting`: items ready, being claimed and blocked, and their compute,
   * ms. */
  waitingCount: number
  waitingMs: number
  /** Compute below an item of this model until its job ends, and the longest way down, ms
   * (descendants.ts). */
  restMs: number
  rankMs: number
  /** Items that batches are being claimed for right now. */
  claimingCount: number
  /** Expected time of a load, ms: what `State.loads` says. */
  loadMs: number
  /** The memory it needs, by kind of device, as far as it has been seen. */
  readonly footprints: Footprint[]
  /** How large its batches may be after failures, by kind of device (batch-limit.ts). */
  readonly batchLimits: BatchLimit[]
  /** Instances that are not being stopped, on any device, in the order of their start. */
  readonly instances: InstanceState[]
  /** Batches running now. */
  runningCount: number
  /** Its last load ran out of memory. The next try waits until idle instances have gone and their bytes are
   * back. */
  needsRoom: boolean
  /** Loads in a row that failed, or that left no room for a batch. */
  loadFailureCount: number
  /** The last one failed for good: another would fail alike. */
  isBroken: boolean
  /** The cooldown: no load is tried before this moment, ms. */
  coolUntilMs: number
  /** Why the last load failed, in words; null: it did not. */
  loadError: string | null
  /** When its items became ready. */
  readonly arrivals: Arrivals
  /** When items were last submitted, ms; null: never. */
  submittedAtMs: number | null
}

/** The last moment at which items became ready, and the mean gap between such moments, ms; null: not
 * known. */
export interface Arrivals {
  lastAtMs: number | null
  gapMs: number | null
}

/** What was seen of a model on one kind of device. Written through learning.ts. */
export interface Footprint {
  /** Of device: the same weights need other bytes on a GPU than in RAM. */
  readonly kind: string
  /** Upper expectile of what instances held while they ran nothing, bytes, and the instances that it is
   * from. */
  residentBytes: number
  residentCount: number
  /** The same during loads; 0: never more than resident. */
  loadingBytes: number
  /** By batch size, smallest first. */
  readonly active: ActiveFootprint[]
  /** How wrong the books were: mean of |booked − held| ÷ held at the first reading of each instance. */
  errorRatio: number
}

/** What batches of one size held on top of their instance. Sizes are powers of two. */
export interface ActiveFootprint {
  /** The size: batches of more than half as many items, up to so many. */
  readonly itemCount: number
  /** Items of the largest batch that was seen of this size. */
  seenCount: number
  /** Upper expectile of their peaks. */
  bytes: number
  /** Peaks that it is from. */
  batchCount: number
}

/** The largest batch that is tried after batches that failed as a whole, and what led to it. Written through
 * batch-limit.ts. */
export interface BatchLimit {
  /** Of device. */
  readonly kind: string
  /** Some of these batches ran out of memory. False: the instance ended, hung or broke the contract, nobody
   * knows why. */
  isForMemory: boolean
  /** The limit. */
  itemCount: number
  /** Batches of that size in a row that went well. */
  cleanCount: number
  /** The limit before the first of these failures, while one item may be to blame for them; null: none is. */
  beforeCount: number | null
}

/** A device, what it holds, and what was last read of it. */
export interface DeviceState {
  readonly id: DeviceId
  readonly kind: string
  /** Share of the capacity that may be promised, above 0 to 1. */
  readonly safetyRatio: number
  /** Some model of the state is pinned, so that what is pinned must be counted. */
  readonly hasPins: boolean
  /** All of its memory, and what of it processes hold that are not ours; as of the last reading. */
  capacityBytes: number
  foreignBytes: number
  /** The last reading, where it could not tell who holds what; else null. */
  unattributed: { usedBytes: number; foreignBytes: number } | null
  /** What may be promised: the line (vram.ts) less foreign use, 0 or more. */
  budgetBytes: number
  /** Held by our instances beyond what is booked for them, as far as there is no room to book it. */
  deficitBytes: number
  /** Why nothing new is put on it, in words; null: the device is well. */
  fault: string | null
  /** When it was last read, ms; null: never, it is only declared, and is believed. */
  observedAtMs: number | null
  /** Unloads in a row that left something behind, and how much in all. `unloads`: foreign use before the load
   * of each instance whose unload has not been checked yet. */
  readonly leak: { count: number; bytes: number; readonly unloads: number[] }
  /** Batches that run on it at once. */
  readonly slots: number
  /** Batches running now. */
  runningCount: number
  /** What is booked. Written through ledger.ts. */
  readonly ledger: Ledger
  /** All that are not gone, in the order of their start. */
  readonly instances: InstanceState[]
  /** The load in flight. */
  loading: InstanceState | null
  /** The model that victims are being stopped for. Its load comes next. */
  nextLoad: ModelId | null
  /** Interactive batches in a row. */
  interactiveStreak: number
}

/** Promised bytes of a device. Each byte is booked in one account only. */
export interface Ledger {
  /** For the load in flight. */
  reservedBytes: number
  /** For loaded instances. */
  residentBytes: number
  /** For running batches. */
  activeBytes: number
  /** For instances that are being stopped. */
  releasingBytes: number
  /** For stopped instances whose bytes did not come back in time. */
  quarantinedBytes: number
}

/** One running process of a model. A ready instance is busy while `runningCount` > 0.
 *
 *    starting ──▶ ready ──▶ stopping ──▶ gone
 *        └───────────────────▶ └──▶ quarantined ──▶ gone */
export interface InstanceState {
  readonly id: InstanceId
  readonly model: ModelState
  readonly device: DeviceState
  phase: 'starting' | 'ready' | 'stopping' | 'quarantined'
  /** Booked for it besides its batches. */
  bytes: number
  /** Last reading of what it really holds; null: not measured. */
  measuredBytes: number | null
  /** Its part of the device's deficit. */
  deficitBytes: number
  /** The most that was read while it ran nothing, after its first batch; null: no reading. */
  idlePeakBytes: number | null
  /** The last reading before its first batch; null: no reading. */
  freshBytes: number | null
  /** The last reading before its present batch, and the highest since the batch began; null: no reading. */
  beforeBatchBytes: number | null
  batchPeakBytes: number | null
  /** Bytes of its running batches. */
  activeBytes: number
  /** What it held after its first few batches; null: not known yet. It leaks if it holds much more later. */
  settledBytes: number | null
  /** Batches after which it held more than ever before, less those after which it did not; and its batches
   * when that was last checked. */
  readonly growth: { count: number; batchCount: number }
  /** Foreign use of its device when its load began. */
  foreignBeforeBytes: number
  /** What its worker said it held after its load; null: the worker did not say. */
  reportedBytes: number | null
  /** Since when it has had nothing to do, ms; null: it has something to do. */
  idleSinceMs: number | null
  /** The largest batch that its worker says it can take. */
  maxBatch: number
  /** Batches running now. */
  runningCount: number
  /** Batches since its load, and the items left of those found at its load. */
  batchCount: number
  quotaCount: number
  /** Its compute since its load, ms. */
  workMs: number
  /** When its load began, ms. */
  readonly startedAtMs: number
  /** When it was asked to stop, ms; 0: it was not. */
  stoppedAtMs: number
  /** Why its memory does not come back, in words, as far as that is known. */
  releaseCause: string | null
}

/** A batch that runs, or whose items are being claimed. */
export interface Batch {
  readonly id: BatchId
  readonly instance: InstanceState
  /** Booked for it. */
  readonly bytes: number
  /** Items that it asks for; once it is claimed, items that it was given. */
  itemCount: number
  isClaimed: boolean
}

export interface DeviceOptions {
  id: DeviceId
  kind: string
  capacityBytes: number
  /** Above 0 to 1. Default `defaultSafetyRatio`, 0.9. */
  safetyRatio?: number
  /** Default 1. */
  slots?: number
}

/** The device of models that need no device memory: no budget, no limit but each model's `concurrency`. */
export const cpuDeviceId: DeviceId = 'cpu'

/** A state in which nothing is loaded and nothing waits. Throws BAD_VALUE for two of one name. */
export function createState(
  models: readonly Model[],
  devices: readonly DeviceOptions[],
  policy: Policy,
): State {
  const modelStates = [...models].sort((a, b) => (a.id < b.id ? -1 : 1)).map(createModelState)
  const cpu = { id: cpuDeviceId, kind: 'cpu', capacityBytes: 0, slots: Number.POSITIVE_INFINITY }
  const hasPins = models.some(({ isPinned }) => isPinned)
  const needsCpu = models.some(({ vramBytes }) => vramBytes === 0)
  const deviceStates = [...devices, ...(needsCpu ? [cpu] : [])]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((each) => createDeviceState({ ...each, hasPins }))
  const state: State = {
    policy,
    models: modelStates,
    modelById: new Map(modelStates.map((each) => [each.model.id, each])),
    devices: deviceStates,
    deviceById: new Map(deviceStates.map((each) => [each.id, each])),
    instanceById: new Map(),
    batchById: new Map(),
    loads: new LoadTimes(models),
    waiting: { workMs: 0, loadMs: 0, vramBytes: 0 },
    backlog: { peakMs: 0 },
    tenants: new Map(),
    interactive: { lastAtMs: null, gapMs: null },
    isDraining: false,
    nextInstance: 1,
    nextBatch: 1,
  }
  if (state.modelById.size < models.length || state.deviceById.size < deviceStates.length) {
    throw new SchedulerError(
      'BAD_VALUE',
      `Two models or two devices have one name; "${cpuDeviceId}" is taken by us.`,
    )
  }
  return state
}

function createModelState(model: Model, index: number): ModelState {
  return {
    model,
    declared: model,
    pace: { ratio: 1, batchCount: 0 },
    index,
    readyCount: 0,
    blockedCount: 0,
    levels: [],
    latestEndAtMs: null,
    waitsOn: [],
    waitingCount: 0,
    waitingMs: 0,
    restMs: 0,
    rankMs: 0,
    claimingCount: 0,
    loadMs: model.loadMs,
    footprints: [],
    batchLimits: [],
    instances: [],
    runningCount: 0,
    needsRoom: false,
    loadFailureCount: 0,
    isBroken: false,
    coolUntilMs: 0,
    loadError: null,
    arrivals: { lastAtMs: null, gapMs: null },
    submittedAtMs: null,
  }
}

function createDeviceState({
  id,
  kind,
  capacityBytes,
  safetyRatio = defaultSafetyRatio,
  slots = 1,
  hasPins,
}: DeviceOptions & { hasPins: boolean }): DeviceState {
  return {
    id,
    kind,
    safetyRatio,
    hasPins,
    capacityBytes,
    foreignBytes: 0,
    unattributed: null,
    budgetBytes: lineBytes({ capacityBytes, safetyRatio }),
    deficitBytes: 0,
    fault: null,
    observedAtMs: null,
    leak: { count: 0, bytes: 0, unloads: [] },
    slots,
    runningCount: 0,
    ledger: { reservedBytes: 0, residentBytes: 0, activeBytes: 0, releasingBytes: 0, quarantinedBytes: 0 },
    instances: [],
    loading: null,
    nextLoad: null,
    interactiveStreak: 0,
  }
}

/** Throws UNKNOWN_MODEL. */
export function modelOf(state: State, modelId: ModelId): ModelState {
  const model = state.modelById.get(modelId)
  if (model) return model
  throw unknownModel(modelId, state.modelById.keys())
}
