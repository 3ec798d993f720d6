// Loads that keep a device computing. While a model is loaded, the others compute, as long as they have work.
// A device stands still when its compute ends before the load does. Two rules against it, from flow shops,
// where loads are the first machine and compute the second (Johnson 1954), and from backfilling under a
// reservation (Lifka 1995):
//
//   firstAgainstStalls   among the candidates that deserve a place alike, picks the one whose compute hides
//                        the loads of the others
//   fitsInto             allows a load in the time in which the lane would only wait for visits to end

import { runMs } from '../model.ts'
import { throughput } from '../policy.ts'
import { arrivalMs, clearMs, guardLeftMs, unservedCount } from '../state/estimates.ts'
import { leastBytesOn, loadingBytesOn } from '../state/footprint.ts'
import { headroomBytes, mayLeave } from '../state/ledger.ts'
import type { DeviceState, InstanceState, ModelState, State } from '../state/state.ts'
import { completeness, interactive, ordinary } from './ordering.ts'
import type { Candidate, View } from './view.ts'

/** A device is about to stand still when it has compute left for less than this many of the shortest load
 * that is wanted. Study: 1 gains half as much, 4 loses on long queues. */
const stallFactor = 2

/** A load, and the work below a model, count as this long at least, ms. Chosen, not measured. */
const leastMs = 1000

/** Candidates that are compared. With very many models the rest changes nothing and costs time. Chosen, not
 * measured. */
const mostAlike = 16

/** Interactive items that come more often than once in so many loads need the lane free. Study: without it, 4
 * % worse when 10 % of the items are interactive. */
const quietFactor = 4

/** The candidate that should go before `first` on a device that is empty or will stand still, or null.
 * `wanted`: the candidates that make sense there, in their order, from `first` on. A queue counts less while
 * part of it is blocked, since its model would be loaded again for the rest (finality). On a device that is
 * not empty:
 * (1) The shortest load whose compute is as long as all the other loads, among those that deserve the place
 *     at least 1 / hysteresis as much as `first`.
 * On an empty one:
 * (2) The shortest load of all, if its compute is as long as all the others.
 * (3) If the models with work do not fit together, a large one that soon gives its place back and has much
 *     below it. It keeps others out, and while it computes the small ones are loaded beside it.
 * (4) Else the one with most compute, of its own and below it, for its load. */
export function firstAgainstStalls(
  view: View,
  device: DeviceState,
  first: Candidate,
  wanted: Iterable<Candidate>,
): Candidate | null {
  if (first.urgency !== ordinary) return null
  if (device.instances.length > 0) {
    const leftMs = computeLeftMs(device)
    return isShort(leftMs, first) ? bestHiding(alike(view, leftMs, first, wanted)) : null
  }
  const candidates = [...wanted]
  if (candidates.length < 2) return null
  const hiding = bestHiding(candidates)
  if (hiding && candidates.every(({ model }) => model.loadMs >= hiding.model.loadMs)) return hiding
  const fitsTogether = view.state.waiting.vramBytes <= totalBudgetBytes(view.state)
  const countsBelow = view.state.policy.goal !== throughput
  const { best } = highest(candidates, ({ model }) => coldRank(model, { fitsTogether, countsBelow }))
  return countsBelow ? best : (hiding ?? best)
}

/** (3), (4) With goal throughput, what is below does not count: on wf-nextflow that would load 6 % more. */
function coldRank(
  model: ModelState,
  { fitsTogether, countsBelow }: { fitsTogether: boolean; countsBelow: boolean },
): number {
  const workMs = clearMs(model.model, model.readyCount)
  const loadMs = Math.max(1, model.loadMs)
  const belowMs = countsBelow ? model.rankMs + workMs : workMs
  if (fitsTogether) return (completeness(model) * belowMs) / loadMs
  const { vramBytes } = model.model
  return (
    completeness(model) * (countsBelow ? (vramBytes * (belowMs + leastMs)) / (loadMs + workMs) : vramBytes)
  )
}

function isShort(leftMs: number, { model }: Candidate): boolean {
  return leftMs < stallFactor * model.loadMs
}

/** The first candidates that deserve the place about as much as the first of all, at most `mostAlike`. None
 * if one of them could be loaded before the device stands still, or would keep interactive items waiting. */
function alike(view: View, leftMs: number, first: Candidate, wanted: Iterable<Candidate>): Candidate[] {
  const candidates: Candidate[] = []
  for (const each of wanted) {
    if (!isShort(leftMs, each) || !isQuiet(view, each.model)) return []
    const isAlike = each.urgency === first.urgency && each.worth * view.state.policy.hysteresis >= first.worth
    if (!isAlike || candidates.length === mostAlike) break
    candidates.push(each)
  }
  return candidates
}

/** (1), (2) The shortest load whose compute is as long as all the other loads, or null. */
function bestHiding(candidates: readonly Candidate[]): Candidate | null {
  if (candidates.length < 2) return null
  const allMs = candidates.reduce((sum, { model }) => sum + model.loadMs, 0)
  const { best, rank } = highest(candidates, ({ model }) => {
    const othersMs = Math.max(leastMs, allMs - model.loadMs)
    const hides = clearMs(model.model, model.readyCount) >= othersMs
    return hides ? (completeness(model) * othersMs) / Math.max(1, model.loadMs) : 0
  })
  return rank > 0 ? best : null
}

/** The first candidate with the highest rank. */
function highest(
  candidates: readonly Candidate[],
  rankOf: (candidate: Candidate) => number,
): { best: Candidate; rank: number } {
  let best = candidates[0]!
  let rank = rankOf(best)
  for (const each of candidates) {
    const own = rankOf(each)
    if (own > rank) [best, rank] = [each, own]
  }
  return { best, rank }
}

function totalBudgetBytes({ devices }: State): number {
  return devices.reduce((sum, { budgetBytes }) => sum + budgetBytes, 0)
}

/** What the ready instances of a device have to compute, ms. */
function computeLeftMs({ instances }: DeviceState): number {
  let leftMs = 0
  for (const { phase, model } of instances) {
    if (phase === 'ready') leftMs += runningMs(model) + clearMs(model.model, model.readyCount)
  }
  return leftMs
}

/** What is expected to be left of a running batch: half of the longest one, ms. */
function runningMs({ model, runningCount }: ModelState): number {
  return runningCount > 0 ? runMs(model, model.batch.max) / 2 : 0
}

/** No interactive item is expected to need the lane during a load of the model. */
function isQuiet({ state, nowMs }: View, { loadMs }: ModelState): boolean {
  return arrivalMs(state.interactive, nowMs) >= quietFactor * loadMs
}

/** A candidate whose room has to be made, and the instances that may go for it, the one that may go soonest
 * first. */
export interface Wait {
  first: Candidate
  device: DeviceState
  missingBytes: number
  leaving: { bytes: number; leftMs: number }[]
}

/** What the lane waits for: the visits of other instances. An interactive candidate waits only for a batch,
 * or until `guard` lets it cut a visit. */
export function waitForRoom(view: View, device: DeviceState, first: Candidate): Wait {
  const cutMs = (instance: InstanceState) =>
    Math.max(runningMs(instance.model), guardLeftMs(view.state, instance))
  const leftMsOf = first.urgency === interactive ? cutMs : visitMs
  const leaving = device.instances
    .filter((instance) => instance.phase === 'ready' && mayLeave(instance))
    .map((instance) => ({ bytes: instance.bytes, leftMs: leftMsOf(instance) }))
    .sort((a, b) => a.leftMs - b.leftMs)
  const { activeBytes, releasingBytes } = device.ledger
  const missingBytes =
    leastBytesOn(first.model, device) - headroomBytes(device) - activeBytes - releasingBytes
  return { first, device, missingBytes, leaving }
}

/** Whether a load of `filler` is over before there is room for the candidate, and leaves that room. For
 * ordinary work it must be worth it too: once the visits have ended, what stays computes for less long than
 * the awaited model takes to load. */
export function fitsInto(
  { first, device, missingBytes, leaving }: Wait,
  view: View,
  filler: ModelState,
): boolean {
  let leftBytes = missingBytes + loadingBytesOn(filler, device)
  let waitMs = 0
  let othersMs = 0
  for (const { bytes, leftMs } of leaving) {
    if (leftBytes > 0) waitMs += leftMs
    else othersMs += leftMs
    leftBytes -= bytes
  }
  if (leftBytes > 0 || filler.loadMs > waitMs) return false
  return first.urgency === interactive || (othersMs < first.model.loadMs && isQuiet(view, filler))
}

/** Compute until a visit has served what it found, ms. */
function visitMs(instance: InstanceState): number {
  const { model } = instance
  return runningMs(model) + clearMs(model.model, unservedCount(instance))
}
