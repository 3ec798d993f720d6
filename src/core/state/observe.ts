// What a reading of a device changes: its budget, what its instances are known to hold, and what is learned
// from that (learning.ts). For apply.ts alone.
//
//   foreign use      What is not ours. A device that cannot say who holds what shows only how much is in use:
//                    what is more than the books say counts as foreign.
//   held > booked    The difference is booked at once, as far as there is room. The rest is a deficit: it
//                    blocks new loads and shows its size, but evicts no instance that has work.
//   held < booked    An instance that runs nothing gives back what was booked for its load alone, and, once
//                    the model was loaded often enough, what it has never needed.
//
// It also counts signs of memory that does not come back. An instance that holds more after each of many
// batches leaks; so does a device that has less after each of several unloads (drivers: ollama#10597,
// triton#6836).

import { lineBytes } from '../vram.ts'
import type { EventOf } from './events.ts'
import { restingBytes } from './footprint.ts'
import { observeFresh, observeLoading, observeResident } from './learning.ts'
import { bookedBytes, headroomBytes, resize } from './ledger.ts'
import type { DeviceState, InstanceState, State } from './state.ts'

type Reading = EventOf<'memory-observed'>

/** Batches after which an instance has settled. What it holds more than then may be a leak. Chosen, not
 * measured. */
const settledBatches = 3

/** An instance has grown if it holds so many times its last peak: the heap of a runtime breathes by less.
 * Chosen, not measured. */
const growthRatio = 1.01

/** An unload has left something behind if so much more is in use than before the load. Chosen, not
 * measured. */
const leftBehindBytes = 16e6

/** A reading of a device. One that was asked for before the last one changes nothing. */
export function observe(state: State, reading: Reading): void {
  const device = state.deviceById.get(reading.deviceId)
  if (!device) return
  const { capacityBytes, bytesByInstance, peakByInstance = {}, fault = null } = reading
  const askedAtMs = reading.askedAtMs ?? reading.atMs
  if (device.observedAtMs !== null && askedAtMs < device.observedAtMs) return
  device.observedAtMs = askedAtMs
  device.fault = fault
  device.capacityBytes = capacityBytes
  device.unattributed = unattributed(device, reading)
  setForeign(device, reading.foreignBytes)
  for (const instance of device.instances) {
    const bytes = bytesByInstance[instance.id]
    if (bytes !== undefined) recordReading(instance, bytes, Math.max(bytes, peakByInstance[instance.id] ?? 0))
  }
  for (const instance of device.instances) balance(instance)
  watchForeign(device)
}

function unattributed(device: DeviceState, reading: Reading): DeviceState['unattributed'] {
  const { foreignBytes, usedBytes = null, bytesByInstance } = reading
  const isUnattributed = Object.keys(bytesByInstance).length === 0 && device.instances.length > 0
  return isUnattributed && usedBytes !== null ? { usedBytes, foreignBytes } : null
}

/** The books of a device have changed without a reading: what is in use beyond them counts as foreign, where
 * the device cannot say who holds what. */
export function recountForeign(device: DeviceState): void {
  if (device.unattributed) setForeign(device, device.unattributed.foreignBytes)
}

function setForeign(device: DeviceState, foreignBytes: number): void {
  const { unattributed, ledger } = device
  const beyondBytes = unattributed ? unattributed.usedBytes - bookedBytes(ledger) : 0
  device.foreignBytes = Math.max(foreignBytes, beyondBytes)
  device.budgetBytes = Math.max(0, lineBytes(device) - device.foreignBytes)
}

function recordReading(instance: InstanceState, bytes: number, peakBytes: number): void {
  instance.measuredBytes = bytes
  if (instance.phase === 'starting') observeLoading(instance, peakBytes)
  if (instance.phase !== 'ready') return
  if (instance.runningCount > 0) {
    instance.batchPeakBytes = Math.max(instance.batchPeakBytes ?? 0, peakBytes)
    return
  }
  observeRest(instance, bytes)
}

/** An instance that runs nothing holds so much. */
export function observeRest(instance: InstanceState, bytes: number): void {
  instance.beforeBatchBytes = bytes
  if (instance.batchCount === 0) {
    instance.freshBytes = bytes
    observeFresh(instance, bytes)
    return
  }
  watchGrowth(instance, bytes)
  observeResident(instance, bytes)
}

function watchGrowth(instance: InstanceState, bytes: number): void {
  const { batchCount, growth } = instance
  if (batchCount === growth.batchCount) return // nothing has run since the last look
  const hasGrown = bytes > (instance.idlePeakBytes ?? bytes) * growthRatio
  growth.count = hasGrown ? growth.count + 1 : Math.max(0, growth.count - 1)
  growth.batchCount = batchCount
  if (batchCount >= settledBatches) instance.settledBytes ??= bytes
}

/** Compares what an instance holds with what is booked for it. */
function balance(instance: InstanceState): void {
  const { device, phase, measuredBytes, runningCount } = instance
  device.deficitBytes -= instance.deficitBytes
  instance.deficitBytes = 0
  if (measuredBytes === null) return
  const heldBytes = measuredBytes - instance.activeBytes
  if (phase === 'starting' || phase === 'ready') {
    const missingBytes = heldBytes - instance.bytes
    if (missingBytes > 0)
      resize(instance, instance.bytes + Math.min(missingBytes, Math.max(0, headroomBytes(device))))
    else if (phase === 'ready' && runningCount === 0) resize(instance, restingBytes(instance, heldBytes))
  }
  instance.deficitBytes = Math.max(0, heldBytes - instance.bytes)
  device.deficitBytes += instance.deficitBytes
}

/** Compares foreign use after each unload with what it was before the load. */
function watchForeign(device: DeviceState): void {
  const { leak } = device
  for (const beforeBytes of leak.unloads.splice(0)) {
    const leftBytes = device.foreignBytes - beforeBytes
    if (leftBytes < leftBehindBytes) {
      leak.count = 0
      leak.bytes = 0
    } else {
      leak.count++
      leak.bytes += leftBytes
    }
  }
}
