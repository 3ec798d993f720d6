// `node bench/laws.bench.ts [--json]`: the simulator against what is known exactly (test/policy/laws.ts): the
// polling law, the LRU cliff, and eviction counts on a fixed order of a real trace. Everything runs through
// `simulate`, so what is proved is its clock, its queues and its memory, not a formula beside them. Ours
// stands next to the exact figures where the policy is concerned: a rotation that the graph tells, and one
// that it does not.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { baselines } from '../src/sim/baselines/index.ts'
import type { SimulationResult } from '../src/sim/report.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../src/sim/simulate.ts'
import type { Workload } from '../src/sim/workload.ts'
import { cyclic, type Service } from '../test/policy/cyclic.ts'
import { type Eviction, evictions, fixedOrder } from '../test/policy/fixed-order.ts'
import {
  farthestMissRatio,
  pollingCases,
  pollingLaw,
  pollingWorkload,
  rotationWorkload,
  weightedWaitS,
} from '../test/policy/laws.ts'
import { cards } from '../test/policy/workloads.ts'
import { convertArena27 } from './convert/arena27.ts'
import { toWorkload } from './convert/trace.ts'
import { asJson, type Bar, printReport, type Section, sharedFolder } from './report.ts'

const bars: Bar[] = []

/** So many that chance leaves less than a percent. */
const polledItems = 300_000

function polling(): Section {
  const rows = pollingCases.flatMap((queues, index) =>
    (['exhaustive', 'gated'] as Service[]).map((service) => {
      const lawS = pollingLaw(queues, service)
      const workload = pollingWorkload(queues, polledItems, 7)
      const simulatedS = weightedWaitS(queues, run(workload, 1, cyclic(service)))
      const name = `case ${index + 1}, ${service}`
      bars.push({
        name: `polling law, ${name}: difference`,
        value: Math.abs(simulatedS / lawS - 1),
        atMost: 0.02,
      })
      return [name, lawS, simulatedS, simulatedS / lawS]
    }),
  )
  const title = `Polling law: Σ ρ × wait of a cyclic server, ${polledItems} items`
  return { title, columns: ['case', 'law s', 'simulated s', 'ratio'], rows }
}

const room = 5
const rotationSizes = [4, 5, 6, 7, 8, 10, 12, 16]

/** Misses per item once the first loads and the end are out of it: twice the rounds less once. */
function missRatio(
  count: number,
  policyFor: (workload: Workload) => SimulatedPolicy,
): [number, SimulationResult] {
  const [once, twice] = [1, 2].map((times) => {
    const workload = rotationWorkload(count, times * 10 * (count - 1), 'chained')
    return run(workload, room, policyFor(workload))
  })
  return [(twice!.loads - once!.loads) / (twice!.items - once!.items), twice!]
}

function cliff(): Section {
  const rows = rotationSizes.map((count) => {
    const law = farthestMissRatio(count, room)
    const [lru] = missRatio(count, ({ items }) => fixedOrder('lru', items))
    const [farthest, onDemand] = missRatio(count, ({ items }) => fixedOrder('farthest', items))
    const [ours, mine] = missRatio(count, () => plimsollPolicy)
    const name = `rotation of ${count} where ${room} fit`
    bars.push(
      { name: `${name}: LRU's misses`, value: Math.abs(lru - (count <= room ? 0 : 1)), atMost: 0 },
      { name: `${name}: farthest's misses against the law`, value: Math.abs(farthest - law), atMost: 0 },
      { name: `${name}, known by the graph: our misses`, value: ours, atMost: Number(law.toFixed(4)) },
    )
    return [count, lru, law, farthest, ours, onDemand.makespanMs / 1000, mine.makespanMs / 1000]
  })
  const columns = [
    'models',
    'LRU misses',
    'law',
    'farthest',
    'ours',
    'farthest, makespan s',
    'ours, makespan s',
  ]
  return { title: `LRU cliff: misses per item of a chained rotation, room for ${room}`, columns, rows }
}

function unknownRotation(): Section {
  const others = baselines.filter(({ name }) => ['fifo-lru', 'exhaustive-lru'].includes(name))
  const rows = [6, 8, 12, 16].flatMap((count) =>
    [100, 300, 1000].map((gapMs) => {
      const workload = rotationWorkload(count, 60, gapMs)
      const [ours, lru, exhaustive] = [plimsollPolicy, ...others].map((each) => run(workload, room, each))
      const ratio = ours!.turnaroundMs.mean / exhaustive!.turnaroundMs.mean
      bars.push({
        name: `rotation of ${count}, gap ${gapMs} ms: turnaround × exhaustive`,
        value: ratio,
        atMost: 1,
      })
      const figures = [lru!, exhaustive!, ours!].flatMap((each) => [
        each.loads,
        each.turnaroundMs.mean / 1000,
      ])
      return [`${count}, ${gapMs} ms`, ...figures, ratio]
    }),
  )
  const columns = [
    'models, gap',
    'LRU loads',
    'turnaround s',
    'exhaustive loads',
    'turnaround s',
    'our loads',
    'turnaround s',
  ]
  const title = `A rotation that no graph tells, room for ${room}: 60 rounds`
  return { title, columns: [...columns, 'ours : exhaustive'], rows }
}

/** Counted by an independent program. */
const arenaLoads: Record<Eviction, number> = { lru: 814, lfu: 714, gds: 795, gdsf: 667, farthest: 569 }

function fixedOrders(): Section[] {
  const folder = join(sharedFolder, 'traces/arena27')
  if (!existsSync(folder)) {
    if (!asJson) console.log(`skipped: ${folder} is not there.`)
    return []
  }
  const workload = toWorkload(convertArena27(folder, false))
  const rows = evictions.map((eviction) => {
    const { loads } = run(workload, 13.4, fixedOrder(eviction, workload.items))
    const expected = arenaLoads[eviction]
    bars.push({
      name: `arena27, ${eviction}: difference in loads`,
      value: Math.abs(loads - expected),
      atMost: 0,
    })
    return [eviction, expected, loads, loads / expected]
  })
  const columns = ['eviction', 'known loads', 'simulated', 'ratio']
  return [{ title: 'Loads of arena27 in the order of arrival, 13.4 GB', columns, rows }]
}

function run(workload: Workload, gb: number, simulated: SimulatedPolicy): SimulationResult {
  const result = simulate({ workload, devices: cards(gb), simulated })
  if (result.completed < result.items || result.violations > 0)
    throw new Error(
      `${simulated.name}: ${result.completed} of ${result.items} items, ${result.violations} violations.`,
    )
  return result
}

const sections = [polling(), cliff(), unknownRotation(), ...fixedOrders()]
printReport({ bench: 'laws', sections, bars }, asJson)
