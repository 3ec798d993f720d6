// What a model really needs on a kind of device: declared, observed, learned. Two things apart:
//
//   resident   held by a loaded instance when it runs nothing, after its first batch (OCR doubles at its first inference)
//   loading    held at most while it is loaded: some loaders hold weights twice for a moment
//   active     held by a running batch beyond what is learned of resident, by batch size in powers of two: a batch has a
//              fixed part too
//
// Only what is sure to be a peak lowers what is believed of a batch: readings twice a second miss the peaks of short ones,
// and can only raise it. A reading above what is known is believed at once; one below lowers it slowly, since the next may be above again: an upper
// expectile (Newey and Powell 1987). What is declared stands until a model has been loaded `enoughLoads` times; after that
// what was learned is booked, with a small margin, be it more or less. A model that declares no size has its first load
// alone on a device, with all of its budget.
import { lineBytes } from '../vram.ts'
import { isStaying, offeredBytes, pinnedBytes } from './ledger.ts'
import type { DeviceState, InstanceState, ModelState } from './state.ts'

export interface Footprint {
  /** Of device: the same weights need other bytes on a GPU than in RAM. */
  readonly kind: string
  /** Upper expectile of what instances held, bytes, and how many were looked at. */
  residentBytes: number
  residentCount: number
  /** The same of loads; 0: never more than resident. */
  loadingBytes: number
  /** By batch size, smallest first. */
  readonly active: ActiveFootprint[]
  /** Mean of |booked − held| ÷ held at the first reading of each instance: how wrong the books were. */
  errorRatio: number
}

export interface ActiveFootprint {
  /** Batches of more than half as many items, up to so many. */
  readonly itemCount: number
  /** Items of the largest one that was seen: one of more needs more. */
  seenCount: number
  bytes: number
  batchCount: number
}

/** Loads after which what was learned counts, and not what was declared. From the bar: within 5 % after three. */
const enoughLoads = 3

/** Of an instance: a first inference fills arenas, and what is held after the next ones has settled. Chosen. */
const firstBatches = 3

/** Of a size: after so many its peak is known, and only looked at now and then. Chosen. */
const enoughBatches = 8

/** How far a lower reading pulls what is known down. Chosen, not measured. */
const decay = 0.2

/** So many growths in a row are more than a cache that fills. Chosen. */
const growthsOfALeak = 3

/** Booked above what was learned. Two loads of the demo's models differ by up to 2 % (`plimsoll models`). */
const marginRatio = 1.02

export function footprintOf({ footprints }: ModelState, kind: string): Footprint | null {
  if (footprints.length === 0) return null
  return footprints.find((each) => each.kind === kind) ?? null
}

/** Whether a model takes a place on a device at all; one that does not is loaded beside all others. */
export function needsDevice({ declared }: ModelState): boolean {
  return declared.vramBytes > 0
}

/** Bytes to book for a loaded instance; of models that need a device. */
export function residentBytesOn(each: ModelState, device: DeviceState): number {
  const { declared } = each
  const { residentBytes = 0, residentCount = 0 } = footprintOf(each, device.kind) ?? {}
  const learnedBytes = Math.ceil(residentBytes * marginRatio)
  if (residentCount >= enoughLoads) return Math.max(1, learnedBytes)
  if (declared.isSized) return Math.max(declared.vramBytes, learnedBytes)
  if (residentCount > 0) return Math.max(1, learnedBytes)
  const allBytes = offeredBytes(device) - Math.max(activeBytesOn(each, device, 1), pinnedRoomOn(each, device))
  return Math.max(1, allBytes, learnedBytes)
}

/** Bytes that stay booked of an instance which runs nothing and holds so much: what was booked for its load, or was never
 *  needed, is given back. One that has not run yet, and whose size nobody knows, may still need all of its place. */
export function restingBytes({ model, device, bytes, batchCount }: InstanceState, heldBytes: number): number {
  const { residentCount = 0 } = footprintOf(model, device.kind) ?? {}
  const isKnown = model.declared.isSized || batchCount + residentCount > 0
  return isKnown ? Math.min(bytes, Math.max(heldBytes, residentBytesOn(model, device))) : bytes
}

/** What instances were seen to hold at rest; 0: none was seen. */
export function learnedRestBytes({ model, device }: InstanceState): number {
  return footprintOf(model, device.kind)?.residentBytes ?? 0
}

/** Bytes to book for a load. */
export function loadingBytesOn(each: ModelState, device: DeviceState): number {
  const known = footprintOf(each, device.kind)
  const residentBytes = residentBytesOn(each, device)
  return known ? Math.max(residentBytes, Math.ceil(known.loadingBytes)) : residentBytes
}

/** Bytes to book for a batch of so many items: where only larger ones are known, as many as these need, or all that the device
 *  has beside the model, if that is less. */
export function activeBytesOn(each: ModelState, device: DeviceState, itemCount: number): number {
  const declaredBytes = each.declared.batch.activationBytes * itemCount
  const known = footprintOf(each, device.kind)
  if (!known || known.active.length === 0) return declaredBytes
  const size = known.active.find((each) => each.itemCount >= itemCount) ?? known.active.at(-1)!
  const { bytes, batchCount, seenCount } = size
  let learnedBytes = Math.ceil(bytes * Math.max(1, itemCount / seenCount))
  if (size.itemCount >= 2 * itemCount) {
    const shareBytes = Math.ceil((bytes * itemCount) / seenCount)
    learnedBytes = Math.min(learnedBytes, Math.max(shareBytes, besideBytes(each, device, known)))
  }
  return batchCount >= enoughLoads ? learnedBytes : Math.max(declaredBytes, learnedBytes)
}

/** What a device has beside a model and what is pinned, if all else goes. */
function besideBytes(each: ModelState, device: DeviceState, { residentBytes }: Footprint): number {
  const { isSized, vramBytes } = each.declared
  const ownBytes = Math.max(isSized ? vramBytes : 1, Math.ceil(residentBytes * marginRatio))
  return lineBytes(device) - pinnedBytes(device, each) - ownBytes
}

/** Least bytes that a device must offer, beside what is pinned there, to load the model and run one item of it, or of that. */
export function leastBytesOn(each: ModelState, device: DeviceState): number {
  const roomBytes = pinnedRoomOn(each, device)
  return Math.max(
    loadingBytesOn(each, device) + roomBytes,
    residentBytesOn(each, device) + Math.max(activeBytesOn(each, device, 1), roomBytes),
  )
}

/** For one item of the most demanding of the models that are pinned there. */
function pinnedRoomOn(each: ModelState, device: DeviceState): number {
  let bytes = 0
  if (!device.hasPins) return bytes
  for (const instance of device.instances) {
    const { model } = instance
    if (isStaying(instance) && model !== each) bytes = Math.max(bytes, activeBytesOn(model, device, 1))
  }
  return bytes
}

/** A batch that is to be measured where a device knows peaks: the first of an instance and of each size, then a few. A
 *  measurement is two readings, about 1 ms each for RAM (`node bench/devices.bench.ts`). */
export function isWorthMeasuring({ model, device, batchCount }: InstanceState, itemCount: number): boolean {
  if (!needsDevice(model) || model.model.concurrency > 1) return false
  if (batchCount <= firstBatches || batchCount % 16 === 0) return true
  const known = footprintOf(model, device.kind)?.active.find((size) => size.itemCount >= itemCount)
  return !known || known.batchCount < enoughBatches
}

/** An instance that has not run yet holds so much: it will hold no less when it has. For apply.ts alone. */
export function observeFresh({ model, device }: InstanceState, bytes: number): void {
  if (bytes <= residentBytesOn(model, device)) return
  const known = knownFootprint(model, device.kind)
  known.residentBytes = Math.max(known.residentBytes, bytes)
}

/** An instance that runs nothing and has run before holds so much. For apply.ts alone. */
export function observeResident(instance: InstanceState, bytes: number): void {
  const known = knownFootprint(instance.model, instance.device.kind)
  if (instance.idlePeakBytes === null) {
    const isGuess = !instance.model.declared.isSized && known.residentCount === 0 // all of the device
    const errorRatio = isGuess ? 0 : Math.abs(instance.bytes - bytes) / Math.max(1, bytes)
    known.errorRatio += (errorRatio - known.errorRatio) / (known.residentCount + 1)
    known.residentCount++
  }
  instance.idlePeakBytes = Math.max(instance.idlePeakBytes ?? 0, bytes)
  known.residentBytes = Math.max(known.residentBytes, bytes)
}

/** An instance goes: what it held at most pulls the estimate down if that was less, unless it has run little: arenas grow with
 *  what they have seen. If it was growing when it was last looked at, the next one begins with what this one held when it
 *  had settled. For apply.ts alone. */
export function settleResident(instance: InstanceState): void {
  const { model, device, idlePeakBytes, settledBytes, growth, batchCount } = instance
  const known = footprintOf(model, device.kind)
  if (!known || idlePeakBytes === null) return
  if (settledBytes !== null && growth.count >= growthsOfALeak)
    known.residentBytes = Math.min(known.residentBytes, settledBytes)
  if (idlePeakBytes < known.residentBytes && batchCount >= firstBatches)
    known.residentBytes += decay * (idlePeakBytes - known.residentBytes)
}

/** An instance that is being loaded holds so much. For apply.ts alone. */
export function observeLoading({ model, device }: InstanceState, bytes: number): void {
  const known = knownFootprint(model, device.kind)
  known.loadingBytes = Math.max(known.loadingBytes, bytes)
}

/** A batch held so much beside its instance: at most, if it `isPeak`, else at some moment. For apply.ts alone. */
export function observeActive(
  { model, device }: InstanceState,
  itemCount: number,
  bytes: number,
  isPeak: boolean,
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
