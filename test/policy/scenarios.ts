// Random scenarios from a seed: tiny ones whose optimum can be searched, and larger ones
// of every kind to find where a policy is weak. The rules are the lab's (docs/policy.md)
// where it states them; the ranges it leaves open and the chance are ours.
import { defineModel, type Model, runMs } from '../../src/core/model.ts'
import type { DeviceOptions } from '../../src/core/state/state.ts'
import { createRandom, exponential, type Random } from '../../src/sim/random.ts'
import type { Workload, WorkloadItem } from '../../src/sim/workload.ts'

export interface Scenario {
  name: string
  workload: Workload
  devices: DeviceOptions[]
}

const tinyModels = 3
const tinyItems = 8

/** Three models of which two fit at times, eight items; each item waits for an earlier
 * one with probability 0.3. Ranges are such that the lab's seed, FIFO and llama-swap
 * come out within 3 % of its own figures (offline makespan 1.335, 1.960 and
 *  1.525 × the optimum). Online: a gap of `meanGapMs` between arrivals, on average. */
export function tinyScenario(seed: number, isOnline: boolean): Scenario {
  const random = createRandom(seed)
  const models = Array.from({ length: tinyModels }, (_, index) =>
    defineModel({
      id: 'abc'[index]!,
      vram: Math.round(10 * (1 + 4 * random())) * 1e8,
      loadMs: 100 * whole(random, 20, 100),
      unloadMs: 300,
      batch: { overheadMs: 100, perItemMs: 100 * whole(random, 2, 20), max: [2, 4, 8][whole(random, 0, 2)]! },
    }),
  )
  const capacityBytes = between(largestBytes(models), totalBytes(models), random)
  let atMs = 0
  const items = Array.from({ length: tinyItems }, (_, index) => {
    if (isOnline && index > 0) atMs += Math.round(exponential(random, meanGapMs))
    const after = index > 0 && random() < 0.3 ? [`${whole(random, 0, index - 1)}`] : []
    return scenarioItem(`${index}`, models[whole(random, 0, tinyModels - 1)]!, atMs, { after })
  })
  const devices = [{ id: 'gpu0', kind: 'simulated', capacityBytes, safetyRatio: 1 }]
  return { name: `${isOnline ? 'online' : 'offline'} ${seed}`, workload: { models, items }, devices }
}

const meanGapMs = 3000

function between(leastBytes: number, mostBytes: number, random: Random): number {
  return Math.round((leastBytes + (mostBytes - leastBytes) * random()) / 1e8) * 1e8
}

function largestBytes(models: readonly Model[]): number {
  return Math.max(...models.map(({ vramBytes }) => vramBytes))
}

function totalBytes(models: readonly Model[]): number {
  return models.reduce((sum, { vramBytes }) => sum + vramBytes, 0)
}

function scenarioItem(
  id: string,
  { id: model }: Model,
  atMs: number,
  more: Partial<WorkloadItem> = {},
): WorkloadItem {
  const rest = { after: [], job: id, priority: 0, deadlineMs: null, costMs: null, tenant: null }
  return { id, model, atMs, ...rest, ...more }
}

/** A whole number from `least` to `most`. */
function whole(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1))
}

const arrivalKinds = ['offline', 'singles', 'bursts', 'graph'] as const
const fewestItems = 100
const mostItems = 1500

/** Two to ten models on one or two devices with one or two slots each; 100 to 1,500
 * items that come all at once, one by one, in bursts of 5 to 40, or as jobs of one
 * random graph; compute is 0.3 to 0.9 of what the slots could do meanwhile. */
export function fuzzScenario(seed: number): Scenario {
  const random = createRandom(seed)
  const models = Array.from({ length: whole(random, 2, 10) }, (_, index) => randomModel(random, `m${index}`))
  const slots = whole(random, 1, 2)
  const devices = Array.from({ length: whole(random, 1, 2) }, (_, index) => {
    const capacityBytes = between(largestBytes(models), totalBytes(models), random)
    return { id: `gpu${index}`, kind: 'simulated', capacityBytes, safetyRatio: 1, slots }
  })
  const kind = arrivalKinds[whole(random, 0, arrivalKinds.length - 1)]!
  const load = 0.3 + 0.6 * random()
  const isGraph = kind === 'graph' || (kind === 'offline' && random() < 0.5)
  const jobOf = isGraph ? graphJobs(random, models) : singleJobs(random, models)
  const count = logUniform(random, fewestItems, mostItems)
  const items: WorkloadItem[] = []
  let atMs = 0
  for (let job = 0; items.length < count; ) {
    const arriving: WorkloadItem[] = []
    for (let left = kind === 'bursts' ? whole(random, 5, 40) : 1; left > 0; left--)
      arriving.push(...jobOf(job++, atMs))
    items.push(...arriving)
    const computeMs = arriving.reduce(
      (sum, item) => sum + shareMs(models.find(({ id }) => id === item.model)!),
      0,
    )
    if (kind !== 'offline') atMs += Math.round(exponential(random, computeMs / load / slots / devices.length))
  }
  const name = `${seed}, ${kind}${isGraph && kind === 'offline' ? ' graph' : ''}, load ${load.toFixed(2)}`
  return { name, workload: { models, items }, devices }
}

function randomModel(random: Random, id: string): Model {
  const perItemMs = Math.round(logUniform(random, 50, 2000))
  return defineModel({
    id,
    vram: Math.round(10 * logUniform(random, 0.5, 8)) * 1e8,
    loadMs: Math.round(logUniform(random, 1000, 40_000)),
    unloadMs: 300,
    concurrency: 16,
    batch: {
      overheadMs: whole(random, 50, 300),
      perItemMs,
      exponent: random() < 0.3 ? 0.8 : 1,
      max: 2 ** whole(random, 0, 5),
    },
  })
}

function logUniform(random: Random, least: number, most: number): number {
  return least * (most / least) ** random()
}

type Jobs = (job: number, atMs: number) => WorkloadItem[]

/** Items of their own. Models are asked for evenly, or the first ones more (Zipf). */
function singleJobs(random: Random, models: readonly Model[]): Jobs {
  const exponent = random()
  const weights = models.map((_, index) => 1 / (index + 1) ** exponent)
  const total = weights.reduce((sum, each) => sum + each, 0)
  return (job, atMs) => {
    let left = random() * total
    let index = 0
    while (index < models.length - 1 && left > weights[index]!) left -= weights[index++]!
    return [scenarioItem(`${job}`, models[index]!, atMs)]
  }
}

/** Jobs of two to six steps, each a model that waits for one or two of the earlier
 * steps; the first waits for none. */
function graphJobs(random: Random, models: readonly Model[]): Jobs {
  const steps = Array.from({ length: whole(random, 2, 6) }, (_, index) => {
    const model = models[whole(random, 0, models.length - 1)]!
    const count = index === 0 ? 0 : whole(random, 0, Math.min(2, index))
    const after = Array.from({ length: count }, () => whole(random, 0, index - 1))
    return { model, after: [...new Set(after)] }
  })
  return (job, atMs) =>
    steps.map(({ model, after }, index) => {
      const waitsFor = after.map((each) => `${job}-${each}`)
      return scenarioItem(`${job}-${index}`, model, atMs, { job: `${job}`, after: waitsFor })
    })
}

/** Compute of one item in a full batch. */
function shareMs(model: Model): number {
  return runMs(model, model.batch.max) / model.batch.max
}
