// What the scheduler knows: models with the heads of their queues, devices with their ledgers, instances. Only
// apply.ts writes it, decide.ts reads it. Lists are ordered by id (instances: by start), so no decision depends on the
// order in which a map was filled.

import { SchedulerError } from '../errors.ts'
import type { Model, ModelId } from '../model.ts'
import type { Policy } from '../policy.ts'
import { defaultSafetyRatio, lineBytes } from '../vram.ts'
import type { LevelHead } from '../work/queue-head.ts'
import type { BatchId, DeviceId, InstanceId } from './events.ts'
import { ModelStateManager } from './loads.ts'

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
  /** How long loads take. */
  readonly loads: ModelStateManager
  /** What waits, ready or blocked: compute, and one load of each of its models, ms; the bytes of those models. */
  readonly waiting: { workMs: number; loadMs: number; vramBytes: number }
  /** Time to clear what waits on all devices, ms: the most since the last time that it was a tenth of that. */
  readonly backlog: { peakMs: number }
  /** Those that items have named, in the order they came; '' for items of nobody in particular. */
  readonly tenants: Map<string, TenantState>
  /** Arrivals of interactive items, of any model. */
  readonly interactive: Arrivals
  /** No new work is started. */
  isDraining: boolean
  /** Numbers of the next instance and batch. */
  nextInstance: number
  nextBatch: number
}

/** Written through fairness.ts. */
export interface TenantState {
  readonly id: string
  readonly weight: number
  /** Compute and loads so far over its weight, ms. */
  servedMs: number
  readyCount: number
}

export interface ModelState {
  /** As it was declared, but with run times as they were measured. */
  model: Model
  readonly declared: Model
  /** Measured ÷ declared run time, a running average, and the batches that it is from. */
  readonly pace: { ratio: number; batchCount: number }
  /** Its place in `State.models`. */
  readonly index: number
  /** Ready items, less those that a batch is being claimed for. */
  readyCount: number
  blockedCount: number
  levels: LevelHead[]
  /** As in its queue's head. */
  latestEndAtMs: number | null
  waitsOn: readonly { modelId: ModelId; count: number }[]
  /** Ready, being claimed and blocked, as `State.waiting` counts them. */
  waitingCount: number
  waitingMs: number
  /** Compute below an item of this model, and the longest way down, ms (descendants.ts). */
  restMs: number
  rankMs: number
  /** Items that batches are being claimed for right now. */
  claimingCount: number
  /** Expected load, ms: what `State.loads` says. */
  loadMs: number
  /** What it needs by kind of device, as far as it has been seen. */
  readonly footprints: Footprint[]
  /** Batches that failed as a whole make the next ones smaller, by kind of device. */
  readonly batchLimits: BatchLimit[]
  /** Instances that are not being stopped, on any device, in the order of their start. */
  readonly instances: InstanceState[]
  /** Batches running now. */
  runningCount: number
  /** Its last load ran out of memory: the next try waits for what is on its way and for idle ones to go. */
  needsRoom: boolean
  /** Failed loads in a row, and those that left no room for a batch. */
  loadFailureCount: number
  /** No load is tried before this moment, ms. */
  coolUntilMs: number
  loadError: string | null
  readonly arrivals: Arrivals
  /** When items were last submitted, ms; null: never. */
  submittedAtMs: number | null
}

/** Last moment at which items became ready, and the mean gap between such moments, ms; null: not known. */
export interface Arrivals {
  lastAtMs: number | null
  gapMs: number | null
}

/** What was seen of a model on one kind of device. Written through learning.ts. */
export interface Footprint {
  /** Of device: the same weights need other bytes on a GPU than in RAM. */
  readonly kind: string
  /** Upper expectile of what instances held while they ran nothing, bytes, and the instances that it is from. */
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
  /** Items of the largest one that was seen: one of more needs more. */
  seenCount: number
  /** Upper expectile of their peaks. */
  bytes: number
  /** Peaks that it is from. */
  batchCount: number
}

/** After batches that ran out of memory or took their instance with them: the largest that is tried, and what led there. */
export interface BatchLimit {
  readonly kind: string
  /** False: the instance ended, hung or broke the contract for a reason that is not known. */
  isForMemory: boolean
  itemCount: number
  /** Batches of that size in a row that went well. */
  cleanCount: number
  /** The size before the first of these failures, as long as it may have been the fault of one item; null: it was not. */
  beforeCount: number | null
}

export interface DeviceState {
  readonly id: DeviceId
  readonly kind: string
  readonly safetyRatio: number
  /** Some model is pinned. */
  readonly hasPins: boolean
  capacityBytes: number
  foreignBytes: number
  /** The last reading, where it could not tell who holds what; else null. */
  unattributed: { usedBytes: number; foreignBytes: number } | null
  /** What may be promised: the line (vram.ts) less foreign use, 0 or more. */
  budgetBytes: number
  /** Held by our instances beyond what is booked for them, as far as there is no room to book it. */
  deficitBytes: number
  /** Why nothing new is put on it, in words; null: it is well. */
  fault: string | null
  /** When it was last read, ms; null: it is only declared, and is believed. */
  observedAtMs: number | null
  /** Unloads in a row that left something behind, and how much in all; and foreign use before the load of those instances
   * whose unload has not been looked at. */
  readonly leak: { count: number; bytes: number; readonly unloads: number[] }
  /** Batches that run at once. */
  readonly slots: number
  runningCount: number
  /** Each byte is booked once; `activeBytes` is for running batches. Written through ledger.ts. */
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

export interface Ledger {
  reservedBytes: number
  residentBytes: number
  activeBytes: number
  releasingBytes: number
  quarantinedBytes: number
}

/** starting → ready → stopping → gone; ready is busy while `runningCount` > 0. */
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
  /** Most that was read while it ran nothing, after its first batch; null: never. */
  idlePeakBytes: number | null
  /** Last reading before its first batch; null: none. */
  freshBytes: number | null
  /** Last reading before its batch, and most since the batch began; null: no reading. */
  beforeBatchBytes: number | null
  batchPeakBytes: number | null
  /** Bytes of its running batches. */
  activeBytes: number
  /** What it held after its first few batches: it leaks if it holds much more later; null: not known yet. */
  settledBytes: number | null
  /** How often in a row it held more after a batch than ever before, less the times it did not; and when that was looked at. */
  readonly growth: { count: number; batchCount: number }
  /** Foreign use of its device when its load began. */
  foreignBeforeBytes: number
  /** What its worker said it held after its load; null: it did not say. */
  reportedBytes: number | null
  /** Since when it has nothing to do, ms; null: it has. */
  idleSinceMs: number | null
  /** Largest batch that the worker says it can take. */
  maxBatch: number
  runningCount: number
  /** Batches since its load, and the items left of those found at its load. */
  batchCount: number
  quotaCount: number
  /** Compute since its load, ms. */
  workMs: number
  /** When its load began, ms. */
  readonly startedAtMs: number
  /** When it was asked to stop. */
  stoppedAtMs: number
  /** What is known of why its memory does not come back, in words. */
  releaseCause: string | null
}

export interface Batch {
  readonly id: BatchId
  readonly instance: InstanceState
  readonly bytes: number
  /** Asked for until the claim is known, then given. */
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
    .map((each) => createDeviceState(each, hasPins))
  const state: State = {
    policy,
    models: modelStates,
    modelById: new Map(modelStates.map((each) => [each.model.id, each])),
    devices: deviceStates,
    deviceById: new Map(deviceStates.map((each) => [each.id, each])),
    instanceById: new Map(),
    batchById: new Map(),
    loads: new ModelStateManager(models),
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
    coolUntilMs: 0,
    loadError: null,
    arrivals: { lastAtMs: null, gapMs: null },
    submittedAtMs: null,
  }
}

function createDeviceState(
  { id, kind, capacityBytes, safetyRatio = defaultSafetyRatio, slots = 1 }: DeviceOptions,
  hasPins: boolean,
): DeviceState {
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
  const known = state.models.map((each) => each.model.id).join(', ')
  throw new SchedulerError('UNKNOWN_MODEL', `No model is called "${modelId}". Models: ${known || 'none'}.`, {
    modelId,
  })
}
