// The device contract: what a piece of hardware offers and what is on it now. Kinds: `host` (RAM as a device, measured
// by the resident memory of processes), `static` (only declared, nothing measured); NVIDIA and AMD come with their drivers.

export interface Device {
  readonly id: string
  readonly kind: 'host' | 'static' | 'nvidia' | 'amd'
  /** Variables that make this device the one a runner sees, e.g. CUDA_VISIBLE_DEVICES. */
  readonly environment: Record<string, string>
  /** A reading of now. `groups` are the process groups of our own instances on this device. */
  read(groups: readonly number[]): Promise<DeviceReading>
}

export interface DeviceReading {
  capacityBytes: number
  /** Bytes held by processes that are not ours, as far as they count against the capacity. */
  foreignBytes: number
  /** Process group to the bytes it holds; a group that is gone is missing. null: this device cannot tell. */
  bytesByGroup: ReadonlyMap<number, number> | null
}
