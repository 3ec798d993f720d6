// Which idle instances to stop although no load needs their room. What runs is left to finish. One at a time,
// in this order:
//
//  (1) The device is not well: everything on it goes, and its items are run elsewhere.
//  (2) More is held than may be, since foreign use has grown or instances hold more than was booked. The
//      cheapest sufficient set of instances without work goes. One that has work stays, so that one wrong
//      estimate does not empty the device.
//  (3) An instance leaks. It is loaded anew when it is wanted.
//  (4) Nothing has waited for an instance for as long as its keepAlive.

import type { RuleId } from '../state/events.ts'
import { headroomBytes } from '../state/ledger.ts'
import type { DeviceState, InstanceState } from '../state/state.ts'
import { chooseVictims } from './eviction.ts'
import type { View } from './view.ts'

/** An instance that should be stopped, by which rule, and the figures that the rule saw. */
export interface Retirement {
  instance: InstanceState
  rule: RuleId
  figures: Record<string, number>
}

/** A leak: so many growths in a row, and so much more than the instance held when it had settled. Chosen, not
 * measured: caches and heaps grow too, and stop. */
const leakGrowths = 8
const leakRatio = 1.25
const leakBytes = 100e6

/** The next instance to stop on a device, by which rule, and the figures of the rule; null: all may stay. */
export function chooseRetirement(view: View, device: DeviceState): Retirement | null {
  const resting = device.instances.filter(
    ({ phase, runningCount }) => phase === 'ready' && runningCount === 0,
  )
  if (resting.length === 0) return null
  if (device.fault !== null) return { instance: resting[0]!, rule: 'device-fault', figures: {} } // (1)
  return overTheLine(view, device, resting) ?? leaking(resting) ?? idle(view, resting)
}

/** (2) */
function overTheLine(view: View, device: DeviceState, resting: InstanceState[]): Retirement | null {
  const overBytes = -headroomBytes(device)
  if (overBytes <= device.ledger.releasingBytes) return null
  const candidates = resting.filter(({ model }) => model.readyCount === 0 && !model.model.isPinned)
  const neededBytes = overBytes - device.ledger.releasingBytes
  const instance = (chooseVictims(view, candidates, neededBytes) ?? candidates)[0]
  return instance
    ? { instance, rule: 'over-the-line', figures: { overBytes, victimBytes: instance.bytes } }
    : null
}

/** (3) */
function leaking(resting: InstanceState[]): Retirement | null {
  const instance = resting.find(isLeaking)
  if (!instance) return null
  const { settledBytes, idlePeakBytes } = instance
  return { instance, rule: 'leaks', figures: { heldBytes: idlePeakBytes!, settledBytes: settledBytes! } }
}

/** The instance holds more after batch upon batch, and much more than when it had settled. */
export function isLeaking({ growth, settledBytes, idlePeakBytes }: InstanceState): boolean {
  if (growth.count < leakGrowths || settledBytes === null) return false
  return (idlePeakBytes ?? 0) > settledBytes * leakRatio + leakBytes
}

/** (4) */
function idle({ nowMs }: View, resting: InstanceState[]): Retirement | null {
  const instance = resting.find((each) => (idleUntilMs(each) ?? Number.POSITIVE_INFINITY) <= nowMs)
  return instance ? { instance, rule: 'idle', figures: { idleMs: nowMs - instance.idleSinceMs! } } : null
}

/** When an instance is stopped for being idle, ms; null: it is not. */
export function idleUntilMs({ model, idleSinceMs }: InstanceState): number | null {
  const { keepAliveMs, isPinned } = model.model
  return isPinned || keepAliveMs === null || idleSinceMs === null ? null : idleSinceMs + keepAliveMs
}
