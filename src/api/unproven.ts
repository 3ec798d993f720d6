// What a run could not prove at its end: instances whose processes are not gone, or whose memory the device
// does not show back, in the time that a close may take. They are named, since somebody may have to do
// something about them.
import { causeOf } from '../core/explain/memory.ts'
import type { DeviceId, InstanceId } from '../core/state/events.ts'
import type { State } from '../core/state/state.ts'
import { formatBytes } from '../core/units.ts'

export interface Unproven {
  instanceId: InstanceId
  deviceId: DeviceId
  /** Booked for it. */
  bytes: number
  cause: string
}

/** `ids`: what the daemon's `close` answered. */
export function unprovenOf({ instanceById }: State, ids: readonly InstanceId[]): Unproven[] {
  return ids.flatMap((instanceId) => {
    const instance = instanceById.get(instanceId)
    if (!instance) return []
    const { device, bytes } = instance
    return [{ instanceId, deviceId: device.id, bytes, cause: causeOf(instance) }]
  })
}

/** One line for each. */
export function formatUnproven({ instanceId, deviceId, bytes, cause }: Unproven): string {
  const what =
    bytes > 0
      ? `that the ${formatBytes(bytes)} of ${instanceId} on ${deviceId} are back`
      : `that ${instanceId} is gone`
  return `It could not be proven ${what}: ${cause}. The next run looks for it before it promises any memory; \`plimsoll doctor\` shows whether it is still there.`
}
