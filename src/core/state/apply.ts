// The only writer of state: one small function for each kind of event. It records facts and judges nothing.
// An event about something that is already gone changes nothing, since messages may come late or twice.

import { averaged } from '../average.ts'
import type { LevelHead } from '../work/queue-head.ts'
import { batchClaimed, batchFinished, batchStarted, recordIdle } from './batches.ts'
import { updateDescendants } from './descendants.ts'
import { clearMs } from './estimates.ts'
import type { Command, CommandOf, EventOf, InstanceId, SchedulerEvent } from './events.ts'
import { chargeLoad, recordTenants } from './fairness.ts'
import { restingBytes } from './footprint.ts'
import { settleResident } from './learning.ts'
import * as ledger from './ledger.ts'
import { observe, recountForeign } from './observe.ts'
import { type Arrivals, type InstanceState, type ModelState, modelOf, type State } from './state.ts'

/** Longest pause after failed loads, ms. Chosen, not measured. */
const maxCooldownMs = 300_000

/** Changes the state by one event. Cost: O(models of the event), and O(models + edges) where items wait for
 * each other. */
export function apply(state: State, event: SchedulerEvent): void {
  const handler = handlers[event.type] as (state: State, event: SchedulerEvent) => void
  handler(state, event)
}

const handlers: { [Type in SchedulerEvent['type']]: (state: State, event: EventOf<Type>) => void } = {
  'queue-changed': queueChanged,
  'command-issued': commandIssued,
  'batch-claimed': batchClaimed,
  'batch-finished': batchFinished,
  'load-finished': loadFinished,
  'load-failed': loadFailed,
  'instance-failed': instanceFailed,
  'memory-observed': observe,
  'memory-released': memoryReleased,
  'release-delayed': (state, { instanceId, cause }) => {
    const instance = state.instanceById.get(instanceId)
    if (instance) instance.releaseCause = cause
  },
  'drain-started': (state) => {
    state.isDraining = true
  },
  'timer-fired': () => {},
}

/** New heads of queues: what is ready and blocked, who waits for whom, and arrivals. */
function queueChanged(state: State, { heads, atMs }: EventOf<'queue-changed'>): void {
  let hasEdges = false
  for (const head of heads) {
    const model = state.modelById.get(head.modelId)
    if (!model) continue
    if (head.readyCount > model.readyCount + model.claimingCount) recordArrival(model.arrivals, atMs)
    if (head.readyCount + head.blockedCount > model.readyCount + model.claimingCount + model.blockedCount)
      model.submittedAtMs = atMs
    const interactiveCount = countFrom(head.levels, state.policy.interactiveFrom)
    if (interactiveCount > countFrom(model.levels, state.policy.interactiveFrom))
      recordArrival(state.interactive, atMs)
    model.readyCount = Math.max(0, head.readyCount - model.claimingCount)
    model.blockedCount = head.blockedCount
    recordTenants(state, model.levels, head.levels)
    model.levels = head.levels
    model.latestEndAtMs = head.latestEndAtMs
    hasEdges ||= model.waitsOn.length > 0 || head.waitsOn.length > 0
    model.waitsOn = head.waitsOn
    recordWaiting(state, model)
    recordIdle(model, atMs)
  }
  if (hasEdges) updateDescendants(state)
  recordBacklog(state)
}

/** Adds the change of a model's queue to the sums. Its pace may have been learned meanwhile, so what it added
 * is kept. */
function recordWaiting({ waiting }: State, each: ModelState): void {
  const { model, declared, readyCount, claimingCount, blockedCount, waitingCount } = each
  const count = readyCount + claimingCount + blockedCount
  const workMs = clearMs(model, count)
  waiting.workMs += workMs - each.waitingMs
  const change = Math.sign(count) - Math.sign(waitingCount)
  waiting.loadMs += change * declared.loadMs
  waiting.vramBytes += change * declared.vramBytes
  each.waitingCount = count
  each.waitingMs = workMs
}

/** The peak is kept while an overload lasts: until a tenth of it is left. */
function recordBacklog({ waiting, backlog, devices }: State): void {
  let slots = 0
  let memoryLanes = 0
  for (const device of devices) {
    if (!Number.isFinite(device.slots)) continue
    slots += device.slots
    memoryLanes++
  }
  const ms = Math.max(waiting.workMs / Math.max(1, slots), waiting.loadMs / Math.max(1, memoryLanes))
  if (ms > backlog.peakMs || ms < backlog.peakMs / 10) backlog.peakMs = ms
}

/** Moments closer than a millisecond are one arrival. */
function recordArrival(arrivals: Arrivals, atMs: number): void {
  const { lastAtMs, gapMs } = arrivals
  if (lastAtMs !== null) {
    const observedMs = atMs - lastAtMs
    if (observedMs < 1) return
    arrivals.gapMs = gapMs === null ? observedMs : averaged(gapMs, 1, observedMs)
  }
  arrivals.lastAtMs = atMs
}

/** Ready items of at least a priority. */
function countFrom(levels: readonly LevelHead[], leastPriority: number): number {
  let sum = 0
  for (const { priority, count } of levels) if (priority >= leastPriority) sum += count
  return sum
}

function commandIssued(state: State, { command, atMs }: EventOf<'command-issued'>): void {
  const book = bookings[command.type] as (state: State, command: Command, atMs: number) => void
  book(state, command, atMs)
}

const bookings: {
  [Type in Command['type']]: (state: State, command: CommandOf<Type>, atMs: number) => void
} = {
  'start-load': loadStarted,
  'run-batch': batchStarted,
  'stop-instance': (state, { instanceId, makeRoomFor, reason }, atMs) => {
    const instance = state.instanceById.get(instanceId)
    if (!instance) return
    startRelease(instance, atMs)
    if (makeRoomFor !== null) instance.device.nextLoad = makeRoomFor
    else if (reason.rule === 'no-room' && instance.batchCount === 0)
      recordFailure(state, instance.model, atMs, `there was no room for a batch on ${instance.device.id}`)
  },
  quarantine: (state, { instanceId }) => {
    const instance = state.instanceById.get(instanceId)
    if (instance?.phase !== 'stopping') return
    ledger.quarantine(instance)
    instance.phase = 'quarantined'
  },
  'fail-queue': (state, { modelId }) => {
    modelOf(state, modelId).readyCount = 0
  },
}

/** A command to load was issued: books its bytes. */
function loadStarted(
  state: State,
  { instanceId, modelId, deviceId, bytes }: CommandOf<'start-load'>,
  atMs: number,
): void {
  const model = modelOf(state, modelId)
  const device = state.deviceById.get(deviceId)!
  ledger.reserve(device, bytes)
  const instance = newInstance(instanceId, { model, device, bytes, startedAtMs: atMs })
  state.nextInstance++
  state.instanceById.set(instanceId, instance)
  device.instances.push(instance)
  model.instances.push(instance)
  if (bytes > 0) {
    device.loading = instance
    chargeLoad(state, model)
  }
  device.nextLoad = null
}

type Start = Pick<InstanceState, 'model' | 'device' | 'bytes' | 'startedAtMs'>

/** An instance at the start of its load: nothing has been read of it, and it has run nothing. */
function newInstance(id: InstanceId, { model, device, bytes, startedAtMs }: Start): InstanceState {
  return {
    id,
    model,
    device,
    phase: 'starting',
    bytes,
    activeBytes: 0,
    measuredBytes: null,
    deficitBytes: 0,
    idlePeakBytes: null,
    freshBytes: null,
    beforeBatchBytes: null,
    batchPeakBytes: null,
    settledBytes: null,
    growth: { count: 0, batchCount: 0 },
    foreignBeforeBytes: device.foreignBytes,
    reportedBytes: null,
    idleSinceMs: null,
    maxBatch: model.model.batch.max,
    runningCount: 0,
    batchCount: 0,
    quotaCount: 0,
    workMs: 0,
    startedAtMs,
    stoppedAtMs: 0,
    releaseCause: null,
  }
}

/** The worker is ready: what was booked for its load becomes resident, and its visit begins. */
function loadFinished(state: State, event: EventOf<'load-finished'>): void {
  const instance = state.instanceById.get(event.instanceId)
  if (instance?.phase !== 'starting') return
  const { model, device } = instance
  ledger.settle(instance)
  instance.phase = 'ready'
  if (instance.measuredBytes === null) ledger.resize(instance, restingBytes(instance, 0))
  instance.maxBatch = Math.min(model.model.batch.max, event.maxBatch ?? model.model.batch.max)
  instance.reportedBytes = event.residentBytes
  instance.quotaCount = Math.ceil(model.readyCount / model.instances.length)
  if (device.loading === instance) device.loading = null
  if (event.loadMs !== null) state.loads.markLoaded(model.model.id, event.loadMs)
  model.loadMs = state.loads.estimatedLoadMs(model.model.id)
  model.needsRoom = false
  model.isBroken = false
  recordIdle(model, event.atMs)
}

/** A load that ran out of memory is tried once more, after idle instances have gone and their bytes are
 * back; one that failed for good is not tried again. */
function loadFailed(
  state: State,
  { instanceId, atMs, message, isOutOfMemory = false, isFinal = false }: EventOf<'load-failed'>,
): void {
  const instance = state.instanceById.get(instanceId)
  if (instance?.phase !== 'starting') return
  const { model } = instance
  startRelease(instance, atMs)
  const mayTryAgain = isOutOfMemory && !model.needsRoom
  model.needsRoom = mayTryAgain
  model.isBroken = isFinal && !isOutOfMemory
  if (mayTryAgain) model.loadError = message
  else recordFailure(state, model, atMs, message)
}

/** Each failure doubles the cooldown, until a batch of the model runs: a load that leaves no room for a batch
 * is no better than one that fails. */
function recordFailure({ policy }: State, model: ModelState, atMs: number, message: string): void {
  model.loadError = message
  model.coolUntilMs = atMs + Math.min(maxCooldownMs, policy.loadCooldown * 2 ** model.loadFailureCount)
  model.loadFailureCount++
}

/** An instance ended by itself. */
function instanceFailed(state: State, { instanceId, atMs }: EventOf<'instance-failed'>): void {
  const instance = state.instanceById.get(instanceId)
  if (instance) startRelease(instance, atMs)
}

/** The bytes of an instance are on their way back. It takes no new work. */
function startRelease(instance: InstanceState, atMs: number): void {
  if (instance.phase !== 'starting' && instance.phase !== 'ready') return
  ledger.startRelease(instance)
  if (instance.phase === 'ready') settleResident(instance)
  instance.phase = 'stopping'
  instance.stoppedAtMs = atMs
  remove(instance.model.instances, instance)
  if (instance.device.loading === instance) instance.device.loading = null
}

/** The instance is gone, and so is all that was booked for it. Foreign use is compared at the next
 * reading. */
function memoryReleased(state: State, { instanceId }: EventOf<'memory-released'>): void {
  const instance = state.instanceById.get(instanceId)
  if (!instance) return
  if (instance.phase !== 'quarantined') startRelease(instance, 0)
  ledger.free(instance)
  instance.device.deficitBytes -= instance.deficitBytes
  if (instance.measuredBytes !== null) instance.device.leak.unloads.push(instance.foreignBeforeBytes)
  remove(instance.device.instances, instance)
  state.instanceById.delete(instanceId)
  recountForeign(instance.device)
}

function remove(list: InstanceState[], instance: InstanceState): void {
  const index = list.indexOf(instance)
  if (index >= 0) list.splice(index, 1)
}
