// Whom to stop so that a model fits: of the instances that may go, those least worth keeping (load time saved per byte
// and per second until needed), and none more than necessary. Only ready instances that run nothing are ever victims.
import { keepWorth, visitIsOver } from './estimates.ts'
import { classOf, interactive, overdue, score, type UrgencyClass, waitedMs } from './ordering.ts'
import type { DeviceState, InstanceState, ModelState, State } from './state.ts'

/** The claim of the model that wants the room. */
export interface Claimant {
  model: ModelState
  urgency: UrgencyClass
  /** Its score, or for an overdue one the wait of its oldest item, ms. */
  worth: number
}

/** Instances on the device that may give way to the claimant.
 *  (1) Nothing that runs. When the device would stand idle otherwise: everything else.
 *  (2) One with nothing ready may go; one that has not run a batch since its load may not.
 *  (3) Interactive work cuts a lower visit short once it has run `guard` load times.
 *  (4) A higher class never gives way; otherwise the visit must be over, and
 *  (5) an overdue claimant goes before ordinary work and before what has waited less; an ordinary one must deserve the
 *      place `hysteresis` times more. */
export function releasable(
  state: State,
  device: DeviceState,
  claimant: Claimant,
  isIdle: boolean,
  nowMs: number,
): InstanceState[] {
  return device.instances.filter((instance) => {
    if (instance.phase !== 'ready' || instance.runningCount > 0) return false
    return isIdle || mayGo(state, instance, claimant, nowMs)
  })
}

function mayGo(state: State, instance: InstanceState, { urgency, worth }: Claimant, nowMs: number): boolean {
  const { model } = instance
  if (model.readyCount === 0) return true
  if (instance.batchCount === 0) return false
  const own = classOf(state, model, nowMs)
  const isOver = visitIsOver(state, instance)
  if (urgency === interactive && own < interactive)
    return isOver || instance.workMs >= state.policy.guard * model.loadMs
  if (own > urgency || !isOver) return false
  if (urgency === overdue) return own < overdue || worth > waitedMs(model, nowMs)
  return worth > state.policy.hysteresis * score(state, model, 0, nowMs)
}

/** The cheapest sufficient victims among `candidates` for `neededBytes`; null: all of them would not be enough. */
export function chooseVictims(
  state: State,
  candidates: InstanceState[],
  neededBytes: number,
  nowMs: number,
): InstanceState[] | null {
  const worths = new Map(candidates.map((each) => [each, keepWorth(state, each.model, nowMs)]))
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
