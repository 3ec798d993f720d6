// Records for the tests of this folder: the shipped core runs some work on virtual
// time, and its events and commands are written down as the daemon would. Load and run
// times vary by a seed, so a record is the same each time.

import { decide } from '../../src/core/decide/decide.ts'
import { defineModel, type ModelOptions, runMs } from '../../src/core/model.ts'
import { defaultPolicy } from '../../src/core/policy.ts'
import { apply } from '../../src/core/state/apply.ts'
import type { Command, CommandOf, SchedulerEvent } from '../../src/core/state/events.ts'
import { bookedBytes } from '../../src/core/state/ledger.ts'
import { createState, type DeviceOptions } from '../../src/core/state/state.ts'
import { emptyHead } from '../../src/core/work/queue-head.ts'
import type { JournalLine } from '../../src/record/journal.ts'

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
  const startAtMs = options.startAtMs ?? 1_750_000_000_000
  const random = randomFrom(options.seed ?? 1)
  const models = options.models.map((each) => defineModel(each))
  const state = createState(models, options.devices, defaultPolicy)
  const sample = { lines: [] as JournalLine[], booked: [] as Map<string, number>[] }
  const left = new Map(models.map(({ id }) => [id, 0]))
  const agenda: { atMs: number; happen: () => void }[] = []
  let nowMs = startAtMs

  const note = (line: JournalLine) => {
    sample.lines.push(line)
    sample.booked.push(new Map(state.devices.map(({ id, ledger }) => [id, bookedBytes(ledger)])))
  }
  const tell = (event: SchedulerEvent) => {
    apply(state, event)
    note(event)
  }
  const later = (delayMs: number, happen: () => void) => {
    const atMs = Math.round(nowMs + delayMs)
    const index = agenda.findIndex((each) => each.atMs > atMs)
    agenda.splice(index < 0 ? agenda.length : index, 0, { atMs, happen })
  }
  const showQueue = (modelId: string) => {
    const count = left.get(modelId)!
    const level = { priority: 0, tenant: null, count, submittedMeanMs: startAtMs, oldestReadyAtMs: nowMs }
    const head = { ...emptyHead(modelId), readyCount: count, levels: count ? [level] : [] }
    tell({ type: 'queue-changed', atMs: nowMs, heads: [head] })
  }

  const perform = (command: Command) => {
    if (command.type === 'start-load') {
      const { instanceId, modelId } = command
      const loadMs = Math.round(state.modelById.get(modelId)!.model.loadMs * (0.8 + 0.5 * random()))
      const fails = random() < (options.failRatio ?? 0)
      later(loadMs, () => {
        if (!fails) {
          tell({
            type: 'load-finished',
            atMs: nowMs,
            instanceId,
            loadMs,
            residentBytes: null,
            maxBatch: null,
          })
          return
        }
        tell({ type: 'load-failed', atMs: nowMs, instanceId, message: 'ended with code 1' })
        later(50, () => tell({ type: 'memory-released', atMs: nowMs, instanceId }))
      })
    } else if (command.type === 'stop-instance') {
      const { instanceId, modelId } = command
      const unloadMs = state.modelById.get(modelId)!.model.unloadMs * (0.7 + 0.6 * random())
      later(unloadMs, () => tell({ type: 'memory-released', atMs: nowMs, instanceId }))
    } else if (command.type === 'run-batch') {
      run(command)
    }
  }

  const run = ({ batchId, modelId, maxCount }: CommandOf<'run-batch'>) => {
    const itemCount = Math.min(maxCount, left.get(modelId)!)
    left.set(modelId, left.get(modelId)! - itemCount)
    tell({ type: 'batch-claimed', atMs: nowMs, batchId, itemCount })
    showQueue(modelId)
    if (itemCount === 0) return
    const takesMs = Math.round(runMs(state.modelById.get(modelId)!.model, itemCount) * (0.7 + 0.6 * random()))
    const failedCount = random() < 0.05 ? 1 : 0
    later(takesMs, () =>
      tell({ type: 'batch-finished', atMs: nowMs, batchId, failedCount, runMs: takesMs, peakBytes: null }),
    )
  }

  const observe = () => {
    for (const device of state.devices) {
      if (device.capacityBytes === 0) continue
      const held = device.instances.map(({ id, bytes, phase }) => {
        const share = phase === 'starting' ? 0.5 : 0.82 + 0.1 * random()
        return [id, Math.round(bytes * share)] as const
      })
      const { id: deviceId, capacityBytes } = device
      const bytesByInstance = Object.fromEntries(held)
      tell({
        type: 'memory-observed',
        atMs: nowMs,
        deviceId,
        capacityBytes,
        foreignBytes: 0,
        bytesByInstance,
      })
    }
    if (agenda.length > 0) later(500, observe)
  }

  const devices = state.devices.map(({ id, kind, capacityBytes, budgetBytes }) => {
    return { id, kind, capacityBytes, budgetBytes }
  })
  const pipeline = options.pipeline ?? 'archive'
  note({ type: 'run', version: 1, atMs: nowMs, pipeline, devices, models, policy: defaultPolicy })
  for (const { modelId, atMs, count } of options.work) {
    later(atMs, () => {
      left.set(modelId, left.get(modelId)! + count)
      showQueue(modelId)
    })
  }
  later(0, observe)
  const endAtMs = startAtMs + (options.killedMs ?? Number.POSITIVE_INFINITY)
  while (agenda.length > 0 && agenda[0]!.atMs <= endAtMs) {
    const next = agenda.shift()!
    nowMs = next.atMs
    next.happen()
    for (;;) {
      const { command } = decide(state, nowMs)
      if (!command) break
      tell({ type: 'command-issued', atMs: nowMs, command })
      perform(command)
    }
  }
  return { ...sample, left }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
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
