// Records for the tests of this folder: the shipped core runs some work on virtual
// time, and its events and commands are written down as the daemon would. Load and run
// times vary by a seed, so a record is the same each time.

import { decide } from '../../src/core/decide/decide.ts'
import { defineModel, type Model, type ModelOptions, runMs } from '../../src/core/model.ts'
import { defaultPolicy } from '../../src/core/policy.ts'
import { apply } from '../../src/core/state/apply.ts'
import type { CommandOf, InstanceId, SchedulerEvent } from '../../src/core/state/events.ts'
import { bookedBytes } from '../../src/core/state/ledger.ts'
import { createState, type DeviceOptions, type State } from '../../src/core/state/state.ts'
import { emptyHead } from '../../src/core/work/queue-head.ts'
import type { JournalLine } from '../../src/record/journal.ts'
import { createRandom } from '../../src/sim/random.ts'

export interface SampleOptions {
  pipeline?: string
  models: readonly ModelOptions[]
  devices: readonly DeviceOptions[]
  /** Items that become ready: at a moment after the start, so many of a model. */
  work: readonly { modelId: string; atMs: number; count: number }[]
  startAtMs?: number
  /** The run is killed here, ms after its start. */
  killedMs?: number
  seed?: number
  /** Share of loads that fail. */
  failRatio?: number
}

export interface Sample {
  lines: JournalLine[]
  /** After each line: what core/state/ledger.ts has booked, by device. */
  booked: ReadonlyMap<string, number>[]
  /** Items that are left, by model. */
  left: ReadonlyMap<string, number>
}

/** Runs until nothing is left, or to the kill. */
export function sampleRecord(options: SampleOptions): Sample {
  return new SampleRun(options).run()
}

class SampleRun {
  readonly #options: SampleOptions
  readonly #startAtMs: number
  readonly #random: () => number
  readonly #models: Model[]
  readonly #state: State
  readonly #lines: JournalLine[] = []
  readonly #booked: Map<string, number>[] = []
  readonly #left: Map<string, number>
  readonly #agenda: { atMs: number; happen: () => void }[] = []
  #nowMs: number

  constructor(options: SampleOptions) {
    this.#options = options
    this.#startAtMs = options.startAtMs ?? 1_750_000_000_000
    this.#nowMs = this.#startAtMs
    this.#random = createRandom(options.seed ?? 1)
    this.#models = options.models.map((each) => defineModel(each))
    this.#state = createState(this.#models, options.devices, defaultPolicy)
    this.#left = new Map(this.#models.map(({ id }) => [id, 0]))
  }

  run(): Sample {
    const { work, pipeline = 'archive', killedMs = Number.POSITIVE_INFINITY } = this.#options
    const devices = this.#state.devices.map(({ id, kind, capacityBytes, budgetBytes }) => {
      return { id, kind, capacityBytes, budgetBytes }
    })
    this.#note({
      type: 'run',
      version: 1,
      atMs: this.#nowMs,
      pipeline,
      devices,
      models: this.#models,
      policy: defaultPolicy,
    })
    for (const { modelId, atMs, count } of work) this.#later(atMs, () => this.#arrive(modelId, count))
    this.#later(0, () => this.#observe())
    while (this.#agenda.length > 0 && this.#agenda[0]!.atMs <= this.#startAtMs + killedMs) {
      const next = this.#agenda.shift()!
      this.#nowMs = next.atMs
      next.happen()
      this.#obey()
    }
    return { lines: this.#lines, booked: this.#booked, left: this.#left }
  }

  #note(line: JournalLine): void {
    this.#lines.push(line)
    this.#booked.push(new Map(this.#state.devices.map(({ id, ledger }) => [id, bookedBytes(ledger)])))
  }

  #emit(event: SchedulerEvent): void {
    apply(this.#state, event)
    this.#note(event)
  }

  #later(delayMs: number, happen: () => void): void {
    const atMs = Math.round(this.#nowMs + delayMs)
    const index = this.#agenda.findIndex((each) => each.atMs > atMs)
    this.#agenda.splice(index < 0 ? this.#agenda.length : index, 0, { atMs, happen })
  }

  #arrive(modelId: string, count: number): void {
    this.#left.set(modelId, this.#left.get(modelId)! + count)
    this.#showQueue(modelId)
  }

  #showQueue(modelId: string): void {
    const count = this.#left.get(modelId)!
    const moments = { submittedMeanMs: this.#startAtMs, oldestReadyAtMs: this.#nowMs }
    const level = { priority: 0, tenant: null, count, ...moments }
    const head = { ...emptyHead(modelId), readyCount: count, levels: count ? [level] : [] }
    this.#emit({ type: 'queue-changed', atMs: this.#nowMs, heads: [head] })
  }

  #obey(): void {
    for (;;) {
      const { command } = decide(this.#state, this.#nowMs)
      if (!command) return
      this.#emit({ type: 'command-issued', atMs: this.#nowMs, command })
      if (command.type === 'start-load') this.#load(command)
      else if (command.type === 'stop-instance') {
        const { unloadMs } = this.#modelOf(command.modelId)
        this.#release(command.instanceId, unloadMs * (0.7 + 0.6 * this.#random()))
      } else if (command.type === 'run-batch') this.#run(command)
    }
  }

  #load({ instanceId, modelId }: CommandOf<'start-load'>): void {
    const loadMs = Math.round(this.#modelOf(modelId).loadMs * (0.8 + 0.5 * this.#random()))
    const fails = this.#random() < (this.#options.failRatio ?? 0)
    this.#later(loadMs, () => {
      const atMs = this.#nowMs
      if (fails) {
        this.#emit({ type: 'load-failed', atMs, instanceId, message: 'ended with code 1' })
        this.#release(instanceId, 50)
      } else {
        const size = { residentBytes: null, maxBatch: null }
        this.#emit({ type: 'load-finished', atMs, instanceId, loadMs, ...size })
      }
    })
  }

  #release(instanceId: InstanceId, afterMs: number): void {
    this.#later(afterMs, () => this.#emit({ type: 'memory-released', atMs: this.#nowMs, instanceId }))
  }

  #run({ batchId, modelId, maxCount }: CommandOf<'run-batch'>): void {
    const itemCount = Math.min(maxCount, this.#left.get(modelId)!)
    this.#left.set(modelId, this.#left.get(modelId)! - itemCount)
    this.#emit({ type: 'batch-claimed', atMs: this.#nowMs, batchId, itemCount })
    this.#showQueue(modelId)
    if (itemCount === 0) return
    const takesMs = Math.round(runMs(this.#modelOf(modelId), itemCount) * (0.7 + 0.6 * this.#random()))
    const failedCount = this.#random() < 0.05 ? 1 : 0
    this.#later(takesMs, () => {
      const result = { failedCount, runMs: takesMs, peakBytes: null }
      this.#emit({ type: 'batch-finished', atMs: this.#nowMs, batchId, ...result })
    })
  }

  #observe(): void {
    for (const device of this.#state.devices) {
      const { id: deviceId, capacityBytes } = device
      if (capacityBytes === 0) continue
      const held = device.instances.map(({ id, bytes, phase }) => {
        const share = phase === 'starting' ? 0.5 : 0.82 + 0.1 * this.#random()
        return [id, Math.round(bytes * share)] as const
      })
      const reading = { deviceId, capacityBytes, foreignBytes: 0, bytesByInstance: Object.fromEntries(held) }
      this.#emit({ type: 'memory-observed', atMs: this.#nowMs, ...reading })
    }
    if (this.#agenda.length > 0) this.#later(500, () => this.#observe())
  }

  #modelOf(modelId: string): Model {
    return this.#state.modelById.get(modelId)!.model
  }
}

/** Seven models of the demo's kind on 1.2 GB of RAM (line at 1.08 GB), and two steps on the CPU. */
export const archiveSample: SampleOptions = {
  devices: [{ id: 'ram', kind: 'host', capacityBytes: 1.2e9 }],
  models: [
    { id: 'rate', vram: '310MB', loadMs: 700, batch: { max: 8, overheadMs: 30, perItemMs: 45 } },
    { id: 'faces', vram: '180MB', loadMs: 350, batch: { max: 16, overheadMs: 20, perItemMs: 30 } },
    {
      id: 'ocr',
      vram: '520MB',
      loadMs: 900,
      batch: { max: 4, overheadMs: 60, perItemMs: 160, activation: '20MB' },
    },
    {
      id: 'upscale',
      vram: '400MB',
      loadMs: 600,
      batch: { max: 2, overheadMs: 40, perItemMs: 380, activation: '60MB' },
    },
    { id: 'speech', vram: '640MB', loadMs: 1200, batch: { max: 4, overheadMs: 90, perItemMs: 300 } },
    { id: 'notes', vram: '150MB', loadMs: 300, batch: { max: 8, overheadMs: 20, perItemMs: 60 } },
    { id: 'embed', vram: '450MB', loadMs: 800, batch: { max: 32, overheadMs: 30, perItemMs: 14 } },
    {
      id: 'segments',
      vram: 0,
      loadMs: 120,
      batch: { max: 1, overheadMs: 10, perItemMs: 180 },
      concurrency: 2,
    },
    { id: 'resize', vram: 0, loadMs: 60, batch: { max: 1, overheadMs: 5, perItemMs: 70 } },
  ],
  work: [
    { modelId: 'segments', atMs: 0, count: 12 },
    { modelId: 'resize', atMs: 0, count: 14 },
    { modelId: 'rate', atMs: 10, count: 40 },
    { modelId: 'faces', atMs: 10, count: 40 },
    { modelId: 'upscale', atMs: 400, count: 5 },
    { modelId: 'ocr', atMs: 1200, count: 16 },
    { modelId: 'speech', atMs: 1500, count: 18 },
    { modelId: 'notes', atMs: 2000, count: 30 },
    { modelId: 'embed', atMs: 6000, count: 40 },
    { modelId: 'rate', atMs: 9000, count: 10 },
    { modelId: 'ocr', atMs: 9000, count: 9 },
    { modelId: 'embed', atMs: 12000, count: 64 },
  ],
}
