// The answer of a simulation: one object, the same whoever asks, and the same figures as lines for people.

import type { DeviceState } from '../core/state/state.ts'
import { formatBytes, formatMs } from '../core/units.ts'
import { boundsOf } from './bounds.ts'
import { type Measures, round, type Spread, spreadOf } from './measures.ts'
import type { TenantFigures } from './tenant-measures.ts'
import type { Workload } from './workload.ts'

export interface SimulationResult {
  policy: string
  items: number
  completed: number
  /** From the first arrival to the last finish. */
  makespanMs: number
  loads: number
  evictions: number
  /** Loads that were given up, or stood at the end, without a batch. */
  unusedLoads: number
  distinctModels: number
  /** From ready to the start of the batch. */
  waitMs: Spread
  /** Of a job, from its first arrival to its last finish. */
  turnaroundMs: Spread
  waitByPriority: Record<string, Spread & { count: number }>
  /** '' for items of nobody in particular; left out where all items are of one tenant. */
  byTenant?: Record<string, TenantFigures>
  deadlines: { met: number; missed: number }
  /** Share of slot time that computed; that stood idle while something was ready. */
  busyRatio: number
  stallRatio: number
  /** No schedule has less. */
  bound: { makespanMs: number; loads: number }
  /** Most bytes booked on one device. */
  peakBytes: number
  violations: number
  decisions: number
  /** null: not measured. */
  decisionNs: { mean: number; p99: number } | null
}

interface Run {
  measures: Measures
  byTenant: Record<string, TenantFigures> | null
  workload: Workload
  devices: readonly DeviceState[]
  policy: string
  makespanMs: number
  unusedLoads: number
  violations: number
}

export function summarize(run: Run): SimulationResult {
  const { measures, workload, devices, makespanMs } = run
  const slots = devices.reduce((sum, each) => sum + (Number.isFinite(each.slots) ? each.slots : 0), 0)
  const slotMs = Math.max(1, slots * makespanMs)
  const bounds = boundsOf(
    workload,
    devices.filter(({ budgetBytes }) => budgetBytes > 0),
  )
  const decisionNs = spreadOf(measures.decisionNs)
  return {
    policy: run.policy,
    items: workload.items.length,
    completed: measures.completedCount,
    makespanMs: round(makespanMs),
    loads: measures.loads,
    evictions: measures.evictions,
    unusedLoads: run.unusedLoads,
    distinctModels: new Set(workload.items.map(({ model }) => model)).size,
    waitMs: measures.waits(),
    turnaroundMs: measures.turnarounds(),
    waitByPriority: measures.waitsByPriority(),
    ...(run.byTenant && { byTenant: run.byTenant }),
    deadlines: measures.deadlines(),
    busyRatio: round(measures.busyMs / slotMs),
    stallRatio: round(measures.stallMs / slotMs),
    bound: { makespanMs: round(bounds.makespanMs), loads: bounds.loads },
    peakBytes: measures.peakBytes,
    violations: run.violations,
    decisions: measures.decisions,
    decisionNs: measures.decisionNs.length > 0 ? { mean: decisionNs.mean, p99: decisionNs.p99 } : null,
  }
}

/** Name and value of each figure. */
export function linesOf(result: SimulationResult): [string, string][] {
  const times = ({ mean, p50, p95, p99, max }: Spread) =>
    [mean, p50, p95, p99, max].map((each) => formatMs(each)).join(' · ')
  const percent = (ratio: number) => `${(100 * ratio).toFixed(1)} %`
  const times100 = result.bound.makespanMs > 0 ? result.makespanMs / result.bound.makespanMs : 1
  const { met, missed } = result.deadlines
  const byPriority = Object.entries(result.waitByPriority)
  return [
    ['policy', result.policy],
    ['items completed', `${result.completed} of ${result.items}`],
    ['makespan', `${formatMs(result.makespanMs)} (${times100.toFixed(3)} × the bound)`],
    ['loads', `${result.loads} (at least ${result.bound.loads}); ${result.unusedLoads} unused`],
    ['evictions', `${result.evictions}`],
    ['wait: mean · p50 · p95 · p99 · max', times(result.waitMs)],
    ['turnaround of a job', times(result.turnaroundMs)],
    ...(byPriority.length > 1
      ? byPriority.map(([priority, each]): [string, string] => [
          `wait at priority ${priority} (${each.count})`,
          times(each),
        ])
      : []),
    ...(met + missed > 0 ? ([['deadlines', `${met} met, ${missed} missed`]] as [string, string][]) : []),
    ['slots busy', percent(result.busyRatio)],
    ['slots idle while something was ready', percent(result.stallRatio)],
    ['peak memory on a device', formatBytes(result.peakBytes)],
    ['violations', `${result.violations}`],
    ['decisions', `${result.decisions}`],
    ...(result.decisionNs
      ? ([
          [
            'cost of a decision: mean · p99',
            `${(result.decisionNs.mean / 1000).toFixed(1)} µs · ${(result.decisionNs.p99 / 1000).toFixed(1)} µs`,
          ],
        ] as [string, string][])
      : []),
  ]
}

/** The columns of `tenantRows`. */
export const tenantColumns = [
  'tenant',
  'items',
  'done',
  'mean wait',
  'p99 wait',
  'mean turnaround',
  'device time',
  'loads',
]

/** A row for each tenant; none where there is only one. */
export function tenantRows({ byTenant = {} }: SimulationResult): string[][] {
  return Object.entries(byTenant).map(([name, each]) => [
    name === '' ? '(nobody)' : name,
    String(each.items),
    String(each.completed),
    formatMs(each.waitMs.mean),
    formatMs(each.waitMs.p99),
    formatMs(each.turnaroundMs.mean),
    `${(100 * each.deviceRatio).toFixed(1)} %`,
    each.loads.toFixed(2),
  ])
}
