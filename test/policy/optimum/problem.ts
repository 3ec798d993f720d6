// A tiny workload as the search sees it: what may come next after a list of actions,
// and what no completion of the list can undercut. Items and models are places, sets of
// them bits. Moments count from the first arrival.
import { type Model, runMs } from '../../../src/core/model.ts'
import type { Workload } from '../../../src/sim/workload.ts'

/** makespan: when the last item ends. completions: Σ over items of arrival to end. */
export type Objective = 'makespan' | 'completions'

export interface Action {
  type: 'load' | 'unload' | 'run'
  model: string
  /** Ids, of a run. */
  items: string[]
  startMs: number
  endMs: number
}

/** A list of actions. */
export interface Plan {
  started: number
  resident: number
  /** The model whose load or batch ends when the lane or the slot is free; −1: none. */
  loading: number
  running: number
  slotFreeMs: number
  laneFreeMs: number
  /** What the items started so far come to in the objective. */
  costMs: number
  /** No completion comes to less. */
  boundMs: number
  last: Action | null
  before: Plan | null
}

const mostItems = 12
const mostModels = 7

export class Problem {
  readonly start: Plan
  readonly #models: readonly Model[]
  readonly #budgetBytes: number
  readonly #isMakespan: boolean
  readonly #ids: readonly string[]
  readonly #atMs: readonly number[]
  readonly #modelOf: readonly number[]
  /** What each item waits for. */
  readonly #after: readonly number[]
  /** By model and number of items: a batch; the least compute in any batches. */
  readonly #runMs: readonly number[][]
  readonly #leastMs: readonly number[][]
  /** An earlier item that differs in nothing but its id, or −1. The earlier of such twins starts first. */
  readonly #twinOf: readonly number[]

  constructor({ models, items }: Workload, budgetBytes: number, objective: Objective) {
    if (items.length > mostItems || models.length > mostModels)
      throw new RangeError(`At most ${mostItems} items and ${mostModels} models can be searched.`)
    if (models.some(({ batch }) => batch.activationBytes > 0) || items.some(({ costMs }) => costMs !== null))
      throw new RangeError('Room for batches and costs of single items are not searched.')
    const ids = items.map(({ id }) => id)
    const startMs = Math.min(...items.map(({ atMs }) => atMs))
    this.#models = models
    this.#budgetBytes = budgetBytes
    this.#isMakespan = objective === 'makespan'
    this.#ids = ids
    this.#atMs = items.map(({ atMs }) => atMs - startMs)
    this.#modelOf = items.map((item) => models.findIndex(({ id }) => id === item.model))
    this.#after = items.map(({ after }) => bitsOf(after.map((id) => ids.indexOf(id))))
    this.#runMs = models.map((model) => [0, ...ids.map((_, index) => runMs(model, index + 1))])
    this.#leastMs = models.map(({ batch }, place) => leastMs(this.#runMs[place]!, batch.max))
    this.#twinOf = items.map((_, place) => this.#twinBefore(place))
    const nothing = { started: 0, resident: 0, loading: -1, running: -1, last: null, before: null }
    const costMs = this.#isMakespan ? 0 : -this.#atMs.reduce((sum, each) => sum + each, 0)
    this.start = { ...nothing, slotFreeMs: 0, laneFreeMs: 0, costMs, boundMs: costMs }
  }

  isComplete({ started }: Plan): boolean {
    return started === 2 ** this.#ids.length - 1
  }

  /** With every action that may come next. Nothing is loaded in vain, and what could
   * run is not unloaded unused. */
  followers(plan: Plan): Plan[] {
    const actions: Action[] = []
    for (const [place, { id, vramBytes, loadMs, unloadMs }] of this.#models.entries()) {
      const isResident = plan.resident & (1 << place)
      const canRun = isResident && this.#addRuns(plan, place, actions)
      if (isResident && !(canRun && plan.loading === place)) {
        const startMs = Math.max(plan.laneFreeMs, plan.running === place ? plan.slotFreeMs : 0)
        actions.push({ type: 'unload', model: id, items: [], startMs, endMs: startMs + unloadMs })
      }
      const fits = this.#heldBytes(plan) + vramBytes <= this.#budgetBytes
      if (isResident || !fits || this.#openCount(plan, place) === 0) continue
      const startMs = plan.laneFreeMs
      actions.push({ type: 'load', model: id, items: [], startMs, endMs: startMs + loadMs })
    }
    return actions.map((action) => this.with(plan, action))
  }

  /** Every set of items that can be the next batch of the model. False: there is none. */
  #addRuns(plan: Plan, place: number, actions: Action[]): boolean {
    const { id, batch } = this.#models[place]!
    const ready: number[] = []
    for (const [item, model] of this.#modelOf.entries()) {
      const isReady = !(plan.started & (1 << item)) && (this.#after[item]! & ~plan.started) === 0
      if (model === place && isReady) ready.push(item)
    }
    const loadedMs = plan.loading === place ? plan.laneFreeMs : 0
    for (let chosen = 1; chosen < 1 << ready.length; chosen++) {
      const items = ready.filter((_, index) => chosen & (1 << index))
      const started = plan.started | bitsOf(items)
      const isSkipped = (twin: number) => twin >= 0 && !(started & (1 << twin))
      if (items.length > batch.max || items.some((item) => isSkipped(this.#twinOf[item]!))) continue
      const startMs = Math.max(plan.slotFreeMs, loadedMs, ...items.map((item) => this.#atMs[item]!))
      const endMs = startMs + this.#runMs[place]![items.length]!
      actions.push({ type: 'run', model: id, items: items.map((item) => this.#ids[item]!), startMs, endMs })
    }
    return ready.length > 0
  }

  /** With the action, whenever it starts. What has ended when nothing more can start
   * before is nobody's business any more. */
  with(before: Plan, last: Action): Plan {
    const plan: Plan = { ...before, last, before }
    const place = this.#models.findIndex(({ id }) => id === last.model)
    if (last.type === 'run') {
      plan.started |= bitsOf(last.items.map((id) => this.#ids.indexOf(id)))
      plan.running = place
      plan.slotFreeMs = last.endMs
      plan.costMs = this.#isMakespan ? last.endMs : plan.costMs + last.items.length * last.endMs
    } else {
      plan.resident = last.type === 'load' ? plan.resident | (1 << place) : plan.resident & ~(1 << place)
      plan.loading = last.type === 'load' ? place : -1
      plan.laneFreeMs = last.endMs
    }
    const nowMs = Math.max(last.startMs, Math.min(plan.slotFreeMs, plan.laneFreeMs))
    if (plan.slotFreeMs <= nowMs) [plan.slotFreeMs, plan.running] = [nowMs, -1]
    if (plan.laneFreeMs <= nowMs) [plan.laneFreeMs, plan.loading] = [nowMs, -1]
    plan.boundMs = Math.max(
      before.boundMs,
      this.#isMakespan ? this.#leastMakespan(plan) : this.#leastSum(plan),
    )
    return plan
  }

  /** The compute that is left in one slot, the loads in one lane and then a batch, and
   * each item for itself. */
  #leastMakespan(plan: Plan): number {
    let [computeMs, loadMs, shortestMs, boundMs] = [0, 0, Number.POSITIVE_INFINITY, plan.costMs]
    for (const [place, model] of this.#models.entries()) {
      const count = this.#openCount(plan, place)
      computeMs += this.#leastMs[place]![count]!
      if (count === 0 || plan.resident & (1 << place)) continue
      loadMs += model.loadMs
      shortestMs = Math.min(shortestMs, this.#runMs[place]![1]!)
    }
    for (let item = 0; item < this.#ids.length; item++)
      if (!(plan.started & (1 << item))) boundMs = Math.max(boundMs, this.#earliestEnd(plan, item))
    if (loadMs > 0) boundMs = Math.max(boundMs, plan.laneFreeMs + loadMs + shortestMs)
    return computeMs > 0 ? Math.max(boundMs, plan.slotFreeMs + computeMs) : boundMs
  }

  /** Each item for itself, or the k-th to end after the k least shares of compute. */
  #leastSum(plan: Plan): number {
    let aloneMs = 0
    const shares: number[] = []
    for (const [item, place] of this.#modelOf.entries()) {
      if (plan.started & (1 << item)) continue
      aloneMs += this.#earliestEnd(plan, item)
      const least = this.#leastMs[place]!
      shares.push(
        least.reduce((share, ms, count) => (count > 0 ? Math.min(share, ms / count) : share), Infinity),
      )
    }
    let [endMs, queuedMs] = [plan.slotFreeMs, 0]
    for (const share of shares.sort((a, b) => a - b)) queuedMs += endMs += share
    return plan.costMs + Math.max(aloneMs, queuedMs)
  }

  /** If nothing but its own model's load and what it waits for were in its way. */
  #earliestEnd(plan: Plan, item: number): number {
    const place = this.#modelOf[item]!
    const isMissing = !(plan.resident & (1 << place))
    const comesMs = isMissing ? plan.laneFreeMs + this.#models[place]!.loadMs : 0
    const loadedMs = plan.loading === place ? plan.laneFreeMs : comesMs
    let fromMs = Math.max(plan.slotFreeMs, loadedMs, this.#atMs[item]!)
    const open = this.#after[item]! & ~plan.started
    for (let other = 0; open >> other > 0; other++)
      if (open & (1 << other)) fromMs = Math.max(fromMs, this.#earliestEnd(plan, other))
    return fromMs + this.#runMs[place]![1]!
  }

  #openCount({ started }: Plan, place: number): number {
    return this.#modelOf.reduce((n, of, item) => n + (of === place && !(started & (1 << item)) ? 1 : 0), 0)
  }

  #heldBytes({ resident }: Plan): number {
    return this.#models.reduce(
      (sum, { vramBytes }, place) => sum + (resident & (1 << place) ? vramBytes : 0),
      0,
    )
  }

  #twinBefore(item: number): number {
    const isIn = (after: number, place: number) => (after >> place) & 1
    for (let other = item - 1; other >= 0; other--) {
      const isAlike = [this.#modelOf, this.#atMs, this.#after].every((each) => each[other] === each[item])
      if (isAlike && this.#after.every((after) => isIn(after, other) === isIn(after, item))) return other
    }
    return -1
  }
}

/** Least time of 0, 1, … items in batches of at most `max`. */
function leastMs(runMs: readonly number[], max: number): number[] {
  const least = [0]
  for (let count = 1; count < runMs.length; count++) {
    const sizes = Array.from({ length: Math.min(max, count) }, (_, index) => index + 1)
    least.push(Math.min(...sizes.map((size) => runMs[size]! + least[count - size]!)))
  }
  return least
}

function bitsOf(places: readonly number[]): number {
  return places.reduce((bits, place) => bits | (1 << place), 0)
}
