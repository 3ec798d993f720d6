// Which resident model runs next on a device, and how many of its items. A batch is never held back to fill
// it: waiting 1 to 10 s always lost (docs/policy.md); under load batches grow by themselves.

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

export interface BatchPlan {
  instance: InstanceState
  maxCount: number
  order: ClaimOrder
  rule: RuleId
  /** Bill of the batch per millisecond of its run, or the wait of its oldest item, ms. */
  worth: number
}

/** A priority that no item has: with it nothing is interactive. */
const noPriority = 101

/** Interactive items are expected for so long after the last one, ms. Chosen, not measured. */
const interactiveMemoryMs = 600_000

/** Batches are not cut for interactive items so far that an item takes more than so many times as long. A
 * batch with a long start would otherwise fill the device with starts. Chosen, not measured. */
const mostSlower = 1.1

/** Factor that puts unfinished visits before finished ones while another model waits to be loaded. */
const unfinishedVisit = 1e6

/** The next batch of a device, or null. By class; urgent ones by latest start, overdue ones by wait, others
 * by the bill of the next batch over its run time. While another model waits to be loaded, unfinished visits
 * go first, more so the sooner they give room back; while an interactive item waits for that, those that
 * must run before they may go. After `burst` interactive batches in a row an overdue or urgent item goes
 * first. Ties end at the older instance. */
export function chooseBatch(view: View, device: DeviceState): BatchPlan | null {
  if (device.runningCount >= device.slots) return null
  let best: { plan: BatchPlan; rank: number } | null = null
  for (const instance of device.instances) {
    const mostCount = largestBatch(view, instance)
    if (mostCount === 0) continue
    const each = planBatch(view, instance, mostCount)
    if (!best || each.rank > best.rank) best = each
  }
  return best?.plan ?? null
}

function planBatch(
  view: View,
  instance: InstanceState,
  mostCount: number,
): { plan: BatchPlan; rank: number } {
  const { model, device } = instance
  const { state, nowMs, waitBoundMs } = view
  const own = classOf(view, model)
  const isOverdue = waitedMs(model, nowMs) > waitBoundMs
  const isLetIn = device.interactiveStreak >= state.policy.burst && (isOverdue || own === urgent)
  const urgency = isLetIn && own === interactive ? overdue : own
  // Fewer items may need more than was seen of many; time is a wish, memory is not.
  const maxCount = fittingCount(view, instance, countInTime(view, instance, urgency, mostCount)) || mostCount
  const worth = worthOfBatch(view, instance, urgency, maxCount)
  const isUnfinished = urgency === ordinary && view.hasMissingModel && !visitIsOver(state, instance)
  const isAwaited = isUnfinished && mustRunFirst(view, instance)
  const inClass = isUnfinished ? worth * unfinishedVisit * returnRate(instance) : worth
  return {
    plan: {
      instance,
      maxCount,
      order: {
        interactiveFrom: isLetIn ? noPriority : state.policy.interactiveFrom,
        urgentBeforeMs: urgentBeforeMs(view, model),
        overdueBeforeMs: nowMs - waitBoundMs,
        shares: sharesOf(state, model),
      },
      rule: batchRules[urgency],
      worth,
    },
    rank: (isLetIn ? interactive + 1 : isAwaited ? awaited : urgency) * classRank + inClass,
  }
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

/** It may not be cut short yet for an interactive item that waits for room (eviction.ts). */
function mustRunFirst(view: View, instance: InstanceState): boolean {
  const givesRoom = instance.bytes > 0 && mayLeave(instance)
  return view.hasMissingInteractive && givesRoom && guardLeftMs(view.state, instance) > 0
}

function worthOfBatch(view: View, instance: InstanceState, urgency: UrgencyClass, maxCount: number): number {
  if (urgency === urgent) return -latestStartMs(instance.model)
  return urgency === overdue ? waitedMs(instance.model, view.nowMs) : batchBill(view, instance, maxCount)
}

/** Items that must have ended when the next batch but one would have: they go into the next one first. */
function urgentBeforeMs(
  { nowMs, longestBatchMs }: View,
  { model, latestEndAtMs }: ModelState,
): number | null {
  return latestEndAtMs === null ? null : nowMs + longestBatchMs + runMs(model, model.batch.max)
}

/** An urgent batch is as large as its first item's deadline allows. Where an interactive item waits for a
 * load, others are over when that is. While interactive items come, others are no longer than
 * `interactiveWait`, as far as smaller ones do not slow down everything else. But of one item at least. */
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
    const mostEachMs = (mostSlower * runMs(model, fullCount)) / fullCount
    if (isCrowded) count = largestWithin(model, count, interactiveWait, mostEachMs)
  }
  return count === fullCount ? maxCount : count
}

/** Most items of `count` whose batch takes at most `limitMs`; more if an item of fewer took longer than
 * `mostEachMs`. 1 at least. */
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

/** Time until the load in flight ends, ms, if an interactive item waits for it, or for the memory lane after
 * it; else Infinity. */
function interactiveLoadLeftMs(view: View, { loading }: DeviceState): number {
  if (!loading) return Number.POSITIVE_INFINITY
  const { model } = loading
  const isReady = model.instances.some(({ phase }) => phase === 'ready')
  const waits = view.hasMissingInteractive || (!isReady && classOf(view, model) === interactive)
  return waits ? loading.startedAtMs + model.loadMs - view.nowMs : Number.POSITIVE_INFINITY
}

/** The bill of the batch over its run time. While nobody has to be loaded, what its items' jobs still have
 * below them counts as run time too: jobs that are nearly done go first, and end (the shortest remaining
 * work, Smith's rule). */
function batchBill(view: View, { model }: InstanceState, maxCount: number): number {
  const count = Math.min(maxCount, model.readyCount)
  const restMs = view.hasMissingModel ? 0 : view.state.policy.restWeight * count * model.restMs
  return (bill(view, model) * (count / model.readyCount)) / Math.max(1, runMs(model.model, count) + restMs)
}

/** GB that a visit gives back for each millisecond it still needs: the room comes soonest where this is
 * large. */
function returnRate(instance: InstanceState): number {
  const leftCount = Math.max(1, unservedCount(instance))
  return instance.bytes / 1e9 / Math.max(1, clearMs(instance.model.model, leftCount))
}

/** Most items the instance can take now: by its profile, its own word, what ran out of memory, and the
 * headroom. 0: none. */
function largestBatch(view: View, instance: InstanceState): number {
  const { phase, model, runningCount, maxBatch } = instance
  if (phase !== 'ready' || model.readyCount <= 0 || runningCount >= model.model.concurrency) return 0
  const limit = batchLimitOf(instance)?.itemCount ?? maxBatch
  return fittingCount(view, instance, Math.min(model.model.batch.max, maxBatch, limit))
}

/** Most items of `mostCount` for which there is room, as far as that is known. 0: none. */
function fittingCount(view: View, { model, device }: InstanceState, mostCount: number): number {
  let count = mostCount
  if (activeBytesOn(model, device, count) === 0) return count
  if (view.isStale(device)) return 0
  const freeBytes = Math.max(0, headroomBytes(device)) // fewer items may need nothing
  while (count > 0 && activeBytesOn(model, device, count) > freeBytes) count--
  return count
}
