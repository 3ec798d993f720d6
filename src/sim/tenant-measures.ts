// What each tenant had of a simulated run: its items and how long they waited, its
// share of the compute of all devices, and the loads that its waiting items caused, as
// fairness.ts charges them. It watches and decides nothing.
import type { LevelHead } from '../core/work/queue-head.ts'
import { type Measures, round } from './measures.ts'
import type { WorkloadItem } from './workload.ts'

export interface TenantFigures {
  items: number
  completed: number
  /** From ready to the start of the batch. */
  waitMs: { mean: number; p99: number }
  /** Of a job, from its first arrival to its last finish. */
  turnaroundMs: { mean: number }
  /** Share of the compute on devices; a batch's is split evenly between its items. */
  deviceRatio: number
  /** Loads on devices; one that several waited for is split by their items. Loads
   * ahead, for which none was ready, are nobody's. */
  loads: number
}

/** Of items of nobody in particular. */
const nobody = ''

export class TenantMeasures {
  readonly #items: readonly WorkloadItem[]
  /** In the order of their names. */
  readonly #names: readonly string[]
  readonly #computeMs = new Map<string, number>()
  readonly #loads = new Map<string, number>()

  constructor(items: readonly WorkloadItem[]) {
    this.#items = items
    this.#names = [...new Set(items.map(({ tenant }) => tenant ?? nobody))].sort()
  }

  /** One tenant has all: there is nothing to be split. */
  get #isAlone(): boolean {
    return this.#names.length < 2
  }

  /** A batch of items took so long on a device. */
  computed(indices: readonly number[], tookMs: number): void {
    if (this.#isAlone) return
    for (const index of indices) add(this.#computeMs, this.#items[index]!.tenant, tookMs / indices.length)
  }

  /** A model is loaded on a device while these wait for it. */
  loaded(levels: readonly LevelHead[]): void {
    if (this.#isAlone) return
    const sum = levels.reduce((total, { count }) => total + count, 0)
    for (const { tenant, count } of levels) add(this.#loads, tenant, count / sum)
  }

  /** By tenant; null: there is only one. */
  figures(measures: Measures): Record<string, TenantFigures> | null {
    if (this.#isAlone) return null
    const totalMs = [...this.#computeMs.values()].reduce((sum, each) => sum + each, 0)
    return Object.fromEntries(
      this.#names.map((name): [string, TenantFigures] => {
        const isTheirs = ({ tenant }: WorkloadItem) => (tenant ?? nobody) === name
        const { mean, p99 } = measures.waits(isTheirs)
        return [
          name,
          {
            items: this.#items.filter(isTheirs).length,
            completed: measures.completed(isTheirs),
            waitMs: { mean, p99 },
            turnaroundMs: { mean: measures.turnarounds(isTheirs).mean },
            deviceRatio: totalMs > 0 ? round((this.#computeMs.get(name) ?? 0) / totalMs) : 0,
            loads: round(this.#loads.get(name) ?? 0),
          },
        ]
      }),
    )
  }
}

function add(sums: Map<string, number>, tenant: string | null, amount: number): void {
  const name = tenant ?? nobody
  sums.set(name, (sums.get(name) ?? 0) + amount)
}
