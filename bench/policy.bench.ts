// `make bench-policy`: every workload of ../shared/workloads and every trace of ../shared/traces under our
// policy and every baseline: one table with lower bounds and the reference figures of the lab, then the bars
// of the policy's issue. Another place for the data: node bench/policy.bench.ts FOLDER, or PLIMSOLL_SHARED.
// Without the data it says so and ends. A second argument names the only policy to run: node
// bench/policy.bench.ts ../shared plimsoll [--json]
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parsePolicy } from '../src/core/policy.ts'
import type { DeviceOptions } from '../src/core/state/state.ts'
import { readWorkload } from '../src/forecast/workload-folder.ts'
import { baselines } from '../src/sim/baselines/index.ts'
import type { SimulationResult } from '../src/sim/report.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../src/sim/simulate.ts'
import type { Workload } from '../src/sim/workload.ts'
import { convertArena27 } from './convert/arena27.ts'
import { toWorkload } from './convert/trace.ts'
import { convertNextflow } from './convert/wf-nextflow.ts'
import { asJson, type Bar, geometricMean, printReport, type Section, sharedFolder } from './report.ts'

interface Figures {
  makespanS: number
  loads: number
  waitS: { mean: number; p99: number; max: number }
  turnaroundS: { mean: number }
  interactiveWaitS?: { p99: number }
}

interface Case {
  name: string
  workload: Workload
  devices: DeviceOptions[]
  /** Options of our policy. */
  settings: Record<string, string>
  /** By the lab's letters. */
  reference: Record<string, Figures>
}

/** The lab's letter for each policy that it also has. Its LRU takes all ready items of a model along; Ollama
 * does not. */
const letters: Record<string, string> = { seed: 'S', fifo: 'F', 'llama-swap': 'LS', plimsoll: 'P' }

function main(): void {
  const [folder, only] = process.argv.slice(2).filter((word) => !word.startsWith('--'))
  const root = folder ? resolve(folder) : sharedFolder
  if (!existsSync(join(root, 'workloads'))) {
    console.log(`skipped: ${root} has no workloads; give the folder that has workloads/ and traces/.`)
    return
  }
  const policies = [plimsollPolicy, ...baselines].filter(({ name }) => only === undefined || name === only)
  const cases = [...workloadCases(join(root, 'workloads')), ...traceCases(join(root, 'traces'))]
  const results = new Map(cases.map((each) => [each.name, runAll(each, policies)]))
  const rows = cases.flatMap((each) => rowsOf(each, results.get(each.name)!))
  const sections: Section[] = [{ title: 'Workloads and traces', columns, rows }]
  const hasOurs = results.get(cases[0]!.name)!.has('plimsoll')
  printReport({ bench: 'policy', sections, bars: hasOurs ? barsOf(cases, results) : [] }, asJson)
}

function workloadCases(folder: string): Case[] {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'reference.json')))
  return names.sort().map((name) => {
    const { gpus, reference } = JSON.parse(readFileSync(join(folder, name, 'reference.json'), 'utf8')) as {
      gpus: { usableGB: number; slots: number }[]
      reference: Record<string, Figures>
    }
    const devices = gpus.map(({ usableGB, slots }, index) => ({
      id: `gpu${index}`,
      kind: 'simulated',
      capacityBytes: Math.round(usableGB * 1e9),
      safetyRatio: 1,
      slots,
    }))
    return { name, workload: readWorkload(join(folder, name)), devices, settings: {}, reference }
  })
}

function traceCases(folder: string): Case[] {
  const devices = [{ id: 'gpu0', kind: 'simulated', capacityBytes: 13.4e9, safetyRatio: 1 }]
  const arena = join(folder, 'arena27')
  const nextflow = join(folder, 'wf-nextflow')
  const cases: Case[] = []
  const add = (name: string, workload: Workload, settings = {}) =>
    cases.push({ name, workload, devices, settings, reference: {} })
  if (existsSync(arena)) {
    add('arena27 offline', toWorkload(convertArena27(arena, true)))
    add('arena27 online', toWorkload(convertArena27(arena, false)))
  } else console.log(`skipped: ${arena} is not there.`)
  if (existsSync(nextflow)) {
    const workload = toWorkload(convertNextflow(nextflow, 0))
    add('wf-nextflow', workload, { goal: 'throughput' })
    add('wf-nextflow, default goal', workload)
    add('wf-nextflow, 300 s', workload, { goal: 'throughput', maxWait: '300s', backlogFactor: '0.15' })
  } else console.log(`skipped: ${nextflow} is not there.`)
  return cases
}

function runAll(each: Case, policies: readonly SimulatedPolicy[]): Map<string, SimulationResult | null> {
  const results = new Map<string, SimulationResult | null>()
  for (const simulated of policies) {
    const { workload, devices } = each
    try {
      results.set(
        simulated.name,
        simulate({ workload, devices, simulated, policy: parsePolicy(each.settings) }),
      )
    } catch (error) {
      if ((error as { code?: string }).code !== 'NEVER_FITS') throw error
      results.set(simulated.name, null)
    }
  }
  return results
}

const columns = [
  'workload',
  'policy',
  'makespan s',
  '× bound',
  'loads',
  'turnaround s',
  'wait s',
  'p99',
  'max',
  'stall %',
  'lab: makespan s',
  'lab: loads',
  'lab: turnaround s',
]

function rowsOf({ name, reference }: Case, results: Map<string, SimulationResult | null>): string[][] {
  const rows = [...results].map(([policy, result]) => {
    if (!result) return [name, policy, 'does not fit']
    const given = reference[letters[policy] ?? '']
    return [
      name,
      policy,
      seconds(result.makespanMs),
      (result.makespanMs / result.bound.makespanMs).toFixed(3),
      `${result.loads}`,
      seconds(result.turnaroundMs.mean),
      seconds(result.waitMs.mean),
      seconds(result.waitMs.p99),
      seconds(result.waitMs.max),
      (100 * result.stallRatio).toFixed(1),
      ...(given ? [given.makespanS.toFixed(1), `${given.loads}`, given.turnaroundS.mean.toFixed(1)] : []),
    ]
  })
  const { bound } = [...results.values()].find((each) => each !== null)!
  return [...rows, [name, 'bound', seconds(bound.makespanMs), '1.000', `${bound.loads}`]]
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1)
}

type Results = Map<string, Map<string, SimulationResult | null>>

function barsOf(cases: Case[], results: Results): Bar[] {
  const bars: Bar[] = []
  const ours = (name: string) => results.get(name)?.get('plimsoll')
  const bar = (text: string, name: string, figure: (result: SimulationResult) => number, atMost: number) => {
    const result = ours(name)
    if (result) bars.push({ name: `${name}: ${text}`, value: figure(result), atMost })
  }
  const bound = ({ makespanMs, bound: { makespanMs: boundMs } }: SimulationResult) => makespanMs / boundMs
  bars.push(...physicsBars(cases, results), ...turnaroundBars(cases, results))
  bar('makespan × bound', 'W1-8GB-n-500-all', bound, 1.005)
  bar('makespan × bound', 'W1-16GB-n-500-all', bound, 1.001)
  bar('makespan × bound', 'W1-2x8GB-n-500-all', bound, 1.012)
  bar('loads', 'W1-16GB-n-500-all', ({ loads }) => loads, 5)
  bar('makespan s', 'W1-8GB-n-10-all', ({ makespanMs }) => makespanMs / 1000, 48.5)
  bar('makespan s', 'W1-16GB-n-10-all', ({ makespanMs }) => makespanMs / 1000, 41.4)
  const interactive = ({ waitByPriority }: SimulationResult) => waitByPriority['10']!.p99 / 1000
  bar('interactive p99 wait s', 'W3-8GB-rho-0.6', interactive, 24)
  bar('interactive p99 wait s', 'W3-16GB-rho-0.6', interactive, 10)
  const maxWait = ({ waitMs }: SimulationResult) => waitMs.max / 1000
  for (const name of ['W5-8GB', 'W6chain-gap-2', 'W6cyc-gap-2']) bar('maximum wait s', name, maxWait, 140)
  bar('loads', 'arena27 offline', ({ loads }) => loads, 27)
  bar('makespan × bound', 'arena27 offline', bound, 1.01)
  bar('makespan × bound', 'arena27 online', bound, 1.02)
  bar('loads', 'arena27 online', ({ loads }) => loads, 55)
  bar('p99 wait s', 'arena27 online', ({ waitMs }) => waitMs.p99 / 1000, 990)
  bar('makespan × bound', 'wf-nextflow', bound, 1.15)
  bar('loads × distinct', 'wf-nextflow', ({ loads, distinctModels }) => loads / distinctModels, 1.06)
  bar('maximum wait s', 'wf-nextflow, 300 s', maxWait, 620)
  bar('makespan × bound', 'wf-nextflow, 300 s', bound, 1.25)
  const all = [...results.values()].flatMap((each) => [...each.values()])
  const violations = all.reduce((sum, each) => sum + (each?.violations ?? 0), 0)
  return [...bars, { name: 'violations in all runs', value: violations, atMost: 0 }]
}

/** The baselines on the workloads without chance against the lab's: this checks the simulator. */
function physicsBars(cases: Case[], results: Results): Bar[] {
  return cases
    .filter(({ name }) => /^W(1|5|6cyc)-/.test(name))
    .map(({ name, reference }) => {
      let worst = 0
      for (const [policy, result] of results.get(name)!) {
        const given = reference[letters[policy] ?? '']
        if (!given || !result || policy === 'plimsoll') continue
        // The lab counts from time 0, not from the first arrival.
        const pairs = [
          [result.makespanMs / 1000, given.makespanS],
          [result.loads, given.loads],
          [result.turnaroundMs.mean / 1000, given.turnaroundS.mean],
          [result.waitMs.mean / 1000, given.waitS.mean],
        ]
        for (const [mine, theirs] of pairs) worst = Math.max(worst, Math.abs(mine! / theirs! - 1))
      }
      const text = 'seed, fifo, llama-swap against the lab, worst difference'
      return { name: `${name}: ${text}`, value: worst, atMost: 0.005 }
    })
}

function turnaroundBars(cases: Case[], results: Results): Bar[] {
  const ratios: number[] = []
  const bars: Bar[] = []
  for (const { name, reference } of cases) {
    const result = results.get(name)!.get('plimsoll')
    if (!result || !reference.P) continue
    const meanS = result.turnaroundMs.mean / 1000
    ratios.push(meanS / reference.P.turnaroundS.mean)
    const best = Math.min(...Object.values(reference).map(({ turnaroundS }) => turnaroundS.mean))
    const text = 'mean turnaround × best of eight references'
    bars.push({ name: `${name}: ${text}`, value: meanS / best, atMost: 1.05 })
  }
  const text = 'all workloads: mean turnaround × reference P, geometric mean'
  return [{ name: text, value: geometricMean(ratios), atMost: 1 }, ...bars]
}

main()
