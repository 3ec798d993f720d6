// What a plan says of a card: the pipeline's work simulated on it, and which of several is enough.
import { SchedulerError } from '../core/errors.ts'
import type { Policy } from '../core/policy.ts'
import { type ModelProfile, restoreProfiles } from '../core/state/profile.ts'
import { createState, type DeviceOptions } from '../core/state/state.ts'
import type { SimulationResult } from '../sim/report.ts'
import { simulate } from '../sim/simulate.ts'
import type { Workload } from '../sim/workload.ts'
import { bookedModels } from './booked-models.ts'
import { type DatedItem, type LateStep, lateSteps } from './late-steps.ts'

/** Cards as they are called, and what they are. */
export interface Choice {
  gpus: string
  devices: DeviceOptions[]
}

export interface Forecast
  extends Pick<
    SimulationResult,
    'makespanMs' | 'loads' | 'evictions' | 'busyRatio' | 'stallRatio' | 'peakBytes'
  > {
  gpus: string
  capacityBytes: number
  waitMs: number
  /** What a faster run would need most. */
  bottleneck: 'compute' | 'loads' | 'dependencies'
  deadlines: SimulationResult['deadlines']
  /** Steps with deadlines that no order of work can meet on it. */
  infeasibleDeadlines: LateStep[]
}

/** A card that a model does not fit on, and why. */
export interface TooSmall {
  gpus: string
  capacityBytes: number
  tooSmall: string
}

/** What is known of the work. */
export interface Plan {
  workload: Workload
  policy: Policy
  /** Of earlier runs. */
  profiles: readonly ModelProfile[]
}

/** A card is enough when the run takes at most so much longer than on the best one. */
export const enoughRatio = 1.05

export function forecast(plan: Plan, { gpus, devices }: Choice): Forecast | TooSmall {
  const capacityBytes = devices.reduce((sum, each) => sum + each.capacityBytes, 0)
  try {
    return { gpus, capacityBytes, ...simulated(plan, devices) }
  } catch (error) {
    if (error instanceof SchedulerError && error.code === 'NEVER_FITS')
      return { gpus, capacityBytes, tooSmall: error.message }
    throw error
  }
}

function simulated({ workload, policy, profiles }: Plan, choice: readonly DeviceOptions[]) {
  // What was learned is of a kind of device: the cards are taken to be of it.
  const kind = profiles.flatMap(({ footprints }) => footprints)[0]?.kind ?? 'simulated'
  const devices = choice.map((each) => ({ ...each, kind }))
  const state = createState(workload.models, devices, policy)
  restoreProfiles(state, sizesOf(profiles, workload))
  const sized = { ...workload, models: bookedModels(state) }
  const result = simulate({ workload: sized, devices, policy })
  const { makespanMs, loads, evictions, busyRatio, stallRatio, peakBytes, waitMs, deadlines } = result
  const idleRatio = 1 - busyRatio - stallRatio
  const bottleneck: Forecast['bottleneck'] =
    busyRatio >= 0.8 ? 'compute' : stallRatio >= idleRatio ? 'loads' : 'dependencies'
  const infeasibleDeadlines = lateSteps(state, datedItems(workload), 0)
  const figures = { makespanMs, loads, evictions, busyRatio, stallRatio, peakBytes, waitMs: waitMs.mean }
  return { ...figures, bottleneck, deadlines, infeasibleDeadlines }
}

/** Times are in the workload already. */
function sizesOf(profiles: readonly ModelProfile[], { models }: Workload): ModelProfile[] {
  const loadMsById = new Map(models.map(({ id, loadMs }) => [id, loadMs]))
  return profiles.map((each) => ({
    ...each,
    pace: { ratio: 1, batchCount: 0 },
    load: { expectedMs: loadMsById.get(each.modelId) ?? 0, sampleCount: 0 },
  }))
}

/** The step is the beginning of a planned item's id. */
function datedItems({ items }: Workload): DatedItem[] {
  return items.map(({ id, model: modelId, after, deadlineMs: deadlineAtMs }) => {
    const dependencies = after.map((each) => ({ id: each }))
    return { id, modelId, step: id.slice(0, id.indexOf('-')), deadlineAtMs, dependencies }
  })
}

/** The smallest of the cards that are enough; of equal ones the first. null: everything is too small. */
export function enoughOf(forecasts: readonly (Forecast | TooSmall)[]): string | null {
  const fitting = forecasts.filter((each) => 'makespanMs' in each)
  const bestMs = Math.min(...fitting.map(({ makespanMs }) => makespanMs))
  const enough = fitting.filter(({ makespanMs }) => makespanMs <= bestMs * enoughRatio)
  return enough.sort((a, b) => a.capacityBytes - b.capacityBytes)[0]?.gpus ?? null
}
