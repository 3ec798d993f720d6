// Which model a device should load next, and what it must give up for it. One load is in flight per device; it runs
// beside the batches of the models that stay. Victims are stopped first, one command each; the device then remembers
// whom it makes room for (`nextLoad`), so that bytes on their way back are never promised twice.
import { clearMs } from '../state/estimates.ts'
import type { RuleId } from '../state/events.ts'
import {
  activeBytesOn,
  leastBytesOn,
  loadingBytesOn,
  needsDevice,
  residentBytesOn,
} from '../state/footprint.ts'
import { headroomBytes, mayLeave, offeredBytes, stuckBytes } from '../state/ledger.ts'
import {
  cpuDeviceId,
  type DeviceState,
  type InstanceState,
  type ModelState,
  type State,
} from '../state/state.ts'
import { chooseVictims, releasable } from './eviction.ts'
import { interactive, ordinary, overdue, type UrgencyClass, urgent } from './ordering.ts'
import { firstAgainstStalls, fitsInto, waitForRoom } from './stalls.ts'
import type { Candidate, View } from './view.ts'
import { keepWorth } from './worth.ts'

/** A load, and the victims that must go before it. */
export interface LoadPlan {
  model: ModelState
  victims: InstanceState[]
  /** The victims' bytes, or earlier ones', are on their way back: nothing to do until they are. */
  mustWait: boolean
  rule: RuleId
  worth: number
}

/** The next load of a device, or null. One candidate decides; while no room can be made for it the memory lane stays free for
 *  it, but for a load that is over before there can be room. Cost: O(models + instances), little of it for each device. */
export function chooseLoad(view: View, device: DeviceState): LoadPlan | null {
  if (device.id === cpuDeviceId) return chooseCpuLoad(view, device)
  if (device.loading || view.isStale(device)) return null
  const isIdle = device.runningCount < device.slots && !device.instances.some(hasReadyWork)
  const candidate = chooseCandidate(view, device, isIdle)
  if (!candidate) return choosePreload(view, device) ?? choosePrefetch(view, device)
  const { model, urgency, worth } = candidate
  const victims = releasable(view, device, candidate, isIdle)
  const rule = model.instances.length > 0 ? 'load-replica' : loadRules[urgency]
  return planLoad(view, device, model, victims, rule, worth) ?? chooseFiller(view, device, candidate, isIdle)
}

/** The memory lane waits for visits to end that make room for `first`: a load that is over before that, in room that is
 *  free anyway (stalls.ts). */
function chooseFiller(view: View, device: DeviceState, first: Candidate, isIdle: boolean): LoadPlan | null {
  const freeBytes = headroomBytes(device)
  const wait = waitForRoom(view, device, first)
  for (const { model, worth } of isIdle ? view.candidates : view.missing) {
    if (
      loadingBytesOn(model, device) > freeBytes ||
      model === first.model ||
      !wants(view, device, model, isIdle)
    )
      continue
    if (!fitsInto(wait, view, model)) continue
    const plan = planLoad(view, device, model, [], 'load-filler', worth)
    if (plan && !plan.mustWait) return plan
  }
  return null
}

const loadRules: Record<UrgencyClass, RuleId> = {
  [ordinary]: 'load-best',
  [overdue]: 'load-overdue',
  [urgent]: 'load-urgent',
  [interactive]: 'load-interactive',
}

/** Models of size 0 need no room: each is started when it has work, or is to be there from the start, and has no instance. */
function chooseCpuLoad(view: View, device: DeviceState): LoadPlan | null {
  const { state, nowMs } = view
  const model = state.models.find(
    (each) =>
      !needsDevice(each) &&
      (each.readyCount > 0 || view.preloads.includes(each)) &&
      !has(device, each) &&
      canTry(state, each, nowMs),
  )
  return model ? { model, victims: [], mustWait: false, rule: 'load-best', worth: 0 } : null
}

/** The candidate that this device should follow, of those that make sense here, or null.
 *  (1) A model that room is being made for keeps its turn until a higher class comes.
 *  (2) On a device that would stand still, the one whose compute hides the other loads best (stalls.ts).
 *  (3) By class, then by worth. */
function chooseCandidate(view: View, device: DeviceState, isIdle: boolean): Candidate | null {
  const all = isIdle ? view.candidates : view.missing
  const isWanted = ({ model }: Candidate) => wants(view, device, model, isIdle)
  const first = firstOf(all, isWanted)
  if (!first) return null
  const promised = device.nextLoad && all.find(({ model }) => model.model.id === device.nextLoad)
  if (promised && first.urgency <= promised.urgency && isWanted(promised)) return promised
  const isAlike = (each: Candidate) => isWanted(each) && isComing(each) === isComing(first)
  return firstAgainstStalls(view, device, first, wanted(all, isAlike)) ?? first
}

/** The first that makes sense; within its class a copy of a model that is only being loaded elsewhere comes last. */
function firstOf(all: readonly Candidate[], isWanted: (candidate: Candidate) => boolean): Candidate | null {
  let coming: Candidate | null = null
  for (const each of all) {
    if (coming && each.urgency < coming.urgency) break
    if (!isWanted(each)) continue
    if (!isComing(each)) return each
    coming ??= each
  }
  return coming
}

/** It is on no device yet, but will be on one. */
function isComing({ model: { instances } }: Candidate): boolean {
  return instances.length > 0 && instances.every(({ phase }) => phase === 'starting')
}

/** One after another, as they are asked for: there may be a thousand. */
function* wanted(
  candidates: readonly Candidate[],
  isWanted: (candidate: Candidate) => boolean,
): Generator<Candidate> {
  for (const each of candidates) if (isWanted(each)) yield each
}

/** Whether a load of the model on the device would make sense at all; of one more copy, whether it would pay: each copy
 *  would still have `replicaFactor` loads of work. */
function wants(view: View, device: DeviceState, model: ModelState, isIdle: boolean): boolean {
  const copies = model.instances.length
  if (model.readyCount === 0 || (copies > 0 && !isIdle) || has(device, model)) return false
  const neededBytes = leastBytesOn(model, device)
  if (neededBytes > offeredBytes(device) || !canTry(view.state, model, view.nowMs)) return false
  if (copies === 0) return true
  const { replicaFreeFactor, replicaFactor } = view.state.policy
  const isFree = neededBytes <= headroomBytes(device)
  const eachMs = clearMs(model.model, model.readyCount) / (copies + 1)
  return eachMs >= (isFree ? replicaFreeFactor : replicaFactor) * model.loadMs
}

/** What is to be there from the start, as long as there is room; once, since it may have gone for being idle. */
function choosePreload(view: View, device: DeviceState): LoadPlan | null {
  const { state, nowMs } = view
  const model = view.preloads.find(
    (each) =>
      needsDevice(each) && leastBytesOn(each, device) <= headroomBytes(device) && canTry(state, each, nowMs),
  )
  return model ? planLoad(view, device, model, [], 'preload', 0) : null
}

/** Nothing ready is missing: the model that will be needed soonest for its size and load time, over idle ones that
 *  are worth `prefetchGain` times less; half as much again for one that could not be back in time (do no harm: Cao 1995).
 *  Nor does anything ready wait for quarantined bytes: what is loaded meanwhile would have to go again for it. */
function choosePrefetch(view: View, device: DeviceState): LoadPlan | null {
  const { state, nowMs } = view
  const stuck = stuckBytes(device)
  const waits = ({ model }: Candidate) =>
    leastBytesOn(model, device) <= offeredBytes(device) + stuck && canTry(state, model, nowMs)
  if (stuck > 0 && view.missing.some(waits)) return null
  const best = view.expected.find(
    (model) => leastBytesOn(model, device) <= offeredBytes(device) && canTry(state, model, nowMs),
  )
  if (!best) return null
  const worth = keepWorth(view, best)
  const candidates = device.instances.filter(({ phase, runningCount, model }) => {
    if (phase !== 'ready' || runningCount > 0 || model.readyCount > 0 || model.model.isPinned) return false
    const isBackInTime = view.nextUseMs(model) >= best.loadMs + model.loadMs
    const gain = state.policy.prefetchGain * (isBackInTime ? 1 : harmFactor)
    return keepWorth(view, model) * gain <= worth
  })
  return planLoad(view, device, best, candidates, 'prefetch', worth)
}

/** Study: 1.5 takes a rotation of five models over four places from 1.67 to 1.50 s; 2 is worse again. */
const harmFactor = 1.5

/** What must happen before the load: nothing, wait for bytes on their way back, or stop victims. */
function planLoad(
  view: View,
  device: DeviceState,
  model: ModelState,
  candidates: InstanceState[],
  rule: RuleId,
  worth: number,
): LoadPlan | null {
  const plan = { model, victims: [] as InstanceState[], mustWait: false, rule, worth }
  if (model.needsRoom) {
    // Its last load ran out of memory where the books had room: whatever can go goes before the next try.
    const idle = device.instances.filter((each) => mayRest(each) && each.model.readyCount === 0)
    if (idle.length > 0) return { ...plan, victims: idle }
    if (device.ledger.releasingBytes > 0) return { ...plan, mustWait: true }
  }
  const missingBytes = missingBytesOn(device, model)
  if (missingBytes <= 0) return plan
  const stillMissingBytes = missingBytes - device.ledger.releasingBytes
  if (stillMissingBytes <= 0) return { ...plan, mustWait: true }
  const victims = chooseVictims(view, candidates, stillMissingBytes)
  if (victims) return { ...plan, victims }
  // All candidates together may free enough when their own batches need no more room either.
  const heldBytes = candidates.reduce((sum, { bytes }) => sum + bytes, device.ledger.releasingBytes)
  if (candidates.length > 0 && missingBytesOn(device, model, candidates) <= heldBytes)
    return { ...plan, victims: candidates }
  const stays = (each: InstanceState) =>
    each.phase === 'ready' && mayLeave(each) && !candidates.includes(each)
  if (device.instances.some(stays)) return null
  // Beside what is pinned one batch at a time may have to do. Where nobody says who holds what, a device that is emptied
  // tells what is really not ours.
  const leastMissingBytes = leastBytesOn(model, device) - headroomBytes(device) - device.ledger.activeBytes
  if (leastMissingBytes > heldBytes && device.unattributed === null) return null
  if (candidates.length > 0) return { ...plan, victims: candidates }
  if (device.ledger.releasingBytes > 0) return { ...plan, mustWait: true }
  const mustWait = loadingBytesOn(model, device) > headroomBytes(device)
  return leastMissingBytes <= 0 ? { ...plan, mustWait } : null
}

/** Bytes that a load lacks; 0 or less: none. While it is loaded the others run; then it runs too. A load may hold more than
 *  what stays. Of those that leave only the room for their batches is left out. */
export function missingBytesOn(
  device: DeviceState,
  model: ModelState,
  leaving: readonly InstanceState[] = [],
): number {
  const neededBytes = Math.max(
    loadingBytesOn(model, device) + activationRoom(device, null, leaving),
    residentBytesOn(model, device) + activationRoom(device, model, leaving),
  )
  return neededBytes - headroomBytes(device) - device.ledger.activeBytes
}

/** Bytes to leave free for batches: what runs now, or one item of the most demanding model in every slot. */
function activationRoom(
  device: DeviceState,
  newcomer: ModelState | null,
  leaving: readonly InstanceState[],
): number {
  let largestBytes = newcomer ? activeBytesOn(newcomer, device, 1) : 0
  let residentCount = newcomer ? 1 : 0
  for (const instance of device.instances) {
    if (instance.phase !== 'ready' || leaving.includes(instance)) continue
    residentCount++
    largestBytes = Math.max(largestBytes, activeBytesOn(instance.model, device, 1))
  }
  const slots = Math.min(device.slots, residentCount)
  return Math.max(device.ledger.activeBytes, largestBytes * slots)
}

/** It may be stopped: it runs nothing, and is not pinned. */
function mayRest({ phase, runningCount, model }: InstanceState): boolean {
  return phase === 'ready' && runningCount === 0 && !model.model.isPinned
}

function canTry(state: State, model: ModelState, nowMs: number): boolean {
  return nowMs >= model.coolUntilMs && model.loadFailureCount < state.policy.maxLoadFailures
}

/** Whether the device holds the model or loads it. */
function has(device: DeviceState, { instances }: ModelState): boolean {
  return instances.some((each) => each.device === device)
}

function hasReadyWork({ phase, model }: InstanceState): boolean {
  return phase === 'ready' && model.readyCount > 0
}
