// `node bench/fuzz.bench.ts [--count 600] [--from 1] [--worst 10] [--json]`: random scenarios
// (test/policy/scenarios.ts) under our policy and every baseline, and ours against the best of the baselines,
// chosen for each scenario and each measure with hindsight: no single policy can be as good. Any stall,
// livelock or broken invariant is a bar of its own.
import { formatBytes, formatMs } from '../src/core/units.ts'
import { baselines } from '../src/sim/baselines/index.ts'
import type { SimulationResult } from '../src/sim/report.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../src/sim/simulate.ts'
import { fuzzScenario, type Scenario } from '../test/policy/scenarios.ts'
import { asJson, type Bar, geometricMean, numberFlag, printReport, quantile, type Section } from './report.ts'

interface Outcome {
  scenario: Scenario
  ours: SimulationResult
  /** The baselines that can hold the scenario's models. */
  others: SimulationResult[]
}

const measures: Record<string, (result: SimulationResult) => number> = {
  'mean turnaround': ({ turnaroundMs }) => turnaroundMs.mean,
  'p95 turnaround': ({ turnaroundMs }) => turnaroundMs.p95,
  makespan: ({ makespanMs }) => makespanMs,
  'longest wait': ({ waitMs }) => Math.max(1, waitMs.max),
}
const turnaround = measures['mean turnaround']!

const faults = { stalls: 0, livelocks: 0, violations: 0 }

/** A policy that asks for more than this for each item goes round in circles. */
const mostCommands = 30

function watched({ name, create }: SimulatedPolicy, itemCount: number): SimulatedPolicy {
  return {
    name,
    create(backlog, models) {
      const decide = create(backlog, models)
      let commands = 0
      return (state, nowMs) => {
        const decision = decide(state, nowMs)
        if (decision.command && ++commands > mostCommands * itemCount) throw new Livelock(name)
        return decision
      }
    },
  }
}

class Livelock extends Error {}

/** null: it cannot hold the models (static residency), or went round in circles. */
function run({ name, workload, devices }: Scenario, policy: SimulatedPolicy): SimulationResult | null {
  try {
    const result = simulate({ workload, devices, simulated: watched(policy, workload.items.length) })
    faults.violations += result.violations
    if (result.completed === result.items) return result
    faults.stalls++
    console.error(`${name}: ${policy.name} stalls after ${result.completed} of ${result.items} items.`)
  } catch (error) {
    if (error instanceof Livelock) {
      faults.livelocks++
      console.error(`${name}: ${policy.name} goes round in circles.`)
    } else if ((error as { code?: string }).code !== 'NEVER_FITS') throw error
  }
  return null
}

function outcomesOf(from: number, count: number): Outcome[] {
  return Array.from({ length: count }, (_, index) => fuzzScenario(from + index)).flatMap((scenario) => {
    const ours = run(scenario, plimsollPolicy)
    const others = baselines.map((each) => run(scenario, each)).filter((each) => each !== null)
    return ours ? [{ scenario, ours, others }] : []
  })
}

function ratioToBest({ ours, others }: Outcome, measure: (result: SimulationResult) => number): number {
  return measure(ours) / Math.min(...others.map(measure))
}

function againstBest(title: string, outcomes: Outcome[]): Section {
  const rows = Object.entries(measures).map(([name, measure]) => {
    const ratios = outcomes.map((each) => ratioToBest(each, measure))
    const spread = [0.5, 0.9, 0.99, 1].map((share) => quantile(ratios, share))
    const isBest = ratios.filter((each) => each <= 1 + 1e-9).length / ratios.length
    return [name, geometricMean(ratios), ...spread, `${(100 * isBest).toFixed(0)} %`]
  })
  return {
    title,
    columns: ['measure', 'geometric mean', 'median', 'p90', 'p99', 'worst', 'ours is best'],
    rows,
  }
}

function bySingle(outcomes: Outcome[]): Section {
  const rows = baselines.map(({ name }) => {
    const pairs = outcomes.flatMap(({ ours, others }) => {
      const other = others.find(({ policy }) => policy === name)
      return other ? [turnaround(other) / turnaround(ours)] : []
    })
    const isBest = ({ ours, others }: Outcome) => {
      const best = Math.min(...others.map(turnaround))
      return (
        best < turnaround(ours) && others.some((each) => each.policy === name && turnaround(each) === best)
      )
    }
    return [name, pairs.length, geometricMean(pairs), outcomes.filter(isBest).length]
  })
  const columns = [
    'baseline',
    'scenarios it can hold',
    'its mean turnaround ÷ ours',
    'best, and better than ours',
  ]
  return { title: 'Each baseline against ours', columns, rows }
}

/** Where we are good and where not. */
function byKind(outcomes: Outcome[]): Section {
  const groups = new Map<string, Outcome[]>()
  for (const outcome of outcomes) {
    const { name, devices, workload } = outcome.scenario
    const bytes = workload.models.reduce((sum, { vramBytes }) => sum + vramBytes, 0)
    const room = devices.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0) / bytes
    const keys = [
      name.split(', ')[1]!,
      `${devices.length} device${devices.length > 1 ? 's' : ''} × ${devices[0]!.slots} slots`,
      `${workload.models.length <= 4 ? '2 to 4' : '5 to 10'} models`,
      room < 0.7 ? 'room for less than 0.7 of the models' : room < 1 ? 'room for 0.7 to 1' : 'room for all',
    ]
    for (const key of keys) groups.set(key, [...(groups.get(key) ?? []), outcome])
  }
  const rows = [...groups].sort().map(([key, group]) => {
    const ratios = Object.values(measures).map((measure) =>
      geometricMean(group.map((each) => ratioToBest(each, measure))),
    )
    return [key, group.length, ...ratios]
  })
  return {
    title: 'Ours × best of the others, by kind of scenario',
    columns: ['kind', 'scenarios', ...Object.keys(measures)],
    rows,
  }
}

function worst(outcomes: Outcome[], count: number): Section {
  const ratio = (each: Outcome) => ratioToBest(each, turnaround)
  const rows = [...outcomes]
    .sort((a, b) => ratio(b) - ratio(a))
    .slice(0, count)
    .flatMap((outcome) => {
      const { scenario, ours, others } = outcome
      const best = others.reduce((least, each) => (turnaround(each) < turnaround(least) ? each : least))
      const told = ({ turnaroundMs, makespanMs, loads }: SimulationResult) =>
        `${formatMs(turnaroundMs.mean)}, makespan ${formatMs(makespanMs)}, ${loads} loads`
      return [
        [scenario.name, ratio(outcome).toFixed(2), `ours ${told(ours)}; ${best.policy} ${told(best)}`],
        ...describe(scenario).map((line) => ['', '', line]),
      ]
    })
  return { title: `Our ${count} worst by mean turnaround`, columns: ['seed', '× best', 'what'], rows }
}

function describe({ workload: { models, items }, devices }: Scenario): string[] {
  const place = `${devices.map(({ capacityBytes }) => formatBytes(capacityBytes)).join(' + ')}, ${devices[0]!.slots} slots`
  const used = models.map(({ id, vramBytes, loadMs, batch: { overheadMs, perItemMs, exponent, max } }) => {
    const count = items.filter(({ model }) => model === id).length
    const run = `${overheadMs} + ${perItemMs} n${exponent === 1 ? '' : ` ^ ${exponent}`} ms`
    return `${id} × ${count}: ${formatBytes(vramBytes)}, load ${formatMs(loadMs)}, ${run}, n ≤ ${max}`
  })
  return [place, ...used]
}

const outcomes = outcomesOf(numberFlag('--from', 1), numberFlag('--count', 600))
/** One of each of the kinds that the lab's own figure (0.90) is against: S, LS, LRU, MRG, RND. */
const labKinds = ['seed', 'llama-swap', 'fifo-batch-lru', 'exhaustive-lru', 'rounds']
const among = (isAmong: (policy: string) => boolean) =>
  outcomes.map((each) => ({ ...each, others: each.others.filter(({ policy }) => isAmong(policy)) }))
const ofTheLab = among((policy) => labKinds.includes(policy))
const sections = [
  againstBest(`Ours × the best of the others with hindsight, ${outcomes.length} scenarios`, outcomes),
  againstBest(`The same against ${labKinds.join(', ')}: the kinds of the lab`, ofTheLab),
  againstBest(
    'The same without the planned rounds',
    among((policy) => policy !== 'rounds'),
  ),
  bySingle(outcomes),
  byKind(outcomes),
  worst(outcomes, numberFlag('--worst', 10)),
]
const toBest = (group: Outcome[]) => geometricMean(group.map((each) => ratioToBest(each, turnaround)))
const bars: Bar[] = [
  { name: 'mean turnaround × best of all others, geometric mean', value: toBest(outcomes), atMost: 0.93 },
  {
    name: "mean turnaround × best of the lab's kinds, geometric mean",
    value: toBest(ofTheLab),
    atMost: 0.93,
  },
  { name: 'stalls', value: faults.stalls, atMost: 0 },
  { name: 'livelocks', value: faults.livelocks, atMost: 0 },
  { name: 'violations of an invariant', value: faults.violations, atMost: 0 },
]
printReport({ bench: 'fuzz', sections, bars }, asJson)
