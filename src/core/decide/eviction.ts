// Which instances to stop so that a model fits: of those that may go, the ones that are least worth keeping
// (load time saved per byte, and per millisecond until needed), and none more than necessary. Only ready
// instances that run nothing and are not pinned are ever victims.

import { latency } from '../policy.ts'
import { clearMs, guardLeftMs, visitIsOver } from '../state/estimates.ts'
import { activeBytesOn, restingBytes } from '../state/footprint.ts'
import { headroomBytes } from '../state/ledger.ts'
import type { DeviceState, InstanceState, ModelState } from '../state/state.ts'
import { classOf, interactive, ordinary, ordinaryWorth, worthOf } from './ordering.ts'
import type { Candidate, Lane, View } from './view.ts'

/** Instances on the device that may give way to the candidate.
 * (1) None that runs a batch or is pinned. On a device that would stand idle otherwise, all others.
 * (2) An instance with nothing ready may go. For ordinary work it stays if all that is known to come for it
 *     will be done before it could be loaded again.
 * (3) An instance that has not run a batch since its load stays.
 * (4) Interactive work cuts a visit of a lower class short once it has computed for `guard` load times.
 * (5) An instance of a higher class stays, and so does one whose visit is not over.
 * (6) Else an interactive, urgent or overdue candidate goes before a lower class, and before what is worth
 *     less in its own. An ordinary one must deserve the place `hysteresis` times more. */
export function releasable({ view, device, isIdle }: Lane, candidate: Candidate): InstanceState[] {
  return device.instances.filter((instance) => {
    if (instance.phase !== 'ready' || instance.runningCount > 0 || instance.model.model.isPinned) return false
    return isIdle || mayGo(view, instance, candidate)
  })
}

/** (2) to (6) */
function mayGo(view: View, instance: InstanceState, { urgency, worth }: Candidate): boolean {
  const { model } = instance
  if (model.readyCount === 0) return urgency !== ordinary || doneMs(view, model) > model.loadMs
  if (instance.batchCount === 0) return false
  const own = classOf(view, model)
  const isOver = visitIsOver(view.state, instance)
  if (urgency === interactive && own < interactive) return isOver || guardLeftMs(view.state, instance) === 0
  if (own > urgency || !isOver) return false
  if (urgency !== ordinary) return own < urgency || worth > worthOf(view, model, own)
  return worth > hysteresisOf(view) * ordinaryWorth(view, model, 0)
}

/** Time until all that is known to come for a model with nothing ready has run, if only what it waits for ran
 * before it, ms. Infinity: nothing is known to come. */
export function doneMs(view: View, model: ModelState): number {
  if (model.blockedCount === 0) return Number.POSITIVE_INFINITY
  let aboveMs = 0
  for (const { modelId, count } of model.waitsOn) {
    const parent = view.state.modelById.get(modelId)
    if (!parent || parent === model) continue
    if (parent.instances.length === 0) aboveMs += parent.loadMs
    aboveMs += clearMs(
      parent.model,
      Math.min(count, parent.readyCount + parent.blockedCount + parent.runningCount),
    )
  }
  return Math.max(aboveMs, view.nextUseMs(model)) + clearMs(model.model, model.blockedCount)
}

/** Foreign use may grow so far into what is booked that a resident model with work has no room for a single
 * item, even if nothing runs. Then the cheapest sufficient set of idle instances goes, or, if that is not
 * enough, the model itself, which may be loaded elsewhere. The answer is the model and who goes, or null.
 * Nothing goes while bytes are on their way back or the last reading is old. Nor for an instance that was
 * only read during its load, or that has more booked than it needs: the next reading tells. */
export function chooseBlockers(
  view: View,
  device: DeviceState,
): { blocked: InstanceState; victims: InstanceState[] } | null {
  if (device.loading || device.ledger.releasingBytes > 0 || view.isStale(device)) return null
  const free = device.instances.filter(({ phase, runningCount }) => phase === 'ready' && runningCount === 0)
  const leftBytes = headroomBytes(device) + device.ledger.activeBytes
  const blocked = free.find(
    (each) =>
      each.model.readyCount > 0 &&
      activeBytesOn(each.model, device, 1) > Math.max(0, leftBytes) &&
      (each.measuredBytes === null || each.beforeBatchBytes !== null) &&
      !givesBack(each),
  )
  if (!blocked) return null
  const idle = free.filter(({ model }) => model.readyCount === 0 && !model.model.isPinned)
  const neededBytes = activeBytesOn(blocked.model, device, 1) - leftBytes
  return { blocked, victims: chooseVictims(view, idle, neededBytes) ?? [blocked] }
}

/** At its next reading the instance gives back bytes that were booked for its load alone, such as all of the
 * device where its size was not known. */
function givesBack(each: InstanceState): boolean {
  return each.measuredBytes !== null && restingBytes(each, each.measuredBytes) < each.bytes
}

/** How many times more a candidate must deserve the place: the price of a load. */
function hysteresisOf({ state: { policy } }: View): number {
  return policy.goal === latency ? 1 + (policy.hysteresis - 1) / 2 : policy.hysteresis
}

/** The cheapest sufficient victims among `candidates` for `neededBytes`; null: all of them would not be
 * enough. They are taken from the one least worth keeping on, and then those that are not needed are left
 * out. */
export function chooseVictims(
  view: View,
  candidates: readonly InstanceState[],
  neededBytes: number,
): InstanceState[] | null {
  const worths = new Map(candidates.map((each) => [each, view.keepWorth(each.model)]))
  const byWorth = candidates
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => worths.get(a)! - worths.get(b)! || (a.id < b.id ? -1 : 1))
  const victims: InstanceState[] = []
  let freedBytes = 0
  for (const candidate of byWorth) {
    if (freedBytes >= neededBytes) break
    victims.push(candidate)
    freedBytes += candidate.bytes
  }
  if (freedBytes < neededBytes) return null
  for (const victim of victims.toReversed()) {
    if (freedBytes - victim.bytes < neededBytes) continue
    freedBytes -= victim.bytes
    victims.splice(victims.indexOf(victim), 1)
  }
  return victims
}
