// What is known exactly about simple servers and caches, and workloads to meet it with: the proof
// that the simulator's time, queues and memory are right (laws.test.ts, bench/laws.bench.ts).
import { defineModel, type Model } from '../../src/core/model.ts'
import { createRandom, exponential } from '../../src/sim/random.ts'
import type { SimulationResult } from '../../src/sim/report.ts'
import type { Workload, WorkloadItem } from '../../src/sim/workload.ts'
import type { Service } from './cyclic.ts'

/** One queue of a polling server. */
export interface Queue {
  /** Poisson arrivals a second; seconds of service; seconds of loading before each visit. */
  rate: number
  serviceS: number
  loadS: number
}

/** The two cases of the law's table, as columns of rates, service and load times. */
export const pollingCases: readonly Queue[][] = [
  [0.1, 0.2, 0.3].map((rate) => ({ rate, serviceS: 1, loadS: 5 })),
  [
    { rate: 0.05, serviceS: 2, loadS: 4 },
    { rate: 0.02, serviceS: 5, loadS: 10 },
    { rate: 0.4, serviceS: 0.5, loadS: 6 },
    { rate: 0.1, serviceS: 1, loadS: 8 },
  ],
]

/** Σ ρ_i × mean wait of queue i, seconds: the pseudo-conservation law (Boxma and Groenendijk 1987)
 * for fixed service and load times, where the server goes round also while nothing waits. */
export function pollingLaw(queues: readonly Queue[], service: Service): number {
  const sum = (each: (queue: Queue) => number) => queues.reduce((total, queue) => total + each(queue), 0)
  const load = sum(({ rate, serviceS }) => rate * serviceS)
  const squares = sum(({ rate, serviceS }) => (rate * serviceS) ** 2)
  const loadS = sum((queue) => queue.loadS)
  const queueing = (load * sum(({ rate, serviceS }) => rate * serviceS ** 2)) / (2 * (1 - load))
  const sign = service === 'exhaustive' ? -1 : 1
  return queueing + (load * loadS) / 2 + (loadS / (2 * (1 - load))) * (load ** 2 + sign * squares)
}

/** `count` items for the queues. Each queue has a priority of its own, under which the
 * run reports its waits. */
export function pollingWorkload(queues: readonly Queue[], count: number, seed: number): Workload {
  const random = createRandom(seed)
  const models = queues.map(({ serviceS, loadS }, index) =>
    unitModel(index, { loadMs: loadS * 1000, runMs: serviceS * 1000, max: 1 }),
  )
  const nextAtMs = queues.map(({ rate }) => exponential(random, 1000 / rate))
  const items = Array.from({ length: count }, (_, number) => {
    const queue = nextAtMs.indexOf(Math.min(...nextAtMs))
    const atMs = nextAtMs[queue]!
    nextAtMs[queue] = atMs + exponential(random, 1000 / queues[queue]!.rate)
    return item(number, models[queue]!, { atMs, priority: queue })
  })
  return { models, items }
}

/** The law's left side, of a run of `pollingWorkload`. */
export function weightedWaitS(queues: readonly Queue[], { waitByPriority }: SimulationResult): number {
  return queues.reduce(
    (sum, { rate, serviceS }, index) => sum + (rate * serviceS * waitByPriority[`${index}`]!.mean) / 1000,
    0,
  )
}

/** `rounds` times one item for each of `count` equal models in turn. Chained: each waits
 * for the one before, and all are there at the start; else one arrives every `gapMs`. */
export function rotationWorkload(count: number, rounds: number, gapMs: number | 'chained'): Workload {
  const models = Array.from({ length: count }, (_, index) =>
    unitModel(index, { loadMs: 1000, runMs: 100, max: 8 }),
  )
  const items = Array.from({ length: count * rounds }, (_, number) => {
    const model = models[number % count]!
    if (gapMs !== 'chained') return item(number, model, { atMs: gapMs * number })
    return item(number, model, { job: '0', after: number > 0 ? [`${number - 1}`] : [] })
  })
  return { models, items }
}

/** Share of misses when `count` equal models are used in turn and `room` fit, when
 * those needed latest are given up. */
export function farthestMissRatio(count: number, room: number): number {
  return count <= room ? 0 : (count - room) / (count - 1)
}

function unitModel(
  index: number,
  { loadMs, runMs, max }: { loadMs: number; runMs: number; max: number },
): Model {
  return defineModel({
    id: `m${String(index).padStart(2, '0')}`,
    vram: '1GB',
    loadMs,
    unloadMs: 0,
    batch: { overheadMs: 0, perItemMs: runMs, max },
  })
}

function item(number: number, model: Model, more: Partial<WorkloadItem>): WorkloadItem {
  const rest = { after: [], job: `${number}`, priority: 0, deadlineMs: null, costMs: null, tenant: null }
  return { id: `${number}`, model: model.id, atMs: 0, ...rest, ...more }
}
