// What is refused at the door: items of unknown models, and models that no device can ever hold. Everything else may
// wait; nothing is refused because it is busy now.
import type { SchedulerError } from './errors.ts'
import { leastBytesOn } from './footprint.ts'
import { leastBytes, type ModelId } from './model.ts'
import { cpuDeviceId, type DeviceState, type ModelState, modelOf, type State } from './state.ts'
import { neverFits } from './vram.ts'

/** Throws UNKNOWN_MODEL, or NEVER_FITS with the numbers. */
export function admit(state: State, modelIds: Iterable<ModelId>): void {
  let known: ModelId | null = null
  for (const modelId of modelIds) {
    if (modelId !== known) assertFits(state, modelOf(state, modelId))
    known = modelId
  }
}

function assertFits(state: State, { model }: ModelState): void {
  const neededBytes = leastBytes(model)
  let best = state.devices[0]
  for (const device of state.devices) if (best && device.budgetBytes > best.budgetBytes) best = device
  const {
    capacityBytes: totalBytes = 0,
    safetyRatio: safetyFactor = 1,
    budgetBytes: usableBytes = 0,
  } = best ?? {}
  if (neededBytes > usableBytes)
    throw neverFits(model.id, neededBytes, { totalBytes, safetyFactor, usableBytes })
}

/** A model that is declared small enough and was seen to need more than any device has, whatever else is on it. */
export function neverFitsAsMeasured({ devices }: State, each: ModelState): SchedulerError | null {
  let best: DeviceState | null = null
  for (const device of devices) {
    if (device.id === cpuDeviceId) continue
    if (leastBytesOn(each, device) <= lineBytes(device)) return null
    if (best === null || lineBytes(device) > lineBytes(best)) best = device
  }
  if (best === null) return null
  const { capacityBytes: totalBytes, safetyRatio: safetyFactor } = best
  const offer = { totalBytes, safetyFactor, usableBytes: lineBytes(best) }
  return neverFits(each.model.id, leastBytesOn(each, best), offer)
}

/** What a device could promise if nobody else used it. */
function lineBytes({ capacityBytes, safetyRatio }: DeviceState): number {
  return Math.floor(capacityBytes * safetyRatio)
}
