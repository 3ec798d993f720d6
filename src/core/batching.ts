// Which resident model runs next on a device, and how many of its items. A batch is never held back to fill it: waiting
// 1 to 10 s always lost (docs/policy.md); under load batches grow by themselves.
import { clearMs, visitIsOver } from './estimates.ts'
import { headroomBytes } from './ledger.ts'
import { runMs } from './model.ts'
import { bill, classOf, interactive, overdue, waitedMs } from './ordering.ts'
import type { RuleId } from './protocol.ts'
import type { ClaimOrder } from './queue-head.ts'
import type { DeviceState, InstanceState, ModelState } from './state.ts'
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

/** Factor that puts unfinished visits before finished ones while another model waits to be loaded. */
const unfinishedVisit = 1e6

/** The next batch of a device, or null. By class; overdue ones by wait, others by the bill of the next batch over its
 *  run time; while another model waits to be loaded, unfinished visits first, more so the sooner they give room back. After `burst` interactive batches in a row an overdue item goes first. Ties end at the older instance. */
export function chooseBatch(view: View, device: DeviceState): BatchPlan | null {
  if (device.runningCount >= device.slots) return null
  const { state, nowMs, waitBoundMs } = view
  const letOverdueIn = device.interactiveStreak >= state.policy.burst
  let best: (BatchPlan & { rank: number }) | null = null
  for (const instance of device.instances) {
    const { model } = instance
    let urgency: number = classOf(view, model)
    const maxCount = shortEnough(view, model, urgency, largestBatch(instance))
    if (maxCount === 0) continue
    const isOverdue = waitedMs(model, nowMs) > waitBoundMs
    if (letOverdueIn && isOverdue) urgency = interactive + overdue
    const worth =
      urgency === overdue || urgency > interactive
        ? waitedMs(model, nowMs)
        : batchBill(view, instance, maxCount)
    const isUnfinished = urgency === 0 && view.someoneIsOut && !visitIsOver(state, instance)
    const rank = urgency * 1e15 + (isUnfinished ? worth * unfinishedVisit * returnRate(instance) : worth)
    if (best && rank <= best.rank) continue
    const rule = urgency === interactive ? 'run-interactive' : urgency === 0 ? 'run-best' : 'run-overdue'
    const interactiveFrom = urgency > interactive ? noPriority : state.policy.interactiveFrom
    best = {
      instance,
      maxCount,
      order: { interactiveFrom, overdueBeforeMs: nowMs - waitBoundMs },
      rule,
      worth,
      rank,
    }
  }
  return best
}

/** While interactive items come, other batches are no longer than `interactiveWait`, but of one item at least. */
function shortEnough(
  { state, nowMs }: View,
  { model }: ModelState,
  urgency: number,
  maxCount: number,
): number {
  const { interactiveWait } = state.policy
  const { lastAtMs } = state.interactive
  if (interactiveWait === 0 || urgency >= interactive || lastAtMs === null) return maxCount
  if (nowMs - lastAtMs > interactiveMemoryMs) return maxCount
  let count = maxCount
  while (count > 1 && runMs(model, count) > interactiveWait) count--
  return count
}

/** The bill of the batch over its run time. While nobody has to be loaded, what its items' jobs still have below them
 *  counts as run time too: jobs that are nearly done go first, and end (the shortest remaining work, Smith's rule). */
function batchBill(view: View, { model }: InstanceState, maxCount: number): number {
  const count = Math.min(maxCount, model.readyCount)
  const restMs = view.someoneIsOut ? 0 : view.state.policy.restWeight * count * model.restMs
  return (bill(view, model) * (count / model.readyCount)) / Math.max(1, runMs(model.model, count) + restMs)
}

/** GB that a visit gives back for each millisecond it still needs: the room comes soonest where this is large. */
function returnRate({ model, quotaCount, bytes }: InstanceState): number {
  const leftCount = Math.max(1, Math.min(model.readyCount, quotaCount))
  return bytes / 1e9 / Math.max(1, clearMs(model.model, leftCount))
}

/** Most items the instance can take now: by its profile, its own word, the headroom and what is ready. 0: none. */
function largestBatch({ phase, model, runningCount, maxBatch, device }: InstanceState): number {
  if (phase !== 'ready' || model.readyCount <= 0 || runningCount >= model.model.concurrency) return 0
  const { max, activationBytes } = model.model.batch
  const byMemory = activationBytes === 0 ? max : Math.floor(headroomBytes(device) / activationBytes)
  return Math.max(0, Math.min(max, maxBatch, byMemory))
}
