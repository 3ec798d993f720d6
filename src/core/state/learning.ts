// What measurements teach about the memory of a model on a kind of device. The questions about it are in
// footprint.ts. For apply.ts alone, but for `isWorthMeasuring`.
//
//  (1) A reading above what is known is believed at once.
//  (2) A peak below what is known lowers it slowly, since the next one may be higher again: an upper
//      expectile (Newey and Powell 1987).
//  (3) A reading that need not be the peak can only raise what is known. Two readings a second miss the peaks
//      of short batches.
//  (4) What an instance holds at rest counts only after its first batch: OCR holds twice as much after its
//      first inference.
//  (5) What batches hold is kept by their size, in powers of two, since part of a batch's memory is fixed.
import { activeBytesOn, footprintOf, needsDevice, residentBytesOn } from './footprint.ts'
import type { Footprint, InstanceState, ModelState } from './state.ts'

/** Batches of an instance after which its memory has settled: the first inference fills arenas. Chosen, not
 * measured. */
const firstBatches = 3

/** Batches of a size after which its peak is known, and measured only now and then. Chosen, not measured. */
const enoughBatches = 8

/** Of an instance that has run long, one batch in so many is measured. Chosen, not measured. */
const measuredEvery = 16

/** How far a lower peak pulls what is known down. Chosen, not measured. */
const decay = 0.2

/** More growths in a row than a cache needs to fill. Chosen, not measured. */
const growthsOfALeak = 3

/** Whether to measure a batch, where a device can tell peaks: the first ones of an instance and of each size,
 * then a few. A measurement is two readings, about 1 ms each for RAM (`node bench/devices.bench.ts`). */
export function isWorthMeasuring({ model, device, batchCount }: InstanceState, itemCount: number): boolean {
  if (!needsDevice(model) || model.model.concurrency > 1) return false
  if (batchCount <= firstBatches || batchCount % measuredEvery === 0) return true
  const known = footprintOf(model, device.kind)?.active.find((size) => size.itemCount >= itemCount)
  return !known || known.batchCount < enoughBatches
}

/** An instance that has not run a batch yet holds so much. It will hold no less after its first one. */
export function observeFresh({ model, device }: InstanceState, bytes: number): void {
  if (bytes <= residentBytesOn(model, device)) return
  const known = knownFootprint(model, device.kind)
  known.residentBytes = Math.max(known.residentBytes, bytes)
}

/** An instance that has run a batch, and runs nothing now, holds so much. */
export function observeResident(instance: InstanceState, bytes: number): void {
  const known = knownFootprint(instance.model, instance.device.kind)
  if (instance.idlePeakBytes === null) {
    const isGuess = !instance.model.declared.isSized && known.residentCount === 0 // all of the device was booked
    const errorRatio = isGuess ? 0 : Math.abs(instance.bytes - bytes) / Math.max(1, bytes)
    known.errorRatio += (errorRatio - known.errorRatio) / (known.residentCount + 1)
    known.residentCount++
  }
  instance.idlePeakBytes = Math.max(instance.idlePeakBytes ?? 0, bytes)
  known.residentBytes = Math.max(known.residentBytes, bytes)
}

/** An instance goes. If it held less than the estimate, the estimate falls towards its peak, unless it has
 * run little: arenas grow with what they have seen. If it was still growing, the next instance is expected
 * to hold what this one held when it had settled. */
export function settleResident(instance: InstanceState): void {
  const { model, device, idlePeakBytes, settledBytes, growth, batchCount } = instance
  const known = footprintOf(model, device.kind)
  if (!known || idlePeakBytes === null) return
  if (settledBytes !== null && growth.count >= growthsOfALeak)
    known.residentBytes = Math.min(known.residentBytes, settledBytes)
  if (idlePeakBytes < known.residentBytes && batchCount >= firstBatches)
    known.residentBytes += decay * (idlePeakBytes - known.residentBytes)
}

/** An instance that is being loaded holds so much. */
export function observeLoading({ model, device }: InstanceState, bytes: number): void {
  const known = knownFootprint(model, device.kind)
  known.loadingBytes = Math.max(known.loadingBytes, bytes)
}

/** What a batch held beside its instance. */
export interface ActiveReading {
  itemCount: number
  bytes: number
  /** The most it held; false: what it held at some moment. */
  isPeak: boolean
}

export function observeActive(
  { model, device }: InstanceState,
  { itemCount, bytes, isPeak }: ActiveReading,
): void {
  if (!isPeak && bytes <= activeBytesOn(model, device, itemCount)) return
  const { active } = knownFootprint(model, device.kind)
  const size = 2 ** Math.ceil(Math.log2(itemCount))
  let known = active.find((each) => each.itemCount === size)
  if (!known) {
    known = { itemCount: size, seenCount: itemCount, bytes, batchCount: 0 }
    active.push(known)
    active.sort((a, b) => a.itemCount - b.itemCount)
  }
  if (isPeak) known.batchCount++
  known.seenCount = Math.max(known.seenCount, itemCount)
  known.bytes = bytes > known.bytes ? bytes : known.bytes + decay * (bytes - known.bytes)
}

function knownFootprint({ footprints }: ModelState, kind: string): Footprint {
  let known = footprints.find((each) => each.kind === kind)
  if (!known) {
    known = { kind, residentBytes: 0, residentCount: 0, loadingBytes: 0, active: [], errorRatio: 0 }
    footprints.push(known)
  }
  return known
}
