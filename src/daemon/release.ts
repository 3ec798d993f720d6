// Proof that the memory of an instance is back: first its processes are gone, then its device shows its bytes
// free. After five seconds it reports what is in the way, and again whenever that changes; it never gives up.
// Two kinds of devices cannot show it as such:
//
//   not well             The device shows nothing. The end of the processes is the proof.
//   who holds what       The device cannot tell. What is in use must have gone down by most of what was
//                        booked, or to what is booked for others or was foreign. It is waited for some
//                        seconds; what is not back then is used beyond the books, and that is foreign use.

import { formatBytes } from '../core/units.ts'
import type { Device } from '../devices/device.ts'
import type { Clock, Waits } from './clock.ts'
import type { LiveInstance } from './live-instance.ts'
import type { Readings } from './readings.ts'

/** From here on a release is late, ms: the default of policy.releaseTimeout. */
const lateMs = 5000

/** What must be back of an instance where a device cannot emit, of what was booked: drivers keep a little. */
const enoughRatio = 0.9

/** On the device of an instance when its end begins. */
export interface Booked {
  ownBytes: number
  /** What may be in use besides: booked for others, or foreign. */
  othersBytes: number
}

export interface ReleaseContext {
  clock: Clock
  readings: Readings
  booked: Booked
  onDelay: (cause: string) => void
  waits: Waits
}

/** Resolves when the memory is back; false: it was no longer of interest before that. */
export async function release(
  { instance, device }: LiveInstance,
  { clock, readings, booked, onDelay, waits }: ReleaseContext,
): Promise<boolean> {
  const group = instance.pid
  const startedAtMs = clock.nowMs()
  const usedBeforeBytes = (device && readings.last(device)?.usedBytes) ?? null
  let reported: string | null = null
  const passedMs = () => clock.nowMs() - startedAtMs
  const delayed = (cause: string) => {
    if (passedMs() < lateMs || cause === reported) return
    reported = cause
    onDelay(cause)
  }

  let isGone = false
  const stopped = instance.stop().then(() => {
    isGone = true
  })
  for (;;) {
    await waits.within(pollMs(passedMs()), stopped)
    if (waits.areOver) return false
    if (isGone) break
    delayed(instance.remains())
  }
  if (!device || group === null) return true
  for (;;) {
    const held = await stillHeld(device, group, readings, usedBeforeBytes, booked)
    if (waits.areOver) return false
    if (held === null || (held.isUncertain && passedMs() >= lateMs)) return true
    delayed(held.cause)
    await waits.within(pollMs(passedMs()))
    if (waits.areOver) return false
  }
}

/** 250 ms for 5 s, a second up to 30 s, 5 s after. */
function pollMs(passedMs: number): number {
  return passedMs < lateMs ? 250 : passedMs < 30_000 ? 1000 : 5000
}

/** null: nothing. */
async function stillHeld(
  device: Device,
  group: number,
  readings: Readings,
  usedBeforeBytes: number | null,
  { ownBytes, othersBytes }: Booked,
): Promise<{ cause: string; isUncertain: boolean } | null> {
  const reading = await readings.read(device)
  if (!reading) return { cause: `${device.id} does not answer`, isUncertain: false }
  if (reading.fault !== null) return null
  if (reading.bytesByGroup) {
    const bytes = reading.bytesByGroup.get(group) ?? 0
    if (bytes === 0) return null
    return {
      cause: `${device.id} still shows ${formatBytes(bytes)} of it, although its processes are gone`,
      isUncertain: false,
    }
  }
  if (usedBeforeBytes === null || reading.usedBytes === null) return null
  const backBytes = usedBeforeBytes - reading.usedBytes
  if (backBytes >= ownBytes * enoughRatio || reading.usedBytes <= othersBytes) return null
  return { cause: `${device.id} shows ${formatBytes(Math.max(0, backBytes))} of it back`, isUncertain: true }
}
