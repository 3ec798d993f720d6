// A device that is only declared: nothing is measured, what is booked is believed.
import type { Device } from './device.ts'

export function staticDevice(
  id: string,
  capacityBytes: number,
  environment: Record<string, string> = {},
): Device {
  const reading = { capacityBytes, foreignBytes: 0, bytesByGroup: null }
  return { id, kind: 'static', environment, read: () => Promise.resolve(reading) }
}
