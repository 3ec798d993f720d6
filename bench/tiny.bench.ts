// `node bench/tiny.bench.ts [--count 300] [--worst 5] [--json]`: our policy and the baselines against the
// exact optimum of tiny scenarios (three models, eight items, one device), offline and online. The optimum
// knows every arrival; a policy does not, so online nobody can be at 1. Two objectives, each with its own
// optimum: makespan, and the sum of turnarounds.
import { baselines } from '../src/sim/baselines/index.ts'
import { plimsollPolicy, simulate } from '../src/sim/simulate.ts'
import type { Objective } from '../test/policy/optimum/problem.ts'
import { type Optimum, optimumOf, regretsOf } from '../test/policy/optimum/search.ts'
import { type Scenario, tinyScenario } from '../test/policy/scenarios.ts'
import { asJson, mean, numberFlag, printReport, quantile, type Section } from './report.ts'
import { scenarioLines, scheduleLines, Watch, type Watched } from './schedule-lines.ts'

// Static residency needs room for all models, which tiny scenarios do not have.
const policies = [plimsollPolicy, ...baselines.filter(({ name }) => name !== 'triton')]
const objectives: Objective[] = ['makespan', 'completions']
const arrivals = ['offline', 'online']

interface Run {
  scenario: Scenario
  policy: string
  /** × the optimum, by objective. */
  ratios: Record<Objective, number>
  optima: Record<Objective, Optimum>
  actions: Watched[]
}

function runsOf(isOnline: boolean, count: number): Run[] {
  return Array.from({ length: count }, (_, seed) => {
    const scenario = tinyScenario(seed + 1, isOnline)
    const { workload, devices } = scenario
    const [makespan, completions] = objectives.map((each) =>
      optimumOf(workload, devices[0]!.capacityBytes, each),
    )
    const optima = { makespan: makespan!, completions: completions! }
    return policies.map((simulated): Run => {
      const watch = new Watch()
      const result = simulate({ workload, devices, simulated, ...watch })
      const ratios = {
        makespan: result.makespanMs / optima.makespan.value,
        completions: (result.turnaroundMs.mean * result.completed) / optima.completions.value,
      }
      if (
        result.completed < result.items ||
        result.violations > 0 ||
        Math.min(...Object.values(ratios)) < 1 - 1e-6
      )
        throw new Error(`${scenario.name}: ${simulated.name} is better than the optimum, or did not finish.`)
      return { scenario, policy: simulated.name, ratios, optima, actions: watch.actions }
    })
  }).flat()
}

function table(title: string, runs: Run[]): Section {
  const rows = policies.map(({ name }) => {
    const own = runs.filter(({ policy }) => policy === name)
    const [makespans, sums] = objectives.map((each) => own.map(({ ratios }) => ratios[each]))
    const inOptimum = makespans!.filter((each) => each < 1 + 1e-9).length / own.length
    const figures = [makespans!, sums!].flatMap((each) => [
      mean(each),
      quantile(each, 0.95),
      quantile(each, 1),
    ])
    return [name, ...figures, `${(100 * inOptimum).toFixed(0)} %`]
  })
  const spread = ['mean', 'p95', 'worst']
  const columns = [
    'policy',
    ...spread.map((each) => `makespan ${each}`),
    ...spread.map((each) => `sum ${each}`),
  ]
  return {
    title: `${title}: × optimum, ${runs.length / policies.length} instances`,
    columns: [...columns, 'optimal makespan'],
    rows,
  }
}

/** Which of our decisions cost what: the best that could still come before it and after it, as a share of the
 * optimum. */
function regrets(title: string, runs: Run[], objective: Objective): Section {
  const byRule = new Map<string, number[]>()
  const ours = runs.filter(({ policy }) => policy === plimsollPolicy.name)
  for (const { scenario, actions, optima } of ours) {
    const { workload, devices } = scenario
    const costs = regretsOf(workload, devices[0]!.capacityBytes, objective, actions)
    for (const [index, { type, rule }] of actions.entries()) {
      const name = index === 0 ? 'the first load' : `${type}: ${rule}`
      const list = byRule.get(name) ?? []
      list.push(costs[index]! / optima[objective].value)
      byRule.set(name, list)
    }
  }
  const lost = (costs: number[]) => costs.reduce((sum, each) => sum + each, 0) / ours.length
  const rows = [...byRule]
    .map(
      ([name, costs]) =>
        [name, costs.length, costs.filter((each) => each > 1e-9).length, lost(costs)] as const,
    )
    .sort((a, b) => b[3] - a[3])
  const columns = ['decision', 'made', 'of which cost something', 'lost × optimum, mean of an instance']
  return {
    title: `${title}: what our decisions cost in ${objective}`,
    columns,
    rows: rows.map((row) => [...row]),
  }
}

/** Our worst runs, with what we did and what would have been best. */
function worst(runs: Run[], objective: Objective, count: number): Section {
  const ours = runs.filter(({ policy }) => policy === plimsollPolicy.name)
  ours.sort((a, b) => b.ratios[objective] - a.ratios[objective])
  const rows = ours
    .slice(0, count)
    .flatMap(({ scenario, ratios, optima, actions }) => [
      [`${scenario.name}: ${ratios[objective].toFixed(3)}`, ''],
      ...scenarioLines(scenario).map((line) => ['', line]),
      ...scheduleLines(actions).map((line) => ['  ours', line]),
      ...scheduleLines(optima[objective].schedule).map((line) => ['  best', line]),
    ])
  return { title: `Our worst of all by ${objective}`, columns: ['scenario', 'what happens'], rows }
}

const count = numberFlag('--count', 300)
const byArrivals = arrivals.map((each) => runsOf(each === 'online', count))
const bars = arrivals.flatMap((each, index) => {
  const ratios = byArrivals[index]!.filter(({ policy }) => policy === 'plimsoll').map(
    (run) => run.ratios.makespan,
  )
  return [
    { name: `${each}: makespan × optimum, mean`, value: mean(ratios), atMost: 1.1 },
    { name: `${each}: makespan × optimum, worst`, value: Math.max(...ratios), atMost: 1.5 },
  ]
})
const worstCount = numberFlag('--worst', 5)
const all = byArrivals.flat()
const sections = [
  ...arrivals.map((each, index) => table(each, byArrivals[index]!)),
  ...arrivals.flatMap((each, index) =>
    objectives.map((objective) => regrets(each, byArrivals[index]!, objective)),
  ),
  worst(byArrivals[0]!, 'makespan', worstCount),
  worst(all, 'completions', worstCount),
]
printReport({ bench: 'tiny', sections, bars }, asJson)
