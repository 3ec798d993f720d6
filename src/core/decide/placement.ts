// Which model a device loads next. A device has one load in flight; batches of the models that stay run
// beside it. What must happen before the load is worked out in room.ts. The device remembers whom it makes
// room for (`nextLoad`), so that bytes on their way back are never promised twice.
//
//  (1) One candidate decides: a model with ready items that is on no device, or, for an idle device, one more
//      copy.
//  (2) While no room can be made for it, the lane stays free for it, but for a load that is over
//      before there can be room (a filler).
//  (3) Nothing ready is missing: models that are to be there from the start, then those that will be needed
//      (prefetch.ts).
import { clearMs } from '../state/estimates.ts'
import type { RuleId } from '../state/events.ts'
import { leastBytesOn, loadingBytesOn, needsDevice } from '../state/footprint.ts'
import { headroomBytes, offeredBytes } from '../state/ledger.ts'
import { cpuDeviceId, type DeviceState, type InstanceState, type ModelState } from '../state/state.ts'
import { releasable } from './eviction.ts'
import { interactive, ordinary, overdue, type UrgencyClass, urgent } from './ordering.ts'
import { choosePrefetch, choosePreload } from './prefetch.ts'
import { type LoadPlan, planLoad } from './room.ts'
import { firstAgainstStalls, fitsInto, type Wait, waitForRoom } from './stalls.ts'
import type { Candidate, Lane, View } from './view.ts'

/** The next load of a device, or null. Cost: O(models + instances), little of it for each device. */
export function chooseLoad(view: View, device: DeviceState): LoadPlan | null {
  if (device.id === cpuDeviceId) return chooseCpuLoad(view, device)
  if (device.loading || view.isStale(device)) return null
  const isIdle = device.runningCount < device.slots && !device.instances.some(hasReadyWork)
  const lane: Lane = { view, device, isIdle }
  const candidate = chooseCandidate(lane)
  if (!candidate) return choosePreload(lane) ?? choosePrefetch(lane) // (3)
  const { model, urgency, worth } = candidate
  const rule = model.instances.length > 0 ? 'load-copy' : loadRules[urgency]
  return planLoad(lane, { model, rule, worth }, releasable(lane, candidate)) ?? chooseFiller(lane, candidate)
}

/** (2) A load in room that is free anyway, over before the visits end that make room for `first`
 * (stalls.ts). */
function chooseFiller(lane: Lane, first: Candidate): LoadPlan | null {
  const { view, device, isIdle } = lane
  const freeBytes = headroomBytes(device)
  let wait: Wait | null = null
  for (const { model, worth } of isIdle ? view.candidates : view.missing) {
    if (model === first.model || loadingBytesOn(model, device) > freeBytes || !wants(lane, model)) continue
    wait ??= waitForRoom(view, device, first)
    if (!fitsInto(wait, view, model)) continue
    const plan = planLoad(lane, { model, rule: 'load-filler', worth }, [])
    if (plan && plan.step !== 'wait') return plan
  }
  return null
}

const loadRules: Record<UrgencyClass, RuleId> = {
  [ordinary]: 'load-best',
  [overdue]: 'load-overdue',
  [urgent]: 'load-urgent',
  [interactive]: 'load-interactive',
}

/** Models of size 0 need no room. Each is started when it has work, or is to be there from the start, and has
 * no instance. */
function chooseCpuLoad(view: View, device: DeviceState): LoadPlan | null {
  const model = view.state.models.find(
    (each) =>
      !needsDevice(each) &&
      (each.readyCount > 0 || view.preloads.includes(each)) &&
      !has(device, each) &&
      view.canTry(each),
  )
  return model ? { step: 'load', model, rule: 'load-best', worth: 0 } : null
}

/** (1) The candidate that this device follows, of those that make sense here, or null: the model that room is
 *     being made
 * for, until a candidate of a higher class comes; on a device that would stand still, the one whose compute
 * hides the other loads best (stalls.ts); else the first by class, then by worth. */
function chooseCandidate(lane: Lane): Candidate | null {
  const { view, device } = lane
  const all = lane.isIdle ? view.candidates : view.missing
  const isWanted = ({ model }: Candidate) => wants(lane, model)
  const first = firstOf(all, isWanted)
  if (!first) return null
  const promised = device.nextLoad && all.find(({ model }) => model.model.id === device.nextLoad)
  if (promised && first.urgency <= promised.urgency && isWanted(promised)) return promised
  const isAlike = (each: Candidate) => isWanted(each) && isComing(each) === isComing(first)
  return firstAgainstStalls(view, device, first, wanted(all, isAlike)) ?? first
}

/** The first that makes sense. Within its class, a copy of a model that is only being loaded elsewhere comes
 * last. */
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

/** Whether a load of the model on the device makes sense at all. One more copy must pay: each copy would
 * still have `copyFactor` loads of work. */
function wants({ view, device, isIdle }: Lane, model: ModelState): boolean {
  const copies = model.instances.length
  if (model.readyCount === 0 || (copies > 0 && !isIdle) || has(device, model)) return false
  const neededBytes = leastBytesOn(model, device)
  if (neededBytes > offeredBytes(device) || !view.canTry(model)) return false
  if (copies === 0) return true
  const { copyFreeFactor, copyFactor } = view.state.policy
  const isFree = neededBytes <= headroomBytes(device)
  const eachMs = clearMs(model.model, model.readyCount) / (copies + 1)
  return eachMs >= (isFree ? copyFreeFactor : copyFactor) * model.loadMs
}

/** Whether the device holds the model or loads it. */
function has(device: DeviceState, { instances }: ModelState): boolean {
  return instances.some((each) => each.device === device)
}

function hasReadyWork({ phase, model }: InstanceState): boolean {
  return phase === 'ready' && model.readyCount > 0
}
