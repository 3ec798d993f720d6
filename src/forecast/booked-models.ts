// Models as a forecast counts them: with the sizes that a run would book, declared or learned, and the pace
// and load times that were measured. A model of which no size is known is booked as its first load would be:
// alone, with a whole device.

import type { Model } from '../core/model.ts'
import { activeBytesOn, loadingBytesOn, needsDevice } from '../core/state/footprint.ts'
import { cpuDeviceId, type DeviceState, type ModelState, type State } from '../core/state/state.ts'

export function bookedModels(state: State): Model[] {
  return state.models.map((each) => bookedModel(each, memoryDevices(state)))
}

/** Where it needs least. */
function bookedModel(each: ModelState, devices: readonly DeviceState[]): Model {
  const { model, loadMs } = each
  let [vramBytes, activationBytes] = [model.vramBytes, model.batch.activationBytes]
  for (const [index, device] of needsDevice(each) ? devices.entries() : []) {
    const bytes = loadingBytesOn(each, device)
    if (index > 0 && bytes >= vramBytes) continue
    vramBytes = bytes
    activationBytes = Math.ceil(activeBytesOn(each, device, model.batch.max) / model.batch.max)
  }
  return { ...model, isSized: true, loadMs, vramBytes, batch: { ...model.batch, activationBytes } }
}

export function memoryDevices({ devices }: State): DeviceState[] {
  return devices.filter(({ id }) => id !== cpuDeviceId)
}
