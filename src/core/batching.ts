// Which resident model runs next on a device, and how many of its items. A batch is never held back to fill it: waiting
// 1 to 10 s always lost (docs/policy.md); under load batches grow by themselves.
import { visitIsOver } from './estimates.ts'
import { headroomBytes } from './ledger.ts'
import { runMs } from './model.ts'
import { bill, classOf, interactive, overdue, waitedMs } from './ordering.ts'
import type { RuleId } from './protocol.ts'
import type { ClaimOrder } from './queue-head.ts'
import type { DeviceState, InstanceState, State } from './state.ts'

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

/** Factor that puts unfinished visits before finished ones while another model waits to be loaded. */
const unfinishedVisit = 1e6

/** The next batch of a device, or null. By class; overdue ones by wait, others by the bill of the next batch over its
 *  run time. After `burst` interactive batches in a row an overdue item goes first. Ties end at the older instance. */
export function chooseBatch(state: State, device: DeviceState, nowMs: number): BatchPlan | null {
  if (device.runningCount >= device.slots) return null
  const letOverdueIn = device.interactiveStreak >= state.policy.burst
  const someoneIsOut = state.models.some(
    ({ readyCount, instances, model }) => readyCount > 0 && instances.length === 0 && model.vramBytes > 0,
  )
  let best: (BatchPlan & { rank: number }) | null = null
  for (const instance of device.instances) {
    const maxCount = largestBatch(instance)
    if (maxCount === 0) continue
    const { model } = instance
    let urgency: number = classOf(state, model, nowMs)
    const isOverdue = waitedMs(model, nowMs) > state.policy.maxWait
    if (letOverdueIn && isOverdue) urgency = interactive + overdue
    const worth =
      urgency === overdue || urgency > interactive
        ? waitedMs(model, nowMs)
        : batchBill(state, instance, maxCount, nowMs)
    const isUnfinished = urgency === 0 && someoneIsOut && !visitIsOver(state, instance)
    const rank = urgency * 1e15 + (isUnfinished ? worth * unfinishedVisit : worth)
    if (best && rank <= best.rank) continue
    const rule = urgency === interactive ? 'run-interactive' : urgency === 0 ? 'run-best' : 'run-overdue'
    const interactiveFrom = urgency > interactive ? noPriority : state.policy.interactiveFrom
    best = {
      instance,
      maxCount,
      order: { interactiveFrom, overdueBeforeMs: nowMs - state.policy.maxWait },
      rule,
      worth,
      rank,
    }
  }
  return best
}

function batchBill(state: State, { model }: InstanceState, maxCount: number, nowMs: number): number {
  const count = Math.min(maxCount, model.readyCount)
  return (bill(state, model, nowMs) * (count / model.readyCount)) / Math.max(1, runMs(model.model, count))
}

/** Most items the instance can take now: by its profile, its own word, the headroom and what is ready. 0: none. */
function largestBatch({ phase, model, runningCount, maxBatch, device }: InstanceState): number {
  if (phase !== 'ready' || model.readyCount <= 0 || runningCount >= model.model.concurrency) return 0
  const { max, activationBytes } = model.model.batch
  const byMemory = activationBytes === 0 ? max : Math.floor(headroomBytes(device) / activationBytes)
  return Math.max(0, Math.min(max, maxBatch, byMemory))
}
