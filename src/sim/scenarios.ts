// Random scenarios from a seed: tiny ones whose optimum can be searched, and larger ones of every kind to find where a policy
// is weak. The rules are those of the policy study (docs/policy.md) where it states them; the chance is ours.
import { defineModel, type Model } from '../core/model.ts'
import type { DeviceOptions } from '../core/state.ts'
import { createRandom, exponential, type Random } from './random.ts'
import type { Workload, WorkloadItem } from './workload.ts'

export interface Scenario {
  name: string
  workload: Workload
  devices: DeviceOptions[]
}

const tinyModels = 3
const tinyItems = 8

/** Three models of which two fit at times, eight items; each item waits for an earlier one with probability 0.3. Ranges are
 *  such that the lab's seed, FIFO and llama-swap come out within 3 % of its own figures (offline makespan 1.335, 1.960 and
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
