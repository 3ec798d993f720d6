// The daemon's hands: starts and stops instances, and proves that their memory came back. Each function carries out one
// command and ends with the event that tells its effect; a failure is an event too, never an exception.
import type { InstanceId, SchedulerEvent } from '../core/protocol.ts'
import type { Device } from '../devices/device.ts'
import type { Instance, Runner } from '../runners/runner.ts'
import { type Clock, sleep, within } from './clock.ts'

/** How often a device is asked whether bytes are back, ms: from design.md's 250 ms polls. */
const releasePollMs = 250

export interface LiveInstance {
  instance: Instance
  device: Device | null
  /** Set once its end has been asked for or noticed; resolves when its memory is back. */
  ending: Promise<void> | null
  /** Its end was asked for: what it did not answer is not its items' fault. */
  isAsked: boolean
}

export class Hands {
  readonly live = new Map<InstanceId, LiveInstance>()
  readonly #clock: Clock
  readonly #tell: (event: SchedulerEvent) => void
  #hasGivenUp = false

  constructor(clock: Clock, tell: (event: SchedulerEvent) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** start-load: ends with load-finished, or load-failed and memory-released. */
  async load(runner: Runner, instanceId: InstanceId, device: Device | null): Promise<void> {
    const startedAtMs = this.#clock.nowMs()
    let instance: Instance
    try {
      instance = runner.start(instanceId, device?.environment)
    } catch (error) {
      this.#tell({
        type: 'load-failed',
        atMs: this.#clock.nowMs(),
        instanceId,
        message: (error as Error).message,
      })
      this.#tell({ type: 'memory-released', atMs: this.#clock.nowMs(), instanceId })
      return
    }
    const live: LiveInstance = { instance, device, ending: null, isAsked: false }
    this.live.set(instanceId, live)
    const answer = await instance.load()
    const atMs = this.#clock.nowMs()
    if (live.ending) return
    if (answer.type === 'failed') {
      this.#tell({ type: 'load-failed', atMs, instanceId, message: answer.error.message })
      await this.#end(instanceId)
      return
    }
    const { residentBytes, maxBatch } = answer
    this.#tell({
      type: 'load-finished',
      atMs,
      instanceId,
      loadMs: atMs - startedAtMs,
      residentBytes,
      maxBatch,
    })
    const exit = await instance.exited
    if (!live.ending) await this.#failed(instanceId, exit.cause)
  }

  /** A batch says that the instance can no longer be used: ends with instance-failed and memory-released. For other
   * batches on it this is an end that was asked for. */
  fail(instanceId: InstanceId, message: string): Promise<void> {
    const live = this.live.get(instanceId)
    if (live) live.isAsked = true
    return this.#failed(instanceId, message)
  }

  async #failed(instanceId: InstanceId, message: string): Promise<void> {
    if (this.live.get(instanceId)?.ending === null) {
      this.#tell({ type: 'instance-failed', atMs: this.#clock.nowMs(), instanceId, message })
    }
    await this.#end(instanceId)
  }

  /** stop-instance: ends with memory-released. */
  stop(instanceId: InstanceId): Promise<void> {
    const live = this.live.get(instanceId)
    if (live?.ending === null) live.isAsked = true
    return this.#end(instanceId)
  }

  /** Ends all instances. After `limitMs` those that are not proven gone, or whose memory is not back, are left to the next
   * start: answers with them. */
  async close(limitMs: number): Promise<InstanceId[]> {
    await within(this.#clock, limitMs, Promise.all([...this.live.keys()].map((id) => this.stop(id))))
    this.#hasGivenUp = true
    return [...this.live.keys()]
  }

  #end(instanceId: InstanceId): Promise<void> {
    const live = this.live.get(instanceId)
    if (!live) return Promise.resolve()
    live.ending ??= this.#release(instanceId, live)
    return live.ending
  }

  async #release(instanceId: InstanceId, { instance, device }: LiveInstance): Promise<void> {
    const group = instance.pid
    await instance.stop()
    while (device && group !== null && (await stillHolds(device, group)) && !this.#hasGivenUp)
      await sleep(this.#clock, releasePollMs)
    if (this.#hasGivenUp) return
    this.live.delete(instanceId)
    this.#tell({ type: 'memory-released', atMs: this.#clock.nowMs(), instanceId })
  }

  /** A reading of a device: one memory-observed event. A device that cannot tell is not asked. */
  async observe(device: Device): Promise<void> {
    const mine = [...this.live].flatMap(([instanceId, live]) =>
      live.device === device && live.instance.pid !== null ? [{ instanceId, group: live.instance.pid }] : [],
    )
    const reading = await device.read(mine.map(({ group }) => group))
    if (!reading.bytesByGroup) return
    const bytesByInstance = Object.fromEntries(
      mine.flatMap(({ instanceId, group }) => {
        const bytes = reading.bytesByGroup?.get(group)
        return bytes === undefined ? [] : [[instanceId, bytes]]
      }),
    )
    const { capacityBytes, foreignBytes } = reading
    const atMs = this.#clock.nowMs()
    this.#tell({
      type: 'memory-observed',
      atMs,
      deviceId: device.id,
      capacityBytes,
      foreignBytes,
      bytesByInstance,
    })
  }
}

/** A device that cannot be read shows nothing back. */
async function stillHolds(device: Device, group: number): Promise<boolean> {
  try {
    const { bytesByGroup } = await device.read([group])
    return (bytesByGroup?.get(group) ?? 0) > 0
  } catch {
    return true
  }
}
