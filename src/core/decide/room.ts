// What must happen before a load fits on a device: nothing, a victim must be stopped, or bytes that are on
// their way back must arrive. Room for a load is room for the model and for the batches that run beside it
// and after it.
import type { RuleId } from '../state/events.ts'
import { activeBytesOn, leastBytesOn, loadingBytesOn, residentBytesOn } from '../state/footprint.ts'
import { headroomBytes, mayLeave } from '../state/ledger.ts'
import type { DeviceState, InstanceState, ModelState } from '../state/state.ts'
import { chooseVictims } from './eviction.ts'
import type { Lane } from './view.ts'

/** A load that a device should do, by which rule, and what it is worth by that rule. */
export interface LoadWish {
  model: ModelState
  rule: RuleId
  worth: number
}

/** The next step towards a load. After a victim the plan is made anew. */
export type LoadPlan = LoadWish &
  (
    | { step: 'load' }
    | { step: 'stop'; victim: InstanceState }
    /** Bytes of earlier victims are on their way back: there is nothing to do until they are. */
    | { step: 'wait' }
  )

/** The next step towards a load, with `candidates` as the instances that may go for it; null: no room can be
 * made. */
export function planLoad(
  { view, device }: Lane,
  wish: LoadWish,
  candidates: readonly InstanceState[],
): LoadPlan | null {
  const { model } = wish
  const { releasingBytes } = device.ledger
  const stop = ([victim]: readonly InstanceState[]): LoadPlan => ({ ...wish, step: 'stop', victim: victim! })
  if (model.needsRoom) {
    // Its last load ran out of memory where the books had room: whatever can go goes before the next try.
    const idle = device.instances.filter((each) => mayRest(each) && each.model.readyCount === 0)
    if (idle.length > 0) return stop(idle)
    if (releasingBytes > 0) return { ...wish, step: 'wait' }
  }
  const missingBytes = missingBytesOn(device, model)
  if (missingBytes <= 0) return { ...wish, step: 'load' }
  const stillMissingBytes = missingBytes - releasingBytes
  if (stillMissingBytes <= 0) return { ...wish, step: 'wait' }
  const victims = chooseVictims(view, candidates, stillMissingBytes)
  if (victims) return stop(victims)
  // All candidates together may free enough when their own batches need no more room either.
  const heldBytes = candidates.reduce((sum, { bytes }) => sum + bytes, releasingBytes)
  if (candidates.length > 0 && missingBytesOn(device, model, candidates) <= heldBytes) return stop(candidates)
  const stays = (each: InstanceState) =>
    each.phase === 'ready' && mayLeave(each) && !candidates.includes(each)
  if (device.instances.some(stays)) return null
  // Beside what is pinned one batch at a time may have to do. Where nobody says who holds what, a device that
  // is emptied tells what is really not ours.
  const leastMissingBytes = leastBytesOn(model, device) - headroomBytes(device) - device.ledger.activeBytes
  if (leastMissingBytes > heldBytes && device.unattributed === null) return null
  if (candidates.length > 0) return stop(candidates)
  if (releasingBytes > 0) return { ...wish, step: 'wait' }
  if (leastMissingBytes > 0) return null
  return { ...wish, step: loadingBytesOn(model, device) > headroomBytes(device) ? 'wait' : 'load' }
}

/** Bytes that a load lacks; 0 or less: none. Two moments count: during the load the others run, after it the
 * model runs too, and a load may hold more than what stays. `leaving`: instances that go, whose batches need
 * no room. */
export function missingBytesOn(
  device: DeviceState,
  model: ModelState,
  leaving: readonly InstanceState[] = [],
): number {
  const neededBytes = Math.max(
    loadingBytesOn(model, device) + activationRoom(device, null, leaving),
    residentBytesOn(model, device) + activationRoom(device, model, leaving),
  )
  return neededBytes - headroomBytes(device) - device.ledger.activeBytes
}

/** Bytes to leave free for batches: what runs now, or one item of the most demanding model in every slot. */
function activationRoom(
  device: DeviceState,
  newcomer: ModelState | null,
  leaving: readonly InstanceState[],
): number {
  let largestBytes = newcomer ? activeBytesOn(newcomer, device, 1) : 0
  let residentCount = newcomer ? 1 : 0
  for (const instance of device.instances) {
    if (instance.phase !== 'ready' || leaving.includes(instance)) continue
    residentCount++
    largestBytes = Math.max(largestBytes, activeBytesOn(instance.model, device, 1))
  }
  const slots = Math.min(device.slots, residentCount)
  return Math.max(device.ledger.activeBytes, largestBytes * slots)
}

/** It may be stopped: it runs nothing, and is not pinned. */
function mayRest({ phase, runningCount, model }: InstanceState): boolean {
  return phase === 'ready' && runningCount === 0 && !model.model.isPinned
}
