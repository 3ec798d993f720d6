// Planned rounds, after the strongest of the lab's simple designs (RND; docs/policy.md says what
// the lab is). A round visits every model that had ready items when it was planned: those that
// are there first, each time the shortest for its number of items first (Smith's rule: no one
// starves within a round). A visit is gated: it serves what it finds. The memory lane loads the
// round's next model beside the batches, then what the next round will want. To make room, what
// the round does not need goes first, of that what is needed latest, then what comes last in the
// round. As many models stay as fit. Several devices share the queues, each with rounds of its
// own; what is on another is left to it, unless this one stands idle and more than a batch waits.

import type { ModelId } from '../../core/model.ts'
import { clearMs, nextUseMs } from '../../core/state/estimates.ts'
import type { DeviceId } from '../../core/state/events.ts'
import { headroomBytes } from '../../core/state/ledger.ts'
import type { DeviceState, InstanceState, ModelState, State } from '../../core/state/state.ts'
import type { SimulatedPolicy } from '../simulate.ts'
import { canHold, firstInFirstOut, follow, instanceOf, largestBatch, type Rule, type Wish } from './follow.ts'

export const rounds: SimulatedPolicy = {
  name: 'rounds',
  create() {
    const planner = new Planner()
    return (state, nowMs) => {
      planner.nowMs = nowMs
      return follow(state, planner)
    }
  },
}

/** What a device has still to visit, in order, and the items left of each visit that has begun. */
interface Round {
  models: ModelId[]
  left: Map<ModelId, number>
}

class Planner implements Rule {
  readonly isAlone = false
  readonly overlaps = true
  nowMs = 0
  #state: State | null = null
  readonly #rounds = new Map<DeviceId, Round>()

  next(state: State, device: DeviceState): Wish | null {
    this.#state = state
    const round = this.#roundOf(state, device)
    const hasSlot = device.runningCount < device.slots
    const planned = hasSlot ? this.#visit(state, device, round) : null
    if (planned) return planned
    const load = this.#load(state, device, round)
    if (load) return load
    const filler =
      hasSlot && (device.loading || device.nextLoad)
        ? this.#candidates(state, device).map(({ model }) => model.id)
        : []
    return this.#firstHere(state, device, filler)
  }

  /** Enough of them, or none. */
  victims(device: DeviceState, model: ModelState): InstanceState[] {
    const round = this.#rounds.get(device.id)?.models ?? []
    const ownPlace = placeIn(round, model)
    const mayGo = device.instances.filter((each) => {
      if (each.phase !== 'ready' || each.runningCount > 0) return false
      if (device.nextLoad === model.model.id) return true
      if (ownPlace === Number.POSITIVE_INFINITY && each.model.readyCount > 0) return false
      return !round.includes(each.model.model.id) || placeIn(round, each.model) > ownPlace
    })
    const keep = ({ model: each }: InstanceState) =>
      round.includes(each.model.id)
        ? 1e12 - placeIn(round, each)
        : -nextUseMs(this.#state!, each, this.nowMs) / Math.max(1, each.loadMs)
    mayGo.sort((a, b) => keep(a) - keep(b))
    const goingBytes = mayGo.reduce((sum, { bytes }) => sum + bytes, 0)
    const freeBytes = headroomBytes(device) + device.ledger.activeBytes + device.ledger.releasingBytes
    return freeBytes + goingBytes >= model.model.vramBytes ? mayGo : []
  }

  #roundOf(state: State, device: DeviceState): Round {
    const round = this.#rounds.get(device.id) ?? { models: [], left: new Map() }
    const isOver = (id: ModelId) => (round.left.get(id) ?? 1) <= 0
    const candidates = this.#candidates(state, device).filter((each) => !isTaken(device, each))
    const ids = candidates.map(({ model }) => model.id)
    round.models = round.models.filter((id) => ids.includes(id) && !isOver(id))
    if (round.models.length === 0) [round.models, round.left] = [ids, new Map()]
    this.#rounds.set(device.id, round)
    return round
  }

  /** The visit that has begun, else the next that can begin. */
  #visit(state: State, device: DeviceState, round: Round): Wish | null {
    const wish = this.#firstHere(state, device, round.models)
    if (!wish) return null
    const { model } = wish.instance
    const left = round.left.get(model.model.id) ?? model.readyCount
    const maxCount = Math.min(left, wish.maxCount)
    round.left.set(model.model.id, left - maxCount)
    return { ...wish, maxCount }
  }

  #load(state: State, device: DeviceState, round: Round): Wish | null {
    if (device.loading || device.nextLoad) return null
    const wanted = new Set([...round.models, ...this.#candidates(state, device).map(({ model }) => model.id)])
    for (const id of wanted) {
      const model = state.modelById.get(id)!
      if (model.instances.some((each) => each.device === device) || isTaken(device, model)) continue
      const fits = headroomBytes(device) >= model.model.vramBytes + model.model.batch.activationBytes
      return fits || this.victims(device, model).length > 0 ? { type: 'load', model } : null
    }
    return null
  }

  #firstHere(
    state: State,
    device: DeviceState,
    ids: readonly ModelId[],
  ): Extract<Wish, { type: 'run' }> | null {
    for (const id of ids) {
      const instance = instanceOf(device, state.modelById.get(id)!)
      const maxCount = instance ? largestBatch(instance) : 0
      if (instance && maxCount > 0) return { type: 'run', instance, maxCount, order: firstInFirstOut }
    }
    return null
  }

  /** Models with ready items that the device can hold, in the order of a round. */
  #candidates(state: State, device: DeviceState): ModelState[] {
    const candidates = state.models.filter((model) => model.readyCount > 0 && canHold(device, model))
    const rank = (each: ModelState) => {
      const isMissing = !each.instances.some(({ device: other }) => other === device)
      const workMs = clearMs(each.model, each.readyCount) + (isMissing ? each.loadMs : 0)
      return (isMissing ? 1e12 : 0) + workMs / each.readyCount
    }
    return candidates.sort((a, b) => rank(a) - rank(b))
  }
}

/** It is on another device only, and there is not enough for a copy here. */
function isTaken(device: DeviceState, { model, instances, readyCount }: ModelState): boolean {
  const isHere = instances.some((each) => each.device === device)
  return !isHere && instances.length > 0 && (device.runningCount > 0 || readyCount <= model.batch.max)
}

/** Infinity for what is not in it. */
function placeIn(round: readonly ModelId[], { model }: ModelState): number {
  const place = round.indexOf(model.id)
  return place < 0 ? Number.POSITIVE_INFINITY : place
}
