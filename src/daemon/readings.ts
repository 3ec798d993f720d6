// What the devices show, twice a second, each on its own: one that takes its time keeps none waiting. Each
// reading is one memory-observed event, also those that are asked for in between, when a release is awaited
// or a batch is measured.
import type { InstanceId, SchedulerEvent } from '../core/state/events.ts'
import type { Device, DeviceReading } from '../devices/device.ts'
import type { Clock, Waits } from './clock.ts'
import type { LiveInstance } from './live-instance.ts'

/** How often a device is read, ms. A reading of RAM costs about a millisecond. */
const observeMs = 500

/** How long somebody waits for a reading, ms; when it comes later it is told all the same. */
const answerLimitMs = 2000

export interface ReadingsOptions {
  clock: Clock
  live: ReadonlyMap<InstanceId, LiveInstance>
  emit: (event: SchedulerEvent) => void
  onError: (error: unknown) => void
  waits: Waits
}

export class Readings {
  readonly #options: ReadingsOptions
  readonly #last = new Map<Device, DeviceReading>()
  readonly #timers = new Map<Device, () => void>()
  #isOver = false

  constructor(options: ReadingsOptions) {
    this.#options = options
  }

  /** Resolves when each device has been read once; rejects when one cannot be. Later a device that cannot be
   * read has no new reading: the last one stands, and grows stale. */
  async start(devices: Iterable<Device>): Promise<void> {
    await Promise.all(
      [...devices].map(async (device) => {
        await this.#observe(device)
        this.#wait(device)
      }),
    )
  }

  /** No further readings by themselves. */
  pause(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#isOver = true
  }

  last(device: Device): DeviceReading | null {
    return this.#last.get(device) ?? null
  }

  knowsPeaks(device: Device): boolean {
    return this.last(device)?.peakByGroup !== undefined
  }

  /** A reading now; null: none came in time. */
  async read(device: Device): Promise<DeviceReading | null> {
    let reading: DeviceReading | null = null
    const task = this.#observe(device).then(
      (each) => {
        reading = each
      },
      () => {}, // no reading
    )
    await this.#options.waits.within(answerLimitMs, task)
    return reading
  }

  #wait(device: Device): void {
    if (this.#isOver) return
    const { clock, onError } = this.#options
    const again = () =>
      this.#observe(device)
        .catch(() => {}) // no reading
        .then(() => this.#wait(device))
        .catch(onError)
    this.#timers.set(device, clock.after(observeMs, again))
  }

  async #observe(device: Device): Promise<DeviceReading> {
    const { clock, live, emit } = this.#options
    const mine = [...live.values()].flatMap((each) => {
      const { pid } = each.instance
      return each.device === device && pid !== null ? [{ each, group: pid }] : []
    })
    const askedAtMs = clock.nowMs()
    const reading = await device.read(mine.map(({ group }) => group))
    const { bytesByGroup, peakByGroup, capacityBytes, foreignBytes, usedBytes, fault } = reading
    const bytesByInstance: Record<InstanceId, number> = {}
    const peakByInstance: Record<InstanceId, number> = {}
    for (const { each, group } of mine) {
      const id = each.instance.instanceId
      const bytes = bytesByGroup?.get(group)
      const peakBytes = peakByGroup?.get(group)
      if (live.get(id) !== each) continue
      if (bytes !== undefined) bytesByInstance[id] = bytes
      if (peakBytes !== undefined) {
        peakByInstance[id] = peakBytes
        each.peakBytes = Math.max(each.peakBytes ?? 0, peakBytes, bytes ?? 0) // it is no less than what is held
      }
    }
    this.#last.set(device, reading)
    emit({
      type: 'memory-observed',
      atMs: clock.nowMs(),
      askedAtMs,
      deviceId: device.id,
      capacityBytes,
      foreignBytes,
      usedBytes,
      bytesByInstance,
      peakByInstance,
      fault,
    })
    return reading
  }
}
