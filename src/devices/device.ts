// The device contract: what a piece of hardware offers and what is on it now. A device
// reads and decides nothing; a reading never fails, since what hardware does is a fact
// for the ledger and not an error of the caller.
//
// Foreign use is used − ours. Where a driver does not say which process holds what (`bytesByGroup`
// null: WDDM, a container with process ids of its own, some MIG set-ups), `used` cannot be split. Then
//   foreignBytes  is what was used when none of our groups was on the device, or the least
//                 that was used since, if that is less: what was surely there before us,
//                 and is not gone. It does not see foreign use that grows beside us.
//   usedBytes     lets whoever keeps the books see that too: what is used beyond everything booked is
//                 foreign as well, so the safe figure is the larger of foreignBytes and usedBytes − booked.
// Both err to the safe side as long as our instances hold no more than what is booked for them.

export type DeviceKind = 'host' | 'static' | 'nvidia' | 'amd'

export interface Device {
  readonly id: string
  readonly kind: DeviceKind
  /** As people know it: "NVIDIA GeForce RTX 4080". */
  readonly name: string
  /** As the driver knows it, the same after a restart; null: it has none. */
  readonly uuid: string | null
  /** Variables that make a process see this device and no other. */
  readonly environment: Readonly<Record<string, string>>
  /** A reading of now. `groups` are the process groups of our own instances on this device. Never rejects. */
  read(groups: readonly number[]): Promise<DeviceReading>
  /** Lets go of the driver, also for devices that share it. Not to be read afterwards. */
  close(): Promise<void>
}

export interface DeviceReading {
  /** What processes can have, and we may use: no more than was declared. */
  capacityBytes: number
  /** Held by processes that are not ours, as far as it leaves less than the capacity. */
  foreignBytes: number
  /** In use by anybody, as far as it counts against the capacity; null: this device cannot tell. */
  usedBytes: number | null
  /** Process group to the bytes it holds, also while the driver still holds them after
   * its end; a group without any is missing. null: this device cannot tell. */
  bytesByGroup: ReadonlyMap<number, number> | null
  /** Process group to the most bytes it held since the last reading of it; left out, or
   * without the group: unknown. */
  peakByGroup?: ReadonlyMap<number, number>
  /** Share of the time that it computes, 0 to 1; null: this device cannot tell. */
  utilisationRatio: number | null
  /** Why nothing should be put on it: it is gone, broken, or its driver does not
   * answer. The other numbers are then the last known ones. null: it is well. */
  fault: string | null
}

/** Which device is meant: an element of `gpus` in a pipeline. */
export interface DeviceSpec {
  /** With `auto` the beginning of the ids: "gpu" for gpu0, gpu1, … */
  id: string
  /** `auto`: every NVIDIA and AMD device that is found and not named by another element. */
  kind: DeviceKind | 'auto'
  /** Most that may be used; null: all of it. Always set for host and static. */
  memoryBytes: number | null
  safetyRatio: number
  /** Which of its kind, counted as the driver does, for nvidia and amd; null: by uuid. */
  index: number | null
  uuid: string | null
}
