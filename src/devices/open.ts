// From a declared device to the one that reads it.
import type { Device } from './device.ts'
import { hostDevice } from './host.ts'
import { staticDevice } from './static.ts'

export function openDevice({
  id,
  kind,
  memoryBytes,
}: {
  id: string
  kind: 'host' | 'static'
  memoryBytes: number
}): Device {
  return kind === 'host' ? hostDevice(id, memoryBytes) : staticDevice(id, memoryBytes)
}
