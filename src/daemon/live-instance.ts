// An instance as the daemon holds it: the runner's process, the device it is on, and how far its end has
// come.
import type { Device } from '../devices/device.ts'
import type { Instance } from '../runners/runner.ts'

export interface LiveInstance {
  instance: Instance
  /** null: it needs no device memory. */
  device: Device | null
  /** Set once its end has been asked for or noticed; resolves when its memory is back. */
  ending: Promise<void> | null
  /** Its end was asked for: what it did not answer is not its items' fault. */
  isAsked: boolean
  /** Most bytes that were read since this was last set to null; null: none, or its device does not know. */
  peakBytes: number | null
}
