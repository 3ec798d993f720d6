// The policy: facts in, one command out. It answers the same for the same state and leaves the state
// untouched. The loop carries out the command and asks again, until the answer is null. The rules, in their
// order:
//
//  (1) Memory of a stopped instance that has not come back within `releaseTimeout` is quarantined.
//  (2) The items that wait for a model fail if its loads failed `maxLoadFailures` times in a row, or once
//      for good, or if it needs more than any device can ever offer: as declared, as measured, or beside
//      what is pinned.
//  (3) While draining, nothing new starts.
//
// Then for each device, loads before batches, so that loads run beside compute:
//
//  (4) An instance is stopped if its device is not well or holds more than it may, if it leaks, or if it has
//      been idle too long (retirement.ts).
//  (5) The missing model that deserves the device most is loaded: by class, then by wait or worth. An idle
//      device may take a copy (placement.ts, ordering.ts). Where bytes are missing, the cheapest sufficient
//      victims are stopped, one command each (room.ts, eviction.ts). If none may go, nothing is loaded, and
//      the room is kept.
//  (6) While nothing ready is missing, the model that will be needed soonest is loaded ahead, over idle
//      models that are worth less (prefetch.ts).
//  (7) A free slot runs the resident model with the largest bill per millisecond, by class. While another
//      model waits for the device, visits that give their room back soonest are finished first; while none
//      does, jobs that are nearly done (batching.ts).
//  (8) If foreign use has left a resident model with work no room for a single item, idle instances are
//      stopped, or else that one (eviction.ts).
//
// What all devices share is read once (view.ts). Cost: O(models log models + devices + instances); the number
// of items does not matter. Figures, sources and limits: docs/policy.md.

import type { ModelId } from '../model.ts'
import type { Command, Decision, Reason, RuleId } from '../state/events.ts'
import { activeBytesOn, loadingBytesOn, needsDevice } from '../state/footprint.ts'
import type { DeviceState, InstanceState, State } from '../state/state.ts'
import { neverFitsEver } from './admission.ts'
import { type BatchPlan, chooseBatch } from './batching.ts'
import { chooseBlockers } from './eviction.ts'
import { latestStartMs } from './ordering.ts'
import { chooseLoad } from './placement.ts'
import { chooseRetirement, idleUntilMs, type Retirement } from './retirement.ts'
import type { LoadPlan } from './room.ts'
import { areLoadsHopeless, View } from './view.ts'

/** The next command, or, if there is none, the moment at which to ask again. */
export function decide(state: State, nowMs: number): Decision {
  const command =
    overdueRelease(state, nowMs) ?? hopelessQueue(state) ?? (state.isDraining ? null : nextWork(state, nowMs))
  if (command) return { command, passedOver: passedOver(state, command.modelId) }
  return { command: null, wakeAtMs: wakeAtMs(state, nowMs) }
}

/** (1) */
function overdueRelease(state: State, nowMs: number): Command | null {
  for (const device of state.devices) {
    for (const instance of device.instances) {
      const lateMs = nowMs - instance.stoppedAtMs - state.policy.releaseTimeout
      if (instance.phase !== 'stopping' || lateMs < 0) continue
      const reason = because('release-overdue', { lateMs, bytes: instance.bytes })
      return { type: 'quarantine', ...namesOf(instance), bytes: instance.bytes, reason }
    }
  }
  return null
}

/** (2) */
function hopelessQueue(state: State): Command | null {
  for (const each of state.models) {
    const { model, readyCount, loadFailureCount, isBroken, loadError, instances } = each
    if (readyCount === 0 || instances.length > 0) continue
    if (areLoadsHopeless(state, each)) {
      const reason = isBroken ? because('cannot-load', {}) : because('loads-failed', { loadFailureCount })
      return { type: 'fail-queue', modelId: model.id, message: loadError ?? 'unknown', reason }
    }
    const excess = needsDevice(each) ? neverFitsEver(state, each) : null
    if (excess) {
      const reason = because('never-fits', {})
      return { type: 'fail-queue', modelId: model.id, message: excess.message, reason }
    }
  }
  return null
}

/** (4) to (8) */
function nextWork(state: State, nowMs: number): Command | null {
  const view = new View(state, nowMs)
  for (const device of state.devices) {
    const retirement = chooseRetirement(view, device)
    if (retirement) return retirementCommand(retirement)
    if (device.fault !== null) continue
    const load = chooseLoad(view, device)
    if (load && load.step !== 'wait') return loadCommand(state, device, load)
    const batch = chooseBatch(view, device)
    if (batch) return batchCommand(state, batch)
    const blockers = chooseBlockers(view, device)
    if (blockers) return unblockCommand(blockers)
  }
  return null
}

function retirementCommand({ instance, rule, figures }: Retirement): Command {
  return { type: 'stop-instance', ...namesOf(instance), makeRoomFor: null, reason: because(rule, figures) }
}

function loadCommand(state: State, device: DeviceState, load: LoadPlan): Command {
  const { model, rule, worth } = load
  if (load.step === 'stop') {
    const { victim } = load
    const reason = because('make-room', {
      worth,
      victimBytes: victim.bytes,
      neededBytes: loadingBytesOn(model, device),
    })
    return { type: 'stop-instance', ...namesOf(victim), makeRoomFor: model.model.id, reason }
  }
  return {
    type: 'start-load',
    instanceId: `${model.model.id}-${state.nextInstance}`,
    modelId: model.model.id,
    deviceId: device.id,
    bytes: needsDevice(model) ? loadingBytesOn(model, device) : 0,
    reason: because(rule, { worth, readyCount: model.readyCount }),
  }
}

function unblockCommand({ blocked, victims }: NonNullable<ReturnType<typeof chooseBlockers>>): Command {
  const victim = victims[0]!
  const neededBytes = activeBytesOn(blocked.model, blocked.device, 1)
  const figures = { victimBytes: victim.bytes, neededBytes }
  const makeRoomFor = victim === blocked ? null : blocked.model.model.id
  return { type: 'stop-instance', ...namesOf(victim), makeRoomFor, reason: because('no-room', figures) }
}

function batchCommand(state: State, { instance, maxCount, order, rule, worth }: BatchPlan): Command {
  return {
    type: 'run-batch',
    batchId: `batch-${state.nextBatch}`,
    ...namesOf(instance),
    maxCount,
    order,
    bytes: activeBytesOn(instance.model, instance.device, maxCount),
    reason: because(rule, { worth, readyCount: instance.model.readyCount }),
  }
}

function namesOf({ id, model, device }: InstanceState) {
  return { instanceId: id, modelId: model.model.id, deviceId: device.id }
}

function because(rule: RuleId, figures: Record<string, number>): Reason {
  return { rule, figures }
}

/** Models with ready items that the command does not serve. */
function passedOver(state: State, chosen: ModelId): ModelId[] {
  const others: ModelId[] = []
  for (const { model, readyCount } of state.models)
    if (readyCount > 0 && model.id !== chosen) others.push(model.id)
  return others
}

/** The next moment at which time alone changes the answer: a release runs late, an instance has been idle too
 * long, a cooldown ends, a deadline comes near. null: there is none. */
function wakeAtMs(state: State, nowMs: number): number | null {
  let wake = Number.POSITIVE_INFINITY
  for (const { instances } of state.devices) {
    for (const instance of instances) {
      if (instance.phase === 'stopping')
        wake = Math.min(wake, instance.stoppedAtMs + state.policy.releaseTimeout)
      else if (instance.phase === 'ready' && !state.isDraining)
        wake = Math.min(wake, idleUntilMs(instance) ?? wake)
    }
  }
  for (const { coolUntilMs, readyCount } of state.models) {
    if (readyCount > 0 && coolUntilMs > nowMs) wake = Math.min(wake, coolUntilMs)
  }
  if (state.models.some(({ latestEndAtMs }) => latestEndAtMs !== null)) {
    const view = new View(state, nowMs)
    for (const model of state.models) {
      if (model.latestEndAtMs === null) continue
      const urgentAtMs = latestStartMs(model) - view.longestBatchMs
      if (urgentAtMs > nowMs) wake = Math.min(wake, urgentAtMs)
    }
  }
  return Number.isFinite(wake) ? Math.max(wake, nowMs) : null
}
