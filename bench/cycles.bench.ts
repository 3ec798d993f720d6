// A thousand loads of a real model (speech: Silero VAD in ONNX Runtime, 125 MB), through the real daemon: two
// models of it and room for one, and a chain of items that need them in turn. So each load is preceded by an
// unload that makes room for it.
//
//   drift         what is booked when nothing is loaded is 0, each time; what was learned of the memory stays
//   leaks         descriptors, memory and processes of the scheduler's own
//   confirmation  from the command to stop until the processes are gone and the device shows the bytes back
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defineModel } from '../src/core/model.ts'
import { defaultPolicy } from '../src/core/policy.ts'
import type { SchedulerEvent } from '../src/core/state/events.ts'
import { bookedBytes } from '../src/core/state/ledger.ts'
import { newItem } from '../src/core/work/item.ts'
import { machineClock, startClock } from '../src/daemon/clock.ts'
import { Daemon } from '../src/daemon/daemon.ts'
import { isRunOver } from '../src/daemon/run.ts'
import { hostDevice } from '../src/devices/host.ts'
import { createRunner } from '../src/runners/create.ts'
import { StartedProcesses } from '../src/runners/started.ts'
import { openSqliteStore } from '../src/stores/sqlite/store.ts'
import { allItems } from '../src/stores/store.ts'
import { Sight, variables } from '../test/chaos/sight.ts'
import { asJson, type BenchReport, mean, numberFlag, printReport, quantile } from './report.ts'

const cycles = numberFlag('--cycles', 1000)
const archive = resolve(import.meta.dirname, '../examples/archive')
const recording = join(archive, 'media/recordings', readdirSync(join(archive, 'media/recordings')).sort()[0]!)
/** After so many loads the scheduler is looked at for the first time. */
const firstLoads = 10
const capacityBytes = 200e6
const names = ['speech1', 'speech2']
const round = `cycles-${process.pid}`

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-cycles-'))
try {
  printReport(await measure(), asJson)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

interface Seen {
  /** When an instance was asked to stop, by id. */
  stops: Map<string, number>
  releaseMs: number[]
  loadMs: number[]
  /** Booked at the beginning of each load. */
  bookedBytes: number[]
  /** What was learned of the model when an instance of it had to go. */
  learnedBytes: number[]
  /** When the first few loads are behind it and nothing is loaded: what is opened once is open. */
  before: Own | null
}

async function measure(): Promise<BenchReport> {
  const clock = startClock(machineClock)
  const store = await openSqliteStore({ file: join(folder, 'cycles.db') })
  const chain = Array.from({ length: cycles }, (_, index) =>
    newItem({
      id: `i${index}`,
      modelId: names[index % 2]!,
      input: { path: recording },
      dependencies: index > 0 ? [`i${index - 1}`] : [],
    }),
  )
  await store.submit(chain, clock.nowMs())
  const seen: Seen = {
    stops: new Map(),
    releaseMs: [],
    loadMs: [],
    bookedBytes: [],
    learnedBytes: [],
    before: null,
  }
  const daemon = createDaemon(store, clock, (event) => watch(seen, daemon, event))
  const startedAtMs = performance.now()
  daemon.start()
  await daemon.whenAtRest(isRunOver)
  const leftInstances = await daemon.close()
  const tookMs = performance.now() - startedAtMs
  const after = own()
  const left = new Sight(round).look().length
  const undone = (await allItems(store)).filter(({ state }) => state !== 'done').length
  await store.close()
  return report(seen, {
    before: seen.before ?? after,
    after,
    tookMs,
    left: left + leftInstances.length,
    undone,
  })
}

function createDaemon(
  store: Awaited<ReturnType<typeof openSqliteStore>>,
  clock: ReturnType<typeof startClock>,
  onEvent: (event: SchedulerEvent) => void,
): Daemon {
  const context = { started: new StartedProcesses(join(folder, 'runners.jsonl')), logFolder: folder }
  const spec = {
    kind: 'module' as const,
    file: join(archive, 'workers/speech.ts'),
    options: {},
    environment: { [variables.round]: round },
    cwd: archive,
    timeouts: {},
  }
  return new Daemon({
    store,
    models: names.map((id) => defineModel({ id, vram: '150MB', loadMs: 150 })),
    runners: new Map(names.map((modelId) => [modelId, createRunner({ ...spec, modelId }, context)])),
    devices: [
      {
        options: { id: 'ram', kind: 'host', capacityBytes, safetyRatio: 1 },
        device: hostDevice('ram', capacityBytes),
      },
    ],
    policy: defaultPolicy,
    clock,
    random: Math.random,
    onEvent,
  })
}

/** Events are told before they are applied: the ledger is as it was before them. */
function watch(seen: Seen, { state }: Daemon, event: SchedulerEvent): void {
  if (event.type === 'load-finished') seen.loadMs.push(event.loadMs ?? 0)
  if (event.type === 'memory-released') {
    const stoppedAtMs = seen.stops.get(event.instanceId)
    if (stoppedAtMs !== undefined) seen.releaseMs.push(performance.now() - stoppedAtMs)
    seen.stops.delete(event.instanceId)
  }
  if (event.type !== 'command-issued') return
  const { command } = event
  if (command.type === 'stop-instance') {
    seen.stops.set(command.instanceId, performance.now())
    const [known] = state.modelById.get(command.modelId)!.footprints
    if (known) seen.learnedBytes.push(known.residentBytes)
  }
  if (command.type !== 'start-load') return
  seen.bookedBytes.push(bookedBytes(state.deviceById.get('ram')!.ledger))
  if (seen.bookedBytes.length === firstLoads + 1) seen.before = own()
}

interface Own {
  descriptors: number
  residentBytes: number
  heapBytes: number
}

function own(): Own {
  collect()
  const { rss, heapUsed } = process.memoryUsage()
  return { descriptors: readdirSync('/proc/self/fd').length, residentBytes: rss, heapBytes: heapUsed }
}

function report(
  seen: Seen,
  run: { before: Own; after: Own; tookMs: number; left: number; undone: number },
): BenchReport {
  const { before, after, tookMs, left, undone } = run
  const [first, last] = [mean(seen.learnedBytes.slice(0, 10)), mean(seen.learnedBytes.slice(-10))]
  const loads = seen.loadMs.length
  const inMB = (bytes: number) => bytes / 1e6
  const both = (name: string, of: (each: Own) => number) => [name, of(before), of(after)]
  return {
    bench: 'cycles',
    sections: [
      {
        title: `${loads} loads of speech in ${Math.round(tookMs / 1000)} s, ${seen.releaseMs.length} releases`,
        columns: ['ms', 'p50', 'p99', 'most'],
        rows: [
          ['load', ...percentiles(seen.loadMs)],
          ['release confirmed', ...percentiles(seen.releaseMs)],
        ],
      },
      {
        title: 'The scheduler itself',
        columns: ['', `after ${firstLoads} loads`, 'at the end'],
        rows: [
          both('descriptors', ({ descriptors }) => descriptors),
          both('resident, MB', ({ residentBytes }) => inMB(residentBytes)),
          both('heap in use, MB', ({ heapBytes }) => inMB(heapBytes)),
          ['learned, MB: first 10, last 10 instances', inMB(first), inMB(last)],
          ['runner ledger on disk, kB', 0, statSync(join(folder, 'runners.jsonl')).size / 1e3],
        ],
      },
    ],
    bars: [
      { name: 'cycles that are missing', value: cycles - Math.min(loads, seen.releaseMs.length), atMost: 0 },
      { name: 'items not done', value: undone, atMost: 0 },
      {
        name: 'loads that began with bytes booked',
        value: seen.bookedBytes.filter((bytes) => bytes !== 0).length,
        atMost: 0,
      },
      { name: 'descriptors more than before', value: after.descriptors - before.descriptors, atMost: 0 },
      { name: 'processes left', value: left, atMost: 0 },
      { name: 'learned, last 10 ÷ first 10, off by', value: Math.abs(last / first - 1), atMost: 0.05 },
    ],
  }
}

function percentiles(values: readonly number[]): number[] {
  return [quantile(values, 0.5), quantile(values, 0.99), Math.max(...values)].map(Math.round)
}
