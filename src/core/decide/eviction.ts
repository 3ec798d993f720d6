// Whom to stop so that a model fits: of the instances that may go, those least worth keeping (load time saved
// per byte and per second until needed), and none more than necessary. Only ready instances that run nothing
// are ever victims.

import { latency } from '../policy.ts'
import { clearMs, guardLeftMs, visitIsOver } from '../state/estimates.ts'
import { activeBytesOn, restingBytes } from '../state/footprint.ts'
import { headroomBytes } from '../state/ledger.ts'
import type { DeviceState, InstanceState, ModelState } from '../state/state.ts'
import { classOf, interactive, ordinary, ordinaryWorth, worthOf } from './ordering.ts'
import type { Candidate, Lane, View } from './view.ts'

/** Instances on the device that may give way to the candidate.
 * (1) Nothing that runs or is pinned. When the device would stand idle otherwise: everything else.
 * (2) One with nothing ready may go, but for ordinary work not if all that it is known to get will be done
 *     before it could be loaded again; one that has not run a batch since its load may not.
 * (3) Interactive work cuts a lower visit short once it has run `guard` load times.
 * (4) A higher class never gives way; otherwise the visit must be over, and
 * (5) an overdue candidate goes before ordinary work and before what has waited less; an ordinary one must
 *     deserve the place `hysteresis` times more. */
export function releasable({ view, device, isIdle }: Lane, candidate: Candidate): InstanceState[] {
  return device.instances.filter((instance) => {
    if (instance.phase !== 'ready' || instance.runningCount > 0 || instance.model.model.isPinned) return false
    return isIdle || mayGo(view, instance, candidate)
  })
}

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

/** Who goes where foreign use has grown so far into what is booked that a resident model with work has no
 * room for one item, also when nothing ran: of the idle ones the cheapest sufficient set; if that is not
 * enough the model itself, which may be loaded elsewhere. Nothing while bytes are on their way or the last
 * reading is old, nor to one that was only seen while it was loaded, or that has more booked than it needs:
 * the next reading tells. The model and who goes, or null. */
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

/** At the next reading it gives back what was booked for its load alone, such as all of the device where no
 * size was known. */
function givesBack(each: InstanceState): boolean {
  return each.measuredBytes !== null && restingBytes(each, each.measuredBytes) < each.bytes
}

/** The price of a load: how many times more the candidate must deserve the place. */
function hysteresisOf({ state: { policy } }: View): number {
  return policy.goal === latency ? 1 + (policy.hysteresis - 1) / 2 : policy.hysteresis
}

/** The cheapest sufficient victims among `candidates` for `neededBytes`; null: all of them would not be
 * enough. */
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
