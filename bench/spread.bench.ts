// `node bench/spread.bench.ts [--seeds 5] [--json]`: what it costs that estimates are stale. The policy goes
// by what the models say; loads and batches take longer or shorter. Beside it runs the same policy told the
// truth, on the same draws: the k-th load and the k-th batch of a model take the same factor in both runs
// (src/sim/spread.ts, oracle.ts). Three ways to be off:
//
//   each     every load and batch has a factor of its own: noise around a right mean. Told: the next ones.
//   model    every model has one factor for its loads and one for its batches. Told: the true models.
//   all      everything takes half or twice as long. Told: the true models.
//
// Factors are log-normal with mean 1; p99 ÷ p50 is 2 or 4. Measured load times learn today
// (core/state/loads.ts), run times do not, so under `all` the policy soon believes in true loads and false
// batches.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Model, runMs } from '../src/core/model.ts'
import type { DeviceOptions } from '../src/core/state/state.ts'
import { readWorkload } from '../src/forecast/workload-folder.ts'
import { createRandom, spread } from '../src/sim/random.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../src/sim/simulate.ts'
import { Draws, sigmaOf } from '../src/sim/spread.ts'
import type { Workload } from '../src/sim/workload.ts'
import { oracle } from '../test/policy/oracle.ts'
import { cards, rotation, videosAtOnce } from '../test/policy/workloads.ts'
import { asJson, type Bar, geometricMean, numberFlag, printReport, sharedFolder } from './report.ts'
import { WaitWatch } from './wait-watch.ts'

interface Case {
  name: string
  workload: Workload
  devices: DeviceOptions[]
}

/** A way of being off. `true` models from believed ones; `sigma` of each load and batch. */
interface Way {
  name: string
  sigma: number
  truth(models: readonly Model[], seed: number): Model[]
  seeds: number
}

const seeds = numberFlag('--seeds', 5)

const ways: Way[] = [
  ...[2, 4].map((ratio) => ({
    name: `each, p99 ÷ p50 = ${ratio}`,
    sigma: sigmaOf(ratio),
    truth: (models: readonly Model[]) => [...models],
    seeds,
  })),
  ...[2, 4].map((ratio) => ({
    name: `model, p99 ÷ p50 = ${ratio}`,
    sigma: 0,
    truth(models: readonly Model[], seed: number) {
      const random = createRandom(seed)
      const draw = () => spread(random, sigmaOf(ratio))
      return models.map((model) => slower(model, draw(), draw()))
    },
    seeds,
  })),
  ...[0.5, 2].map((factor) => ({
    name: `all × ${factor}`,
    sigma: 0,
    truth: (models: readonly Model[]) => models.map((model) => slower(model, factor, factor)),
    seeds: 1,
  })),
]

function slower(model: Model, load: number, run: number): Model {
  const { overheadMs, perItemMs } = model.batch
  const batch = { ...model.batch, overheadMs: overheadMs * run, perItemMs: perItemMs * run }
  return { ...model, loadMs: model.loadMs * load, batch }
}

function casesOf(): Case[] {
  const folder = join(sharedFolder, 'workloads')
  if (!existsSync(folder)) {
    if (!asJson) console.log(`${folder} is not there: only the workloads that need no files.`)
    const own: [string, Workload, number][] = [
      ['W1, 10 videos, 8 GB', videosAtOnce(10), 7.2],
      ['W1, 100 videos, 8 GB', videosAtOnce(100), 7.2],
      ['W6, rotation', rotation(), 14.4],
    ]
    return own.map(([name, workload, gb]) => ({ name, workload, devices: cards(gb) }))
  }
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'reference.json')))
  return names.sort().map((name) => {
    const { gpus } = JSON.parse(readFileSync(join(folder, name, 'reference.json'), 'utf8')) as {
      gpus: { usableGB: number; slots: number }[]
    }
    const devices = cards(...gpus.map(({ usableGB }) => usableGB))
    const withSlots = devices.map((each, index) => ({ ...each, slots: gpus[index]!.slots }))
    return { name, workload: readWorkload(join(folder, name)), devices: withSlots }
  })
}

interface Figures {
  turnaroundMs: number
  maxWaitMs: number
  /** Beyond the bound, in turns: one load, unload and full batch of each model. */
  overdueTurns: number
}

/** With estimates as they were told once, and with the truth. */
function runBoth(
  { workload, devices }: Case,
  { sigma, truth }: Way,
  seed: number,
): { stale: Figures; known: Figures } {
  const models = truth(workload.models, seed)
  const real = { models, items: workload.items }
  const stretch = Math.max(1, workMs(real) / workMs(workload))
  const run = (simulated: SimulatedPolicy, believed: Model[], byStretch: number): Figures => {
    const watch = new WaitWatch(real.items, byStretch)
    const { onEvent, onClaim } = watch
    const chance = { seed, sigma, believed }
    const result = simulate({
      workload: real,
      devices,
      simulated: watch.noting(simulated),
      ...chance,
      onEvent,
      onClaim,
    })
    if (result.completed < result.items || result.violations > 0)
      throw new Error(`${result.completed} of ${result.items} items, ${result.violations} violations.`)
    const overdueTurns = watch.longestOverdueMs() / turnMs(models)
    return { turnaroundMs: result.turnaroundMs.mean, maxWaitMs: result.waitMs.max, overdueTurns }
  }
  const knowing = sigma === 0 ? plimsollPolicy : oracle(models, new Draws(models, seed, sigma))
  return {
    stale: run(plimsollPolicy, structuredClone([...workload.models]), stretch),
    known: run(knowing, structuredClone(models), 1),
  }
}

function workMs({ models, items }: Workload): number {
  const shareMs = new Map(models.map((model) => [model.id, runMs(model, model.batch.max) / model.batch.max]))
  return items.reduce((sum, { model }) => sum + shareMs.get(model)!, 0)
}

function turnMs(models: readonly Model[]): number {
  return models.reduce((sum, model) => sum + model.loadMs + model.unloadMs + runMs(model, model.batch.max), 0)
}

const cases = casesOf()
const runs = cases.map((each) =>
  ways.map((way) => Array.from({ length: way.seeds }, (_, index) => runBoth(each, way, index + 1))),
)
const ratiosOf = (pairs: { stale: Figures; known: Figures }[]) =>
  pairs.map(({ stale, known }) => stale.turnaroundMs / known.turnaroundMs)
const worstOf = (pairs: { stale: Figures; known: Figures }[], pick: (figures: Figures) => number) =>
  [
    Math.max(...pairs.map(({ stale }) => pick(stale))),
    Math.max(...pairs.map(({ known }) => pick(known))),
  ] as const

const ratios = runs.map((row) => row.map((pairs) => geometricMean(ratiosOf(pairs))))
const meanRow = ways.map((_, column) => geometricMean(ratios.map((row) => row[column]!)))
const columns = ['workload', ...ways.map(({ name }) => name)]
const sections = [
  {
    title: `Mean turnaround, stale estimates ÷ told the truth on the same draws; geometric mean of ${seeds} seeds`,
    columns,
    rows: [...cases.map(({ name }, index) => [name, ...ratios[index]!]), ['geometric mean', ...meanRow]],
  },
  {
    title: 'Mean turnaround with stale estimates, s (told the truth), geometric mean of seeds',
    columns,
    rows: cases.map(({ name }, index) => [
      name,
      ...runs[index]!.map((pairs) => {
        const meanS = (pick: 'stale' | 'known') =>
          (geometricMean(pairs.map((pair) => pair[pick].turnaroundMs)) / 1000).toFixed(1)
        return `${meanS('stale')} (${meanS('known')})`
      }),
    ]),
  },
  {
    title: 'Longest wait, s, and how many turns of all models it was overdue (told the truth); worst seed',
    columns,
    rows: cases.map(({ name }, index) => [
      name,
      ...runs[index]!.map((pairs) => {
        const [waitMs] = worstOf(pairs, ({ maxWaitMs }) => maxWaitMs)
        const turns = worstOf(pairs, ({ overdueTurns }) => overdueTurns).map((each) => each.toFixed(2))
        return `${(waitMs / 1000).toFixed(0)}: ${turns[0]} (${turns[1]})`
      }),
    ]),
  },
]
const bars: Bar[] = ways.flatMap(({ name }, column) => [
  { name: `${name}: turnaround × told, geometric mean of workloads`, value: meanRow[column]!, atMost: 1.1 },
  {
    name: `${name}: turnaround × told, worst workload`,
    value: Math.max(...ratios.map((row) => row[column]!)),
    atMost: 1.1,
  },
  {
    name: `${name}: turns beyond the wait bound, stretched by how far estimates are off`,
    value: Math.max(...runs.map((row) => worstOf(row[column]!, ({ overdueTurns }) => overdueTurns)[0])),
    atMost: 5,
  },
])
printReport({ bench: 'spread', sections, bars }, asJson)
