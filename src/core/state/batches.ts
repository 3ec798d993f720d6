// A batch in the state, from its start to its end: the bytes it books, the items it takes out of its queue,
// and what is learned from it: how long batches take (`pace`), how much they hold (learning.ts) and how large
// they may be (batch-limit.ts). For apply.ts alone.

import { averaged } from '../average.ts'
import { type Model, runMs } from '../model.ts'
import { growBatches, shrinkBatches } from './batch-limit.ts'
import type { CommandOf, EventOf } from './events.ts'
import { chargeBatch } from './fairness.ts'
import { activeBytesOn, learnedRestBytes } from './footprint.ts'
import { observeActive } from './learning.ts'
import * as ledger from './ledger.ts'
import { observeRest } from './observe.ts'
import type { Batch, InstanceState, ModelState, State } from './state.ts'

/** A command to run a batch was issued: books its bytes and takes its items out of the queue. */
export function batchStarted(
  state: State,
  { batchId, instanceId, maxCount, bytes, reason }: CommandOf<'run-batch'>,
): void {
  const instance = state.instanceById.get(instanceId)!
  ledger.activate(instance.device, bytes)
  state.nextBatch++
  const itemCount = Math.min(maxCount, instance.model.readyCount)
  state.batchById.set(batchId, { id: batchId, instance, bytes, itemCount, isClaimed: false })
  instance.runningCount++
  instance.activeBytes += bytes
  instance.idleSinceMs = null
  instance.device.runningCount++
  instance.model.runningCount++
  instance.model.readyCount -= itemCount
  instance.model.claimingCount += itemCount
  instance.device.interactiveStreak =
    reason.rule === 'run-interactive' ? instance.device.interactiveStreak + 1 : 0
}

/** The store has given items for a batch, or none. The queue's head follows as an event of its own; until
 * then the queue is believed to hold no more than was known. */
export function batchClaimed(
  state: State,
  { batchId, itemCount, countByTenant, atMs }: EventOf<'batch-claimed'>,
): void {
  const batch = state.batchById.get(batchId)
  if (!batch || batch.isClaimed) return
  const { instance } = batch
  const { model } = instance
  model.claimingCount -= batch.itemCount
  if (itemCount === 0) {
    model.readyCount = 0
    endBatch(state, batch)
    recordIdle(model, atMs)
    return
  }
  const bytes = Math.min(batch.bytes, activeBytesOn(model, instance.device, itemCount))
  ledger.deactivate(instance.device, batch.bytes - bytes)
  instance.activeBytes += bytes - batch.bytes
  state.batchById.set(batchId, { ...batch, bytes, itemCount, isClaimed: true })
  model.loadFailureCount = 0
  model.loadError = null
  instance.batchCount++
  instance.quotaCount -= itemCount
  instance.workMs += runMs(model.model, itemCount)
  if (countByTenant) chargeBatch(state, model, itemCount, countByTenant)
  recordIdle(model, atMs)
}

/** A batch has ended, well or not. */
export function batchFinished(state: State, event: EventOf<'batch-finished'>): void {
  const { batchId, failedCount, runMs: tookMs, isOutOfMemory = false, hasCrashed = false, atMs } = event
  const batch = state.batchById.get(batchId)
  if (!batch) return
  const { instance, itemCount } = batch
  instance.workMs += tookMs - runMs(instance.model.model, itemCount)
  if (isOutOfMemory || hasCrashed) shrinkBatches(instance, { itemCount, isForMemory: isOutOfMemory })
  else if (failedCount === 0) {
    learnPace(instance.model, itemCount, tookMs)
    growBatches(instance, itemCount)
  }
  learnActive(instance, itemCount, event)
  endBatch(state, batch)
  recordIdle(instance.model, atMs)
}

/** What the batch held beside its instance: its peak as the device or the worker measured it, else readings
 * meanwhile. A batch that ran beside others says nothing of its own, and one that ran out of memory needed
 * more than it held. */
function learnActive(
  instance: InstanceState,
  itemCount: number,
  { peakBytes, residentBytes = null, held = null, isOutOfMemory = false }: EventOf<'batch-finished'>,
): void {
  const { beforeBatchBytes, batchPeakBytes, reportedBytes, idlePeakBytes, runningCount } = instance
  instance.batchPeakBytes = null
  if (runningCount > 1) return
  const beyond = (ownBytes: number, heldBytes: number) => ({
    itemCount,
    bytes: Math.max(0, heldBytes - ownBytes),
  })
  if (held) {
    observeRest(instance, held.afterBytes)
    // What an instance holds at rest goes up and down, with the garbage of a runtime; what is booked for that
    // is there.
    const restBytes = Math.max(held.afterBytes, learnedRestBytes(instance))
    observeActive(instance, { ...beyond(restBytes, held.peakBytes), isPeak: !isOutOfMemory })
  } else if (peakBytes !== null && reportedBytes !== null) {
    const ownBytes = residentBytes ?? reportedBytes + grownBytes(instance)
    observeActive(instance, { ...beyond(ownBytes, peakBytes), isPeak: !isOutOfMemory })
  } else if (batchPeakBytes !== null && idlePeakBytes !== null) {
    const restBytes = Math.max(beforeBatchBytes ?? 0, idlePeakBytes)
    observeActive(instance, { ...beyond(restBytes, batchPeakBytes), isPeak: false })
  }
}

/** What an instance holds for good since its first batches, and a worker's own peak counts too. */
function grownBytes({ beforeBatchBytes, freshBytes }: InstanceState): number {
  return freshBytes === null ? 0 : Math.max(0, (beforeBatchBytes ?? 0) - freshBytes)
}

/** An instance has nothing to do when nothing of its model waits or runs. */
export function recordIdle(
  { readyCount, claimingCount, blockedCount, instances }: ModelState,
  atMs: number,
): void {
  const isWanted = readyCount + claimingCount + blockedCount > 0
  for (const instance of instances) {
    if (isWanted || instance.runningCount > 0) instance.idleSinceMs = null
    else if (instance.phase === 'ready') instance.idleSinceMs ??= atMs
  }
}

/** How long a batch took, for what is expected of the next one. A batch with failures says nothing. */
function learnPace(each: ModelState, itemCount: number, tookMs: number): void {
  const { declared, pace } = each
  const declaredMs = runMs(declared, itemCount)
  if (declaredMs <= 0 || tookMs <= 0) return
  pace.ratio = averaged(pace.ratio, pace.batchCount, tookMs / declaredMs)
  pace.batchCount++
  each.model = pacedModel(each)
}

/** The model as it was declared, at its pace. */
export function pacedModel({ declared, pace }: ModelState): Model {
  const { batch } = declared
  const overheadMs = batch.overheadMs * pace.ratio
  return { ...declared, batch: { ...batch, overheadMs, perItemMs: batch.perItemMs * pace.ratio } }
}

/** Gives back what is booked for a batch; bytes of an instance that is being stopped come back with the
 * instance. */
function endBatch(state: State, { id, instance, bytes }: Batch): void {
  state.batchById.delete(id)
  const isLeaving = instance.phase === 'stopping' || instance.phase === 'quarantined'
  if (isLeaving && state.instanceById.get(instance.id) === instance) ledger.follow(instance, bytes)
  else ledger.deactivate(instance.device, bytes)
  instance.runningCount--
  instance.activeBytes -= bytes
  instance.device.runningCount--
  instance.model.runningCount--
}
