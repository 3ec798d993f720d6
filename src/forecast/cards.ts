// Cards that nobody has yet, as devices of a simulation.
import type { DeviceOptions } from '../core/state/state.ts'

/** One device for each size, bytes. Ids have the same length, so that their order is the order of the
 * cards. */
export function simulatedCards(
  memoryBytes: readonly number[],
  options: Pick<DeviceOptions, 'safetyRatio' | 'slots'>,
): DeviceOptions[] {
  const idLength = String(memoryBytes.length - 1).length
  return memoryBytes.map((capacityBytes, index) => ({
    id: `gpu${String(index).padStart(idLength, '0')}`,
    kind: 'simulated',
    capacityBytes,
    ...options,
  }))
}
