// What one decision reads from the state, once for all devices: which models have work and how urgent it is,
// what is needed next, and how long an item may wait. Each answer is worked out when it is first asked for,
// and none outlives the decision. This keeps a decision at O(models log models + devices) instead of their
// product.

import { runMs } from '../model.ts'
import { nextUseMs, readyUseMs } from '../state/estimates.ts'
import { leastServedMs } from '../state/fairness.ts'
import { needsDevice } from '../state/footprint.ts'
import type { DeviceState, ModelState, State } from '../state/state.ts'
import { classOf, interactive, type Moment, type UrgencyClass, worthOf } from './ordering.ts'

/** A model with ready items, and what it deserves. */
export interface Candidate {
  readonly model: ModelState
  readonly urgency: UrgencyClass
  /** What it deserves within its class. Overdue: the wait of its oldest item, ms. Interactive: the wait of
   * its oldest interactive item, ms. Urgent: the latest start, the earlier the more. Ordinary:
   * `ordinaryWorth`. */
  readonly worth: number
}

/** A use that is further away than this is none, ms: eleven days. Chosen, not measured. */
const farMs = 1e9

/** A device and what it may load next, as one decision sees it. */
export interface Lane {
  readonly view: View
  readonly device: DeviceState
  /** The device has a free slot, and nothing on it has work. */
  readonly isIdle: boolean
}

/** One decision's view of the state. */
export class View implements Moment {
  readonly state: State
  readonly nowMs: number
  readonly waitBoundMs: number
  readonly leastServedMs: number | null
  #candidates: Candidate[] | null = null
  #longestBatchMs: number | null = null
  #missing: readonly Candidate[] | null = null
  #expected: ModelState[] | null = null
  #preloads: ModelState[] | null = null
  #hasMissingModel: boolean | null = null
  #nextUses: Map<ModelState, number> | null = null

  constructor(state: State, nowMs: number) {
    this.state = state
    this.nowMs = nowMs
    this.leastServedMs = state.tenants.size === 0 ? null : leastServedMs(state)
    this.waitBoundMs = Math.max(state.policy.maxWait, state.policy.backlogFactor * state.backlog.peakMs)
  }

  get longestBatchMs(): number {
    if (this.#longestBatchMs !== null) return this.#longestBatchMs
    let longestMs = 0
    for (const { model, readyCount, runningCount, instances } of this.state.models) {
      if (instances.length === 0 || readyCount + runningCount === 0) continue
      longestMs = Math.max(longestMs, runMs(model, Math.min(model.batch.max, Math.max(1, readyCount))))
    }
    this.#longestBatchMs = longestMs
    return longestMs
  }

  /** Models with ready items that need device memory, the one that deserves a load most first. Ties end at
   * the id. */
  get candidates(): readonly Candidate[] {
    this.#candidates ??= this.#weigh(() => true)
    return this.#candidates
  }

  /** The candidates that are on no device. A device that has work looks at no others. */
  get missing(): readonly Candidate[] {
    this.#missing ??= this.#weigh(isMissing)
    return this.#missing
  }

  #weigh(isMeant: (model: ModelState) => boolean): Candidate[] {
    const candidates: Candidate[] = []
    for (const model of this.state.models) {
      if (model.readyCount === 0 || !isMeant(model) || !needsDevice(model)) continue
      const urgency = classOf(this, model)
      candidates.push({ model, urgency, worth: worthOf(this, model, urgency) })
    }
    if (candidates.length > 1) candidates.sort((a, b) => b.urgency - a.urgency || b.worth - a.worth)
    return candidates
  }

  /** Models that are on no device, have nothing ready, will be needed, and would stay until then; the one
   * most worth having first. */
  get expected(): readonly ModelState[] {
    if (this.#expected) return this.#expected
    const worths: [ModelState, number][] = []
    for (const model of this.state.models) {
      if (model.readyCount > 0 || model.instances.length > 0 || !needsDevice(model)) continue
      const waitMs = this.nextUseMs(model)
      if (waitMs < farMs && staysFor(model, waitMs)) worths.push([model, this.keepWorth(model)])
    }
    this.#expected = worths.sort((a, b) => b[1] - a[1]).map(([model]) => model)
    return this.#expected
  }

  /** Models that are to be there from the start, and have not been loaded yet. */
  get preloads(): readonly ModelState[] {
    this.#preloads ??= this.state.models.filter(
      ({ model, instances }) =>
        model.isPreloaded && instances.length === 0 && this.state.loads.loadCount(model.id) === 0,
    )
    return this.#preloads
  }

  /** A model with interactive items is on no device. */
  get hasMissingInteractive(): boolean {
    return this.missing[0]?.urgency === interactive
  }

  /** A model with ready items is on no device. */
  get hasMissingModel(): boolean {
    this.#hasMissingModel ??= this.state.models.some(
      ({ readyCount, instances, model }) => readyCount > 0 && instances.length === 0 && model.vramBytes > 0,
    )
    return this.#hasMissingModel
  }

  /** Nothing is promised on an old reading: another process may have taken what it showed. */
  isStale({ observedAtMs }: DeviceState): boolean {
    return observedAtMs !== null && this.nowMs - observedAtMs > this.state.policy.staleAfter
  }

  /** Whether a load of the model may be tried: not in the cooldown after a failed load, nor when it is
   * hopeless. */
  canTry(model: ModelState): boolean {
    return this.nowMs >= model.coolUntilMs && !areLoadsHopeless(this.state, model)
  }

  /** What keeping a model saves: milliseconds of loading per byte, and per millisecond until it is needed. */
  keepWorth(model: ModelState): number {
    return model.loadMs / Math.max(1, model.model.vramBytes) / this.nextUseMs(model)
  }

  /** Time until a model is needed, ms (estimates.ts). */
  nextUseMs(model: ModelState): number {
    if (model.readyCount > 0) return readyUseMs
    this.#nextUses ??= new Map()
    let ms = this.#nextUses.get(model)
    if (ms === undefined) {
      ms = nextUseMs(this.state, model, this.nowMs)
      this.#nextUses.set(model, ms)
    }
    return ms
  }
}

function isMissing({ instances }: ModelState): boolean {
  return instances.length === 0
}

/** Whether an instance would still be there after so long without work. */
function staysFor({ model: { keepAliveMs, isPinned }, blockedCount }: ModelState, ms: number): boolean {
  return keepAliveMs === null || isPinned || blockedCount > 0 || ms < keepAliveMs
}

/** Loads of a model have failed too often in a row, or one of them for good. */
export function areLoadsHopeless({ policy }: State, { loadFailureCount, isBroken }: ModelState): boolean {
  return isBroken || loadFailureCount >= policy.maxLoadFailures
}
