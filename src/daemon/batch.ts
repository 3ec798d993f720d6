// What the daemon does with the items of a queue, one command at a time:
//
//   run-batch    claim items, run them on their instance, record each answer (answers.ts), measure what the
//                batch held
//   fail-queue   claim what is ready, and fail it with the reason
//
// Both report their effects as events. Both throw only what the store throws.

import type { ItemError } from '../core/errors.ts'
import { isSearching } from '../core/state/batch-limit.ts'
import type { CommandOf, EventOf, SchedulerEvent } from '../core/state/events.ts'
import { isWorthMeasuring } from '../core/state/learning.ts'
import type { State } from '../core/state/state.ts'
import { countByTenant } from '../core/work/lease.ts'
import { plainOrder } from '../core/work/queue-head.ts'
import type { Device } from '../devices/device.ts'
import type { Claim, Outcome } from '../stores/store.ts'
import { leaseMs, type RecordContext, record, runBatch } from './answers.ts'
import type { Instances } from './instances.ts'
import type { LiveInstance } from './live-instance.ts'

type Held = EventOf<'batch-finished'>['held']

export interface BatchContext extends RecordContext {
  state: State
  instances: Instances
  emit: (event: SchedulerEvent) => void
  /** Items were taken out of a queue: its head is to be read again. */
  claimed: () => void
  onError: (error: unknown) => void
}

/** run-batch: ends with batch-claimed for no items, or with batch-finished. */
export async function performBatch(command: CommandOf<'run-batch'>, context: BatchContext): Promise<void> {
  const { batchId, instanceId, modelId, maxCount, order } = command
  const { store, clock, state, instances, emit } = context
  const claim = await store.claim({ modelId, maxCount, order, leaseMs }, clock.nowMs())
  emit({
    type: 'batch-claimed',
    atMs: clock.nowMs(),
    batchId,
    itemCount: claim.items.length,
    countByTenant: countByTenant(claim.items),
  })
  context.claimed()
  if (claim.items.length === 0) return
  const live = instances.live.get(instanceId)
  const instance = state.instanceById.get(instanceId)
  const isMeasured = instance !== undefined && isWorthMeasuring(instance, claim.items.length)
  const measuredOn = live && isMeasured ? peakDevice(live, instances) : null
  if (measuredOn) await instances.readings.read(measuredOn)
  if (live) live.peakBytes = null // what it held before is not this batch's
  if (!live || live.ending) {
    await giveBack(claim, context)
    emit({ type: 'batch-finished', atMs: clock.nowMs(), batchId, failedCount: 0, runMs: 0, peakBytes: null })
    return
  }
  const options = {
    isSuspect: claim.items.length === 1 && instance !== undefined && isSearching(instance),
    onFailure: ({ message }: ItemError) => void instances.fail(instanceId, message).catch(context.onError),
  }
  const { hasFailed, ...result } = await runBatch(live, claim, options, context)
  const held = measuredOn && !hasFailed && !live.ending ? await heldOn(measuredOn, live, instances) : null
  emit({ type: 'batch-finished', atMs: clock.nowMs(), batchId, ...result, held })
}

/** The instance ended between the decision and the claim: nobody has seen the items. */
async function giveBack({ token, items }: Claim, context: BatchContext): Promise<void> {
  const outcomes = items.map(({ id }): Outcome => ({ type: 'release', id }))
  await record(token, outcomes, context)
}

/** Its device, if that knows what a batch held at most. */
function peakDevice({ device }: LiveInstance, { readings }: Instances): Device | null {
  return device !== null && readings.knowsPeaks(device) ? device : null
}

/** What the batch that has just ended held at most, and what is left; null: the device does not know. */
async function heldOn(device: Device, live: LiveInstance, { readings }: Instances): Promise<Held> {
  const reading = await readings.read(device)
  const afterBytes = reading?.bytesByGroup?.get(live.instance.pid ?? 0)
  const { peakBytes } = live
  return afterBytes === undefined || peakBytes === null ? null : { peakBytes, afterBytes }
}

/** fail-queue: the ready items of a model fail with the reason, and are not tried again. */
export async function failQueue(command: CommandOf<'fail-queue'>, context: BatchContext): Promise<void> {
  const { modelId } = command
  const { store, clock } = context
  const error = errorOf(command)
  for (;;) {
    const nowMs = clock.nowMs()
    const claim = await store.claim({ modelId, maxCount: 256, order: plainOrder, leaseMs }, nowMs)
    if (claim.items.length === 0) break
    const outcomes = claim.items.map(
      ({ id }): Outcome => ({ type: 'fail', id, error, retryable: false, retryAtMs: nowMs }),
    )
    await record(claim.token, outcomes, context)
  }
}

function errorOf({ modelId, message, reason }: CommandOf<'fail-queue'>): ItemError {
  return reason.rule === 'never-fits'
    ? { code: 'NEVER_FITS', message }
    : { code: 'LOAD_FAILED', message: `model "${modelId}" could not be loaded: ${message}` }
}
