// How much memory to book for a model on a kind of device. Three sizes, each apart:
//
//   resident   what a loaded instance holds while it runs nothing
//   loading    the most that an instance holds during its load: some loaders hold the weights twice for a
//              moment
//   active     what a running batch holds on top of resident, by the number of its items
//
// (1) What was declared is booked until a model has been loaded `enoughLoads` times. A reading above it
//     counts at once.
// (2) Then what was learned (learning.ts) is booked, with a small margin, whether it is more or less than
//     declared.
// (3) A model that declares no size is loaded alone on a device, with all that the device offers, until one
//     instance has been measured.
import { lineBytes } from '../vram.ts'
import { isStaying, offeredBytes, pinnedBytes } from './ledger.ts'
import type { DeviceState, Footprint, InstanceState, ModelState } from './state.ts'

/** Loads, or batches of a size, after which what was learned is booked instead of what was declared. The aim
 * is to be within 5 % after three. */
const enoughLoads = 3

/** What is booked above what was learned. Two loads of the demo's models differ by up to 2 % (`plimsoll
 * models`). */
const marginRatio = 1.02

/** What was seen of a model on a kind of device; null: nothing. */
export function footprintOf({ footprints }: ModelState, kind: string): Footprint | null {
  if (footprints.length === 0) return null
  return footprints.find((each) => each.kind === kind) ?? null
}

/** Whether a model takes device memory at all. One that does not is loaded beside all others. */
export function needsDevice({ declared }: ModelState): boolean {
  return declared.vramBytes > 0
}

/** Bytes to book for a loaded instance of a model that needs a device. (1), (2), (3) */
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

/** Bytes that stay booked for an instance that runs nothing and holds `heldBytes`. What was booked for its
 * load alone, or was never needed, is given back. While the size of the model is not known and the instance
 * has not run, all stays booked: its first batch may need it. */
export function restingBytes({ model, device, bytes, batchCount }: InstanceState, heldBytes: number): number {
  const { residentCount = 0 } = footprintOf(model, device.kind) ?? {}
  const isKnown = model.declared.isSized || batchCount + residentCount > 0
  return isKnown ? Math.min(bytes, Math.max(heldBytes, residentBytesOn(model, device))) : bytes
}

/** What instances of the model were seen to hold while they ran nothing; 0: none was seen. */
export function learnedRestBytes({ model, device }: InstanceState): number {
  return footprintOf(model, device.kind)?.residentBytes ?? 0
}

/** Bytes to book for a load: at least those of the loaded instance. */
export function loadingBytesOn(each: ModelState, device: DeviceState): number {
  const known = footprintOf(each, device.kind)
  const residentBytes = residentBytesOn(each, device)
  return known ? Math.max(residentBytes, Math.ceil(known.loadingBytes)) : residentBytes
}

/** Bytes to book for a batch of n items, from the peak of the seen size that holds n items, or of the largest
 * seen size. A batch larger than all that were seen needs more in proportion. A batch of half the seen size
 * or less is booked like the larger one, since part of a batch's memory is fixed, but never beyond what the
 * device has beside the model:
 *
 *   peak × max(1, n ÷ seen)                        in general
 *   min(peak, max(peak × n ÷ seen, beside))        where n is half of the seen size or less */
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

/** What a device has beside a model and what is pinned, once everything else has gone. */
function besideBytes(each: ModelState, device: DeviceState, { residentBytes }: Footprint): number {
  const { isSized, vramBytes } = each.declared
  const ownBytes = Math.max(isSized ? vramBytes : 1, Math.ceil(residentBytes * marginRatio))
  return lineBytes(device) - pinnedBytes(device, each) - ownBytes
}

/** Least bytes that a device must offer to load the model and run one item of it, beside what is pinned there
 * and one item of that. */
export function leastBytesOn(each: ModelState, device: DeviceState): number {
  const roomBytes = pinnedRoomOn(each, device)
  return Math.max(
    loadingBytesOn(each, device) + roomBytes,
    residentBytesOn(each, device) + Math.max(activeBytesOn(each, device, 1), roomBytes),
  )
}

/** Room for one item of the most demanding of the other models that are pinned there. */
function pinnedRoomOn(each: ModelState, device: DeviceState): number {
  let bytes = 0
  if (!device.hasPins) return bytes
  for (const instance of device.instances) {
    const { model } = instance
    if (isStaying(instance) && model !== each) bytes = Math.max(bytes, activeBytesOn(model, device, 1))
  }
  return bytes
}
