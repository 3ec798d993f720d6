// Simulated devices and runners on virtual time: they obey commands and say later what
// became of them. They have no rules of their own. Physics (docs/policy.md):
//
//   - a device has one memory lane: unloads and loads go through it one at a time, in the order
//     they were asked for; an eviction takes the victim's unloadMs, then its bytes are back;
//   - batches run beside the memory lane, in the device's slots, and are not interrupted;
//   - what needs no device memory has no lane: it loads at once beside others;
//   - load and run times may be spread around what the models say, by factors of mean 1 (spread.ts).

import { Heap } from '../core/heap.ts'
import { type Model, type ModelId, runMs } from '../core/model.ts'
import type { CommandOf, DeviceId, SchedulerEvent } from '../core/state/events.ts'
import type { Draws } from './spread.ts'

type Happening = Extract<
  SchedulerEvent,
  { type: 'load-finished' | 'memory-released' | 'batch-finished' | 'timer-fired' }
>

export class World {
  readonly #modelById: ReadonlyMap<string, Model>
  readonly #draws: Draws
  /** Loads and batches of each model so far. */
  readonly #loads = new Map<ModelId, number>()
  readonly #runs = new Map<ModelId, number>()
  /** When the memory lane of a device is free. */
  readonly #laneFreeAtMs = new Map<DeviceId, number>()
  readonly #agenda = new Agenda()

  constructor(models: readonly Model[], draws: Draws) {
    this.#modelById = new Map(models.map((model) => [model.id, model]))
    this.#draws = draws
  }

  /** The next moment at which something happens; Infinity: nothing will. */
  get nextAtMs(): number {
    return this.#agenda.nextAtMs
  }

  /** What happens next. Events of one moment come in the order they were set going. */
  take(): Happening {
    return this.#agenda.take()
  }

  wakeAt(atMs: number): void {
    this.#agenda.add({ type: 'timer-fired', atMs })
  }

  /** Bytes of the instance are back when the memory lane has got round to it. */
  stop({ instanceId, modelId, deviceId }: CommandOf<'stop-instance'>, nowMs: number): void {
    const model = this.#modelById.get(modelId)!
    const atMs = this.#throughLane(deviceId, model, model.unloadMs, nowMs)
    this.#agenda.add({ type: 'memory-released', atMs, instanceId })
  }

  load({ instanceId, modelId, deviceId }: CommandOf<'start-load'>, nowMs: number): void {
    const model = this.#modelById.get(modelId)!
    const loadMs = model.loadMs * this.#draws.load(modelId, countUp(this.#loads, modelId))
    const atMs = this.#throughLane(deviceId, model, loadMs, nowMs)
    const nothingMeasured = { residentBytes: null, maxBatch: null }
    this.#agenda.add({ type: 'load-finished', atMs, instanceId, loadMs, ...nothingMeasured })
  }

  /** `costMs`: the sum of the items' own costs, or null where the profile tells. */
  run(
    { batchId, modelId }: CommandOf<'run-batch'>,
    itemCount: number,
    costMs: number | null,
    nowMs: number,
  ): void {
    const model = this.#modelById.get(modelId)!
    const plainMs = costMs === null ? runMs(model, itemCount) : model.batch.overheadMs + costMs
    const batchMs = plainMs * this.#draws.run(modelId, countUp(this.#runs, modelId))
    const rest = { failedCount: 0, runMs: batchMs, peakBytes: null }
    this.#agenda.add({ type: 'batch-finished', atMs: nowMs + batchMs, batchId, ...rest })
  }

  #throughLane(deviceId: DeviceId, { vramBytes }: Model, tookMs: number, nowMs: number): number {
    if (vramBytes === 0) return nowMs + tookMs
    const endMs = Math.max(nowMs, this.#laneFreeAtMs.get(deviceId) ?? 0) + tookMs
    this.#laneFreeAtMs.set(deviceId, endMs)
    return endMs
  }
}

/** What it was before. */
function countUp(counts: Map<ModelId, number>, modelId: ModelId): number {
  const count = counts.get(modelId) ?? 0
  counts.set(modelId, count + 1)
  return count
}

/** Events to come, by moment, then by the order in which they were added. */
class Agenda {
  readonly #heap = new Heap<{ event: Happening; number: number }>(
    (a, b) => a.event.atMs < b.event.atMs || (a.event.atMs === b.event.atMs && a.number < b.number),
  )
  #number = 0

  get nextAtMs(): number {
    return this.#heap.first?.event.atMs ?? Number.POSITIVE_INFINITY
  }

  add(event: Happening): void {
    this.#heap.add({ event, number: this.#number++ })
  }

  take(): Happening {
    return this.#heap.take()!.event
  }
}
