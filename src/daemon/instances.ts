// Starts and stops instances, and proves that their memory came back. Each function carries out one command
// and ends with the event that reports its effect; a failure is an event too, never an exception.
import type { InstanceId, SchedulerEvent } from '../core/state/events.ts'
import type { Device } from '../devices/device.ts'
import { outOfMemory } from '../runners/out-of-memory.ts'
import type { Instance, LoadAnswer, Runner } from '../runners/runner.ts'
import { type Clock, Waits, within } from './clock.ts'
import type { LiveInstance } from './live-instance.ts'
import { Readings } from './readings.ts'
import { type Booked, release } from './release.ts'

export interface InstancesOptions {
  clock: Clock
  emit: (event: SchedulerEvent) => void
  booked: (instanceId: InstanceId) => Booked
  onError: (error: unknown) => void
}

export class Instances {
  readonly live = new Map<InstanceId, LiveInstance>()
  readonly readings: Readings
  readonly #clock: Clock
  readonly #emit: (event: SchedulerEvent) => void
  readonly #booked: (instanceId: InstanceId) => Booked
  /** For memory to come back; over when `close` has given up. */
  readonly #waits: Waits

  constructor({ clock, emit, booked, onError }: InstancesOptions) {
    this.#clock = clock
    this.#waits = new Waits(clock)
    this.#emit = (event) => {
      if (!this.#waits.areOver) emit(event)
    }
    this.#booked = booked
    this.readings = new Readings({ clock, live: this.live, emit: this.#emit, onError, waits: this.#waits })
  }

  /** start-load: ends with load-finished, or load-failed and memory-released. */
  async load(runner: Runner, instanceId: InstanceId, device: Device | null): Promise<void> {
    const startedAtMs = this.#clock.nowMs()
    let instance: Instance
    try {
      instance = runner.start(instanceId, device?.environment)
    } catch (error) {
      this.#emit({
        type: 'load-failed',
        atMs: this.#clock.nowMs(),
        instanceId,
        message: (error as Error).message,
      })
      this.#emit({ type: 'memory-released', atMs: this.#clock.nowMs(), instanceId })
      return
    }
    const live: LiveInstance = { instance, device, ending: null, isAsked: false, peakBytes: null }
    this.live.set(instanceId, live)
    const answer = await instance.load()
    const atMs = this.#clock.nowMs()
    if (live.ending) return
    if (answer.type === 'failed') {
      this.#emit({ type: 'load-failed', atMs, instanceId, ...failureOf(answer) })
      await this.#end(instanceId)
      return
    }
    const { residentBytes, maxBatch } = answer
    this.#emit({
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

  /** A batch says that the instance can no longer be used: ends with instance-failed and memory-released. For
   * other batches on it this is an end that was asked for. */
  fail(instanceId: InstanceId, message: string): Promise<void> {
    const live = this.live.get(instanceId)
    if (live) live.isAsked = true
    return this.#failed(instanceId, message)
  }

  async #failed(instanceId: InstanceId, message: string): Promise<void> {
    if (this.live.get(instanceId)?.ending === null) {
      this.#emit({ type: 'instance-failed', atMs: this.#clock.nowMs(), instanceId, message })
    }
    await this.#end(instanceId)
  }

  /** stop-instance: ends with memory-released. */
  stop(instanceId: InstanceId): Promise<void> {
    const live = this.live.get(instanceId)
    if (live?.ending === null) live.isAsked = true
    return this.#end(instanceId)
  }

  /** Ends all instances. After `limitMs` those that are not proven gone, or whose memory is not back, are
   * left to the next start: answers with them. */
  async close(limitMs: number): Promise<InstanceId[]> {
    await within(this.#clock, limitMs, Promise.all([...this.live.keys()].map((id) => this.stop(id))))
    this.#waits.endAll()
    return [...this.live.keys()]
  }

  #end(instanceId: InstanceId): Promise<void> {
    const live = this.live.get(instanceId)
    if (!live) return Promise.resolve()
    live.ending ??= this.#release(instanceId, live)
    return live.ending
  }

  async #release(instanceId: InstanceId, live: LiveInstance): Promise<void> {
    const isBack = await release(live, {
      clock: this.#clock,
      readings: this.readings,
      booked: this.#booked(instanceId),
      onDelay: (cause) =>
        this.#emit({ type: 'release-delayed', atMs: this.#clock.nowMs(), instanceId, cause }),
      waits: this.#waits,
    })
    if (!isBack) return
    this.live.delete(instanceId)
    this.#emit({ type: 'memory-released', atMs: this.#clock.nowMs(), instanceId })
  }
}

function failureOf({ error, retryable }: Extract<LoadAnswer, { type: 'failed' }>) {
  const { code, message } = error
  return {
    message,
    ...(code === outOfMemory ? { isOutOfMemory: true } : {}),
    ...(retryable ? {} : { isFinal: true }),
  }
}
