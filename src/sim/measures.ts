// What a simulated run is measured by: waits, turnarounds, busy and stalled slots,
// loads. It watches and decides nothing.
import type { DeviceState } from '../core/state/state.ts'
import type { WorkloadItem } from './workload.ts'

export interface Spread {
  mean: number
  p50: number
  p95: number
  p99: number
  max: number
}

const everyItem = () => true

export class Measures {
  readonly #items: readonly WorkloadItem[]
  readonly #readyAtMs: Float64Array
  readonly #startAtMs: Float64Array
  readonly #endAtMs: Float64Array
  #readyCount = 0
  #lastAtMs: number
  busyMs = 0
  stallMs = 0
  completedCount = 0
  lastEndAtMs: number
  peakBytes = 0
  loads = 0
  evictions = 0
  decisions = 0
  readonly decisionNs: number[] = []

  constructor(items: readonly WorkloadItem[], startAtMs: number) {
    this.#items = items
    this.#readyAtMs = new Float64Array(items.length)
    this.#startAtMs = new Float64Array(items.length)
    this.#endAtMs = new Float64Array(items.length).fill(Number.NaN)
    this.#lastAtMs = startAtMs
    this.lastEndAtMs = startAtMs
  }

  ready(index: number, nowMs: number): void {
    this.#readyAtMs[index] = nowMs
    this.#readyCount++
  }

  start(index: number, nowMs: number): void {
    this.#startAtMs[index] = nowMs
    this.#readyCount--
  }

  end(index: number, nowMs: number): void {
    this.#endAtMs[index] = nowMs
    this.lastEndAtMs = nowMs
    this.completedCount++
  }

  /** Time passes up to `nowMs` with the devices as they are. */
  pass(devices: readonly DeviceState[], nowMs: number): void {
    const tookMs = nowMs - this.#lastAtMs
    this.#lastAtMs = nowMs
    if (tookMs <= 0) return
    for (const { slots, runningCount } of devices) {
      if (!Number.isFinite(slots)) continue
      this.busyMs += runningCount * tookMs
      if (this.#readyCount > 0) this.stallMs += (slots - runningCount) * tookMs
    }
  }

  waits(counts: (item: WorkloadItem) => boolean = everyItem): Spread {
    return spreadOf(this.#waits(counts))
  }

  /** Items that have ended. */
  completed(counts: (item: WorkloadItem) => boolean): number {
    let count = 0
    for (const [index, item] of this.#items.entries()) if (this.#hasEnded(index) && counts(item)) count++
    return count
  }

  /** By priority, lowest first. */
  waitsByPriority(): Record<string, Spread & { count: number }> {
    const priorities = [...new Set(this.#items.map(({ priority }) => priority))].sort((a, b) => a - b)
    const byPriority = priorities.map((each) => {
      const waits = this.#waits(({ priority }) => priority === each)
      return [`${each}`, { ...spreadOf(waits), count: waits.length }] as const
    })
    return Object.fromEntries(byPriority)
  }

  #waits(counts: (item: WorkloadItem) => boolean): number[] {
    const waits: number[] = []
    for (const [index, item] of this.#items.entries()) {
      if (this.#hasEnded(index) && counts(item)) waits.push(this.#startAtMs[index]! - this.#readyAtMs[index]!)
    }
    return waits
  }

  /** Of the jobs that have ended: from a job's first arrival to its last finish. */
  turnarounds(counts: (item: WorkloadItem) => boolean = everyItem): Spread {
    const jobs = new Map<string, { fromMs: number; toMs: number }>()
    for (const [index, item] of this.#items.entries()) {
      if (!counts(item)) continue
      const { job, atMs } = item
      const toMs = this.#endAtMs[index]!
      const known = jobs.get(job)
      if (!known) jobs.set(job, { fromMs: atMs, toMs })
      else {
        known.fromMs = Math.min(known.fromMs, atMs)
        known.toMs = Math.max(known.toMs, toMs)
      }
    }
    const ended = [...jobs.values()].filter(({ toMs }) => !Number.isNaN(toMs))
    return spreadOf(ended.map(({ fromMs, toMs }) => toMs - fromMs))
  }

  deadlines(): { met: number; missed: number } {
    let met = 0
    let missed = 0
    for (const [index, { deadlineMs }] of this.#items.entries()) {
      if (deadlineMs === null) continue
      if (this.#endAtMs[index]! <= deadlineMs) met++
      else missed++
    }
    return { met, missed }
  }

  #hasEnded(index: number): boolean {
    return !Number.isNaN(this.#endAtMs[index]!)
  }
}

/** Mean and percentiles; the p-th is the value that p of the values are at most. Zeros
 * for no values. Sorts `values`. */
export function spreadOf(values: number[]): Spread {
  if (values.length === 0) return { mean: 0, p50: 0, p95: 0, p99: 0, max: 0 }
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!)
  const mean = sorted.reduce((sum, each) => sum + each, 0) / sorted.length
  return { mean: round(mean), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

/** To a thousandth: the rest of a floating-point sum is noise. */
export function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
