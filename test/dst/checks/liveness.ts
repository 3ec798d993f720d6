// What must come in time. Safety is easy to keep by doing nothing, so the run is also
// held to promises of progress, in simulated time:
//
//  (1) No rest beside work. While nothing is running, loading, stopping or being asked of the store, and
//      a model with ready items may be loaded or run within the line of a device, something starts within
//      `restMs`: the daemon reads devices every 0.5 s, and sets timers for everything else. The same for
//      a model that is to be there from the start, where nothing waits. A device whose readings take
//      longer is waited for: what is on it may need more room than there is, and only a reading tells.
//  (2) No wait without end. A model whose items are ready and fit all the while starts a batch within
//      the wait bound (docs/policy.md): then its oldest item is overdue and goes before all that has
//      waited less; + three times the peak backlog: what has waited longer is no more than had to be
//      cleared at the worst, in batches that may be smaller than the models say, where memory is
//      short, and more than once where items fail; + a turn for each model: a release, a load, a
//      whole visit (visitFactor × (load + visitBase), and finishFactor loads more for its rest) and
//      its longest batch, as the models say: the spread of times evens out. Interactive items, one in
//      eight, have their turns within these. Time in which a fault holds something up does not count,
//      nor does the pause after a failed load. `worstRatio` says how near a run came to its bound.
//  (3) An end. What can never run is said, not waited for; a drain ends with the
//      running batches, `close` in `closeMs`.

import { View } from '../../../src/core/decide/view.ts'
import { leastBytes, type Model, runMs } from '../../../src/core/model.ts'
import { activeBytesOn } from '../../../src/core/state/footprint.ts'
import { headroomBytes } from '../../../src/core/state/ledger.ts'
import type { DeviceState, ModelState, State } from '../../../src/core/state/state.ts'
import type { Context } from '../world/context.ts'

const restMs = 3000

/** A device that was last asked longer ago, with an answer, takes its time over the next: two readings. */
const blindMs = 1000

/** The end of a lease that ended otherwise may be the next moment the daemon looks at: a minute. */
const stuckMs = 65_000

/** Longest unload and grace of an instance, and the memory it waits for, with all calls of the store slow. */
export const closeMs = 60_000

export interface Situation {
  state: State
  /** The wall clock of the daemon. */
  nowMs: number
  /** It has read its devices, and neither drains nor has ended. */
  isWorking: boolean
  /** Calls of the store under way. */
  pendingCount: number
  /** Ready items by model, as the store has them. */
  readyByModel: ReadonlyMap<string, number>
  /** Room on a device in which a model can be loaded and run an item, whatever was learned of it. */
  neededBytes: (model: Model, deviceId: string) => number
  /** Items that have not ended and are not blocked. */
  canMoveCount: number
}

export class LivenessChecks {
  readonly #context: Context
  /** Calm time that models have been ready and would have fitted, since their last batch. */
  readonly #waits = new Map<string, { waitedMs: number; boundMs: number }>()
  #restedMs = 0
  #stuckMs = 0
  #lastAtMs = 0
  /** Longest wait over its bound so far: tells how near to breaking the bound is. */
  worstRatio = 0

  constructor(context: Context) {
    this.#context = context
  }

  batchStarted(modelId: string): void {
    this.#waits.delete(modelId)
  }

  /** A new daemon begins: waits are counted anew. */
  lifeBegan(): void {
    this.#waits.clear()
    this.#restedMs = this.#stuckMs = 0
  }

  /** After each moment. What was true after the one before held until now. */
  afterMoment(situation: Situation | null): void {
    const { agenda, disturbedUntilMs } = this.#context
    const passedMs = agenda.nowMs - this.#lastAtMs
    this.#lastAtMs = agenda.nowMs
    if (!situation?.isWorking) {
      this.lifeBegan()
      return
    }
    const { state, readyByModel } = situation
    const wanting = state.models.filter(
      (model) => (readyByModel.get(model.model.id) ?? 0) > 0 && canBeTried(situation, model),
    )
    const able = wanting.filter((model) => fitsNow(situation, model))
    const preloads = wanting.length > 0 ? [] : state.models.filter((model) => mayPreload(situation, model))
    this.#checkRest(situation, [...able, ...preloads], passedMs)
    this.#checkEnd(situation, passedMs)
    const isCalm = agenda.nowMs > disturbedUntilMs
    for (const model of state.models) {
      const { id } = model.model
      if ((readyByModel.get(id) ?? 0) === 0) this.#waits.delete(id)
      else if (isCalm && able.includes(model)) this.#checkWait(situation, id, passedMs)
    }
  }

  /** (1) */
  #checkRest({ state, pendingCount }: Situation, able: readonly ModelState[], passedMs: number): void {
    const isResting = pendingCount === 0 && able.length > 0 && isStill(state)
    this.#restedMs = isResting ? this.#restedMs + passedMs : 0
    this.#context.check(
      this.#restedMs <= restMs,
      () =>
        `nothing has moved for ${this.#restedMs} ms; ${able.map(({ model }) => model.id)} are ready and fit`,
    )
  }

  /** (2) The bound may fall while a model waits, at the end of an overload: the largest counts. */
  #checkWait({ state, nowMs }: Situation, modelId: string, passedMs: number): void {
    const wait = this.#waits.get(modelId) ?? { waitedMs: 0, boundMs: 0 }
    this.#waits.set(modelId, wait)
    const turnsMs = state.models.reduce((sum, each) => sum + turnMs(state, each.model), 0)
    wait.waitedMs += passedMs
    wait.boundMs = Math.max(
      wait.boundMs,
      new View(state, nowMs).waitBoundMs + 3 * state.backlog.peakMs + turnsMs,
    )
    this.worstRatio = Math.max(this.worstRatio, wait.waitedMs / wait.boundMs)
    this.#context.check(
      wait.waitedMs <= wait.boundMs,
      () =>
        `${modelId} has been ready and would fit for ${wait.waitedMs} ms; the bound is ${Math.round(wait.boundMs)}`,
    )
  }

  /** (3) */
  #checkEnd({ state, pendingCount, canMoveCount, readyByModel }: Situation, passedMs: number): void {
    const isHopeless = ({ model }: ModelState) =>
      (readyByModel.get(model.id) ?? 0) === 0 || !state.devices.some((device) => fitsEver(device, model))
    const isStuck =
      pendingCount === 0 &&
      isStill(state) &&
      state.models.every(isHopeless) &&
      canMoveCount === readyCountOf(readyByModel)
    this.#stuckMs = isStuck ? this.#stuckMs + passedMs : 0
    this.#context.check(this.#stuckMs <= stuckMs, () => 'the daemon waits for what can never run')
  }
}

function readyCountOf(readyByModel: ReadonlyMap<string, number>): number {
  return [...readyByModel.values()].reduce((sum, each) => sum + each, 0)
}

function turnMs({ policy }: State, model: Model): number {
  const { loadMs, unloadMs, batch } = model
  const visitMs = policy.visitFactor * (loadMs + policy.visitBase) + policy.finishFactor * loadMs
  return unloadMs + loadMs + visitMs + runMs(model, batch.max)
}

/** Nothing runs, loads or stops. What is quarantined may never come back. */
function isStill(state: State): boolean {
  if (state.batchById.size > 0) return false
  for (const { phase } of state.instanceById.values())
    if (phase === 'starting' || phase === 'stopping') return false
  return true
}

function canBeTried(
  { state, nowMs }: Situation,
  { coolUntilMs, loadFailureCount, isBroken, instances }: ModelState,
): boolean {
  const isHopeless = isBroken || loadFailureCount >= state.policy.maxLoadFailures
  return instances.length > 0 || (nowMs >= coolUntilMs && !isHopeless)
}

/** It is to be there from the start, has never been, and a device has room for it now,
 * and for the batches of others. */
function mayPreload(situation: Situation, each: ModelState): boolean {
  const { state, nowMs, neededBytes } = situation
  const { model, instances } = each
  if (!model.isPreloaded || instances.length > 0 || state.loads.loadCount(model.id) > 0) return false
  if (!canBeTried(situation, each)) return false
  if (model.vramBytes === 0) return true
  return state.devices.some((device) => {
    const { id, slots, observedAtMs, fault } = device
    if (fault !== null || (observedAtMs !== null && nowMs - observedAtMs > blindMs)) return false
    const batchBytes = Math.max(0, ...device.instances.map((other) => activeBytesOn(other.model, device, 1)))
    return neededBytes(model, id) + slots * batchBytes <= headroomBytes(device)
  })
}

/** Some device could hold it if all that is idle went; and it is on none that has to be read first. */
function fitsNow({ state, nowMs, neededBytes }: Situation, { model, instances }: ModelState): boolean {
  const isBlind = ({ observedAtMs }: DeviceState) => observedAtMs !== null && nowMs - observedAtMs > blindMs
  if (model.vramBytes === 0) return true
  if (instances.some(({ device }) => isBlind(device))) return false
  return state.devices.some((device) => {
    const { id, budgetBytes, ledger, deficitBytes, fault } = device
    const leavingBytes = ledger.quarantinedBytes + ledger.releasingBytes + deficitBytes + stayingBytes(device)
    return fault === null && !isBlind(device) && neededBytes(model, id) <= budgetBytes - leavingBytes
  })
}

/** What is pinned, and the room for its batches. */
export function stayingBytes(device: DeviceState): number {
  const pinned = device.instances.filter(({ model, phase }) => model.model.isPinned && phase !== 'stopping')
  const bytes = pinned.reduce((sum, each) => sum + each.bytes, 0)
  return bytes + Math.max(0, ...pinned.map(({ model }) => activeBytesOn(model, device, 1)))
}

/** A device that could not be read so far may be large enough. */
function fitsEver({ capacityBytes, safetyRatio, fault }: DeviceState, model: Model): boolean {
  if (fault !== null && capacityBytes === 0) return true
  return model.vramBytes === 0 || leastBytes(model) <= Math.floor(capacityBytes * safetyRatio)
}
