// A device that is only declared: nothing is measured, what is booked is believed.
import type { Device, DeviceReading } from './device.ts'

export function staticDevice(id: string, capacityBytes: number): Device {
  const reading: DeviceReading = {
    capacityBytes,
    foreignBytes: 0,
    usedBytes: null,
    bytesByGroup: null,
    utilisationRatio: null,
    fault: null,
  }
  return {
    id,
    kind: 'static',
    name: 'declared',
    uuid: null,
    environment: {},
    read: () => Promise.resolve(reading),
    close: () => Promise.resolve(),
  }
}
