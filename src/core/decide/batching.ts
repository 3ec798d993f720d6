// Which resident model runs next on a device, and how many of its items. A batch is never held back to fill
// it: waiting for 1 to 10 s always lost (docs/policy.md). Under load, batches grow by themselves.

import { type Model, runMs } from '../model.ts'
import { batchLimitOf } from '../state/batch-limit.ts'
import { clearMs, guardLeftMs, unservedCount, visitIsOver } from '../state/estimates.ts'
import type { RuleId } from '../state/events.ts'
import { sharesOf } from '../state/fairness.ts'
import { activeBytesOn } from '../state/footprint.ts'
import { headroomBytes, mayLeave } from '../state/ledger.ts'
import type { DeviceState, InstanceState, ModelState } from '../state/state.ts'
import type { ClaimOrder } from '../work/queue-head.ts'
import {
  bill,
  classOf,
  interactive,
  latestStartMs,
  ordinary,
  overdue,
  type UrgencyClass,
  urgent,
  waitedMs,
} from './ordering.ts'
import type { View } from './view.ts'

/** A batch that a device should run. */
export interface BatchPlan {
  instance: InstanceState
  maxCount: number
  order: ClaimOrder
  rule: RuleId
  /** Bill of the batch per millisecond of its run, or the wait of its oldest item, ms. */
  worth: number
}

/** A priority that no item has. With it nothing is interactive. */
const noPriority = 101

/** Interactive items are expected for so long after the last one, ms. Chosen, not measured. */
const interactiveMemoryMs = 600_000

/** A batch is cut for interactive items only until each of its items takes this many times as long. Otherwise
 * a batch with a long start would fill the device with starts. Chosen, not measured. */
const mostSlower = 1.1

/** Puts unfinished visits before finished ones while another model waits to be loaded: larger than the ratio
 * of any two bills. Chosen, not measured. */
const unfinishedVisit = 1e6

/** The next batch of a device, or null.
 * (1) By class: interactive, urgent by the latest start, overdue by the wait, ordinary by the bill of the
 *     batch over its run time.
 * (2) After `burst` interactive batches in a row, an overdue or urgent item goes first.
 * (3) While another model waits to be loaded, unfinished visits go before finished ones, the sooner they
 *     give room back the earlier. While an interactive item waits for that room, instances that must run
 *     before they may go come first.
 * (4) Ties end at the older instance. */
export function chooseBatch(view: View, device: DeviceState): BatchPlan | null {
  if (device.runningCount >= device.slots) return null
  let best: RankedBatch | null = null
  for (const instance of device.instances) {
    const mostCount = largestBatch(view, instance)
    if (mostCount === 0) continue
    const each = rankBatch(view, instance, mostCount)
    if (!best || each.rank > best.rank) best = each
  }
  return best && planBatch(view, best)
}

/** The next batch of an instance, and how it ranks among those of its device. */
interface RankedBatch {
  readonly instance: InstanceState
  readonly maxCount: number
  readonly urgency: UrgencyClass
  readonly isLetIn: boolean
  readonly worth: number
  readonly rank: number
}

/** (1), (2), (3) */
function rankBatch(view: View, instance: InstanceState, mostCount: number): RankedBatch {
  const { model, device } = instance
  const { state, nowMs, waitBoundMs } = view
  const own = classOf(view, model)
  const isLetIn =
    device.interactiveStreak >= state.policy.burst && (own === urgent || waitedMs(model, nowMs) > waitBoundMs)
  const urgency = isLetIn && own === interactive ? overdue : own
  // Fewer items may need more than was seen of many; time is a wish, memory is not.
  const maxCount = fittingCount(view, instance, countInTime(view, instance, urgency, mostCount)) || mostCount
  const worth = worthOfBatch(view, instance, urgency, maxCount)
  const isUnfinished = urgency === ordinary && view.hasMissingModel && !visitIsOver(state, instance)
  const isAwaited = isUnfinished && mustRunFirst(view, instance)
  const inClass = isUnfinished ? worth * unfinishedVisit * returnRate(instance) : worth
  const rank = (isLetIn ? interactive + 1 : isAwaited ? awaited : urgency) * classRank + inClass
  return { instance, maxCount, urgency, isLetIn, worth, rank }
}

function planBatch(view: View, { instance, maxCount, urgency, isLetIn, worth }: RankedBatch): BatchPlan {
  const { state, nowMs, waitBoundMs } = view
  const order = {
    interactiveFrom: isLetIn ? noPriority : state.policy.interactiveFrom,
    urgentBeforeMs: urgentBeforeMs(view, instance.model),
    overdueBeforeMs: nowMs - waitBoundMs,
    shares: sharesOf(state, instance.model),
  }
  return { instance, maxCount, order, rule: batchRules[urgency], worth }
}

const batchRules: Record<UrgencyClass, RuleId> = {
  [ordinary]: 'run-best',
  [overdue]: 'run-overdue',
  [urgent]: 'run-urgent',
  [interactive]: 'run-interactive',
}

/** Larger than what anything is worth in its class. */
const classRank = 1e15

/** Above ordinary batches, below all others. */
const awaited = (ordinary + overdue) / 2

/** An interactive item waits for room, and the instance may not be cut short for it yet (eviction.ts). */
function mustRunFirst(view: View, instance: InstanceState): boolean {
  const givesRoom = instance.bytes > 0 && mayLeave(instance)
  return view.hasMissingInteractive && givesRoom && guardLeftMs(view.state, instance) > 0
}

function worthOfBatch(view: View, instance: InstanceState, urgency: UrgencyClass, maxCount: number): number {
  if (urgency === urgent) return -latestStartMs(instance.model)
  return urgency === overdue ? waitedMs(instance.model, view.nowMs) : batchBill(view, instance, maxCount)
}

/** Items that must have ended by this moment go into the batch first: the end of the batch after the next
 * one. */
function urgentBeforeMs(
  { nowMs, longestBatchMs }: View,
  { model, latestEndAtMs }: ModelState,
): number | null {
  return latestEndAtMs === null ? null : nowMs + longestBatchMs + runMs(model, model.batch.max)
}

/** Most items of `maxCount`, one at least, by the time that the batch may take:
 * (1) An urgent batch ends before the deadline of its first item.
 * (2) While an interactive item waits for a load, other batches end with the load.
 * (3) While interactive items come, other batches take no longer than `interactiveWait`, unless each of
 *     their items then took much longer. */
function countInTime(view: View, instance: InstanceState, urgency: UrgencyClass, maxCount: number): number {
  const { state, nowMs } = view
  const { model, latestEndAtMs, readyCount } = instance.model
  const fullCount = Math.min(maxCount, readyCount)
  let count = fullCount
  if (urgency === urgent) count = largestWithin(model, count, latestEndAtMs! - nowMs)
  if (urgency < interactive) {
    count = largestWithin(model, count, interactiveLoadLeftMs(view, instance.device))
    const { interactiveWait } = state.policy
    const { lastAtMs } = state.interactive
    const isCrowded = lastAtMs !== null && nowMs - lastAtMs <= interactiveMemoryMs && interactiveWait > 0
    if (isCrowded) {
      const mostEachMs = (mostSlower * runMs(model, fullCount)) / fullCount
      count = largestWithin(model, count, interactiveWait, mostEachMs)
    }
  }
  return count === fullCount ? maxCount : count
}

/** Most items of `count` whose batch takes at most `limitMs`, one at least. It stays larger where an item of
 * a smaller batch would take longer than `mostEachMs`. */
function largestWithin(
  model: Model,
  count: number,
  limitMs: number,
  mostEachMs = Number.POSITIVE_INFINITY,
): number {
  let largest = count
  while (largest > 1 && runMs(model, largest) > limitMs) {
    const fewer = largest - 1
    if (runMs(model, fewer) > mostEachMs * fewer) break
    largest = fewer
  }
  return largest
}

/** Time until the load in flight ends, ms, if an interactive item waits for it, or for the lane after it;
 * else infinity. */
function interactiveLoadLeftMs(view: View, { loading }: DeviceState): number {
  if (!loading) return Number.POSITIVE_INFINITY
  const { model } = loading
  const isReady = model.instances.some(({ phase }) => phase === 'ready')
  const waits = view.hasMissingInteractive || (!isReady && classOf(view, model) === interactive)
  return waits ? loading.startedAtMs + model.loadMs - view.nowMs : Number.POSITIVE_INFINITY
}

/** The bill of the batch over its run time. While no model has to be loaded, the compute that the jobs of its
 * items still have below them counts as run time too: jobs that are nearly done go first, and end (the
 * shortest remaining work, Smith's rule). */
function batchBill(view: View, { model }: InstanceState, maxCount: number): number {
  const count = Math.min(maxCount, model.readyCount)
  const restMs = view.hasMissingModel ? 0 : view.state.policy.restWeight * count * model.restMs
  return (bill(view, model) * (count / model.readyCount)) / Math.max(1, runMs(model.model, count) + restMs)
}

/** Gigabytes that a visit gives back for each millisecond that it still needs. Where this is large, room
 * comes soonest. */
function returnRate(instance: InstanceState): number {
  const leftCount = Math.max(1, unservedCount(instance))
  return instance.bytes / 1e9 / Math.max(1, clearMs(instance.model.model, leftCount))
}

/** Most items that the instance can take now: by its model, its worker, what failed before, and the headroom.
 * 0: none. */
function largestBatch(view: View, instance: InstanceState): number {
  const { phase, model, runningCount, maxBatch } = instance
  if (phase !== 'ready' || model.readyCount <= 0 || runningCount >= model.model.concurrency) return 0
  const limit = batchLimitOf(instance)?.itemCount ?? maxBatch
  return fittingCount(view, instance, Math.min(model.model.batch.max, maxBatch, limit))
}

/** Most items of `mostCount` that have room, as far as that is known. 0: none. */
function fittingCount(view: View, { model, device }: InstanceState, mostCount: number): number {
  let count = mostCount
  if (activeBytesOn(model, device, count) === 0) return count
  if (view.isStale(device)) return 0
  const freeBytes = Math.max(0, headroomBytes(device)) // fewer items may need nothing
  while (count > 0 && activeBytesOn(model, device, count) > freeBytes) count--
  return count
}
