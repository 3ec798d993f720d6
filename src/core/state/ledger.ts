// The memory ledger: every promised byte of a device is booked in exactly one account, and moves between accounts
// here and nowhere else:
//
//   free ──reserve──▶ reserved ──settle──▶ resident ──startRelease──▶ releasing ──free──▶ free
//     │                  └──────────────────startRelease──▶│              └─quarantine─▶ quarantined ──free──▶ free
//     └──activate──▶ active ──deactivate──▶ free
//                      └──follow──▶ releasing or quarantined, with its instance
//
// Invariant: reserved + resident + active + releasing + quarantined ≤ budget, at every instant. A booking that would
// break it is a fault of ours and stops the daemon; decide.ts asks `headroomBytes` first.
//
// What an instance holds beyond what is booked for it is booked at once (`resize`) as far as there is room. The rest is the
// device's deficit: no account, since nobody promised it, but nothing is promised while it lasts.
import { assert } from '../errors.ts'
import { lineBytes } from '../vram.ts'
import type { DeviceState, InstanceState, Ledger, ModelState } from './state.ts'

export function bookedBytes({
  reservedBytes,
  residentBytes,
  activeBytes,
  releasingBytes,
  quarantinedBytes,
}: Ledger): number {
  return reservedBytes + residentBytes + activeBytes + releasingBytes + quarantinedBytes
}

/** What may still be promised; negative when foreign use, or what instances hold unbooked, has grown into the budget. */
export function headroomBytes(device: DeviceState): number {
  return device.budgetBytes - bookedBytes(device.ledger) - device.deficitBytes
}

/** What instances may fill if all that can go goes: quarantined bytes may never come back, nor what such instances hold
 *  beyond what was booked for them; and what is pinned stays. Where nobody says who holds what, what counts as foreign may
 *  have been ours: only an empty device tells, so all of the line is offered while something of ours may leave it. */
export function offeredBytes(device: DeviceState): number {
  const { unattributed, budgetBytes, instances } = device
  const isUncertain = unattributed !== null && instances.some(mayLeave)
  const bytes = isUncertain ? lineBytes(device) : budgetBytes
  return bytes - pinnedBytes(device) - stuckBytes(device)
}

/** Quarantined, or held beyond what was booked for them by instances that are, or are pinned. */
export function stuckBytes({ ledger, deficitBytes, instances }: DeviceState): number {
  let bytes = ledger.quarantinedBytes
  if (deficitBytes > 0) for (const each of instances) if (!mayLeave(each)) bytes += each.deficitBytes
  return bytes
}

/** Its bytes come back when another model needs the place, or are on their way. */
export function mayLeave(instance: InstanceState): boolean {
  return instance.phase !== 'quarantined' && !isStaying(instance)
}

/** It is pinned: it goes for nobody. */
export function isStaying({ phase, model }: InstanceState): boolean {
  return model.model.isPinned && (phase === 'starting' || phase === 'ready')
}

/** Booked for instances that go for nobody, but for those of one model. */
export function pinnedBytes({ hasPins, instances }: DeviceState, but: ModelState | null = null): number {
  let bytes = 0
  if (hasPins) for (const each of instances) if (isStaying(each) && each.model !== but) bytes += each.bytes
  return bytes
}

/** For a load under way. */
export function reserve(device: DeviceState, bytes: number): void {
  assert(
    bytes === 0 || bytes <= headroomBytes(device),
    `a load books only free bytes (${bytes} of ${headroomBytes(device)} on ${device.id})`,
  )
  device.ledger.reservedBytes += bytes
}

/** The load has ended well. */
export function settle(instance: InstanceState): void {
  instance.device.ledger.reservedBytes -= instance.bytes
  instance.device.ledger.residentBytes += instance.bytes
}

/** An instance that is loaded, or being loaded, holds other bytes than were booked for it. */
export function resize(instance: InstanceState, bytes: number): void {
  const { ledger } = instance.device
  if (instance.phase === 'starting') ledger.reservedBytes += bytes - instance.bytes
  else ledger.residentBytes += bytes - instance.bytes
  instance.bytes = bytes
}

/** For a running batch. One that needs nothing may run also when foreign use has grown into what is booked. */
export function activate(device: DeviceState, bytes: number): void {
  assert(
    bytes === 0 || bytes <= headroomBytes(device),
    `a batch books only free bytes (${bytes} of ${headroomBytes(device)} on ${device.id})`,
  )
  device.ledger.activeBytes += bytes
}

export function deactivate(device: DeviceState, bytes: number): void {
  device.ledger.activeBytes -= bytes
}

/** A batch ends whose instance is on its way out: what it held is not back before the rest of the instance is. */
export function follow(instance: InstanceState, bytes: number): void {
  const { ledger } = instance.device
  ledger.activeBytes -= bytes
  instance.bytes += bytes
  if (instance.phase === 'quarantined') ledger.quarantinedBytes += bytes
  else ledger.releasingBytes += bytes
}

/** The instance was asked to go, or went. */
export function startRelease(instance: InstanceState): void {
  const { ledger } = instance.device
  if (instance.phase === 'starting') ledger.reservedBytes -= instance.bytes
  else ledger.residentBytes -= instance.bytes
  ledger.releasingBytes += instance.bytes
}

/** The bytes should be back and are not. */
export function quarantine(instance: InstanceState): void {
  instance.device.ledger.releasingBytes -= instance.bytes
  instance.device.ledger.quarantinedBytes += instance.bytes
}

/** The process is gone and the device shows the bytes back. */
export function free(instance: InstanceState): void {
  const { ledger } = instance.device
  if (instance.phase === 'quarantined') ledger.quarantinedBytes -= instance.bytes
  else ledger.releasingBytes -= instance.bytes
}
