// The memory ledger: every promised byte of a device is booked in exactly one account, and moves between
// accounts here and nowhere else:
//
//   free ─reserve─▶ reserved ─settle─▶ resident ─startRelease─▶ releasing ─free─▶ free
//     │                └───────────────startRelease─▶│              └─quarantine─▶ quarantined ─free─▶ free
//     └─activate─▶ active ─deactivate─▶ free
//                     └─follow─▶ releasing or quarantined, with its instance
//
// Invariant: reserved + resident + active + releasing + quarantined ≤ budget, at every instant. A booking
// that would break it is a fault of ours and stops the daemon; decide.ts asks `headroomBytes` first.
//
// What an instance holds beyond what is booked for it is booked at once (`resize`) as far as there is room.
// The rest is the device's deficit: no account, since nobody promised it, but nothing is promised while it
// lasts.
import { assert } from '../errors.ts'
import { lineBytes } from '../vram.ts'
import type { DeviceState, InstanceState, Ledger, ModelState } from './state.ts'

/** The sum of all accounts. */
export function bookedBytes({
  reservedBytes,
  residentBytes,
  activeBytes,
  releasingBytes,
  quarantinedBytes,
}: Ledger): number {
  return reservedBytes + residentBytes + activeBytes + releasingBytes + quarantinedBytes
}

/** What may still be promised. Negative when foreign use, or what instances hold beyond their bookings, has
 * grown into what is booked. */
export function headroomBytes(device: DeviceState): number {
  return device.budgetBytes - bookedBytes(device.ledger) - device.deficitBytes
}

/** What instances may fill once everything has gone that can go. Pinned instances stay, and quarantined
 * bytes, or what quarantined instances hold beyond their bookings, may never come back. Where a device
 * cannot say who holds what, foreign use may be ours: only an empty device tells. So all of the line is
 * offered while something of ours may still leave it. */
export function offeredBytes(device: DeviceState): number {
  const { unattributed, budgetBytes, instances } = device
  const isUncertain = unattributed !== null && instances.some(mayLeave)
  const bytes = isUncertain ? lineBytes(device) : budgetBytes
  return bytes - pinnedBytes(device) - stuckBytes(device)
}

/** Quarantined bytes, and what quarantined or pinned instances hold beyond their bookings. */
export function stuckBytes({ ledger, deficitBytes, instances }: DeviceState): number {
  let bytes = ledger.quarantinedBytes
  if (deficitBytes > 0) for (const each of instances) if (!mayLeave(each)) bytes += each.deficitBytes
  return bytes
}

/** Its bytes come back when another model needs the room, or are already on their way. */
export function mayLeave(instance: InstanceState): boolean {
  return instance.phase !== 'quarantined' && !isStaying(instance)
}

/** Pinned: never a victim. */
export function isStaying({ phase, model }: InstanceState): boolean {
  return model.model.isPinned && (phase === 'starting' || phase === 'ready')
}

/** Booked for pinned instances, except those of the model `but`. */
export function pinnedBytes({ hasPins, instances }: DeviceState, but: ModelState | null = null): number {
  let bytes = 0
  if (hasPins) for (const each of instances) if (isStaying(each) && each.model !== but) bytes += each.bytes
  return bytes
}

/** Books a load. */
export function reserve(device: DeviceState, bytes: number): void {
  assert(
    bytes === 0 || bytes <= headroomBytes(device),
    `a load books only free bytes (${bytes} of ${headroomBytes(device)} on ${device.id})`,
  )
  device.ledger.reservedBytes += bytes
}

/** A load has ended well. */
export function settle(instance: InstanceState): void {
  instance.device.ledger.reservedBytes -= instance.bytes
  instance.device.ledger.residentBytes += instance.bytes
}

/** Books other bytes for an instance that is loaded, or being loaded. */
export function resize(instance: InstanceState, bytes: number): void {
  const { ledger } = instance.device
  if (instance.phase === 'starting') ledger.reservedBytes += bytes - instance.bytes
  else ledger.residentBytes += bytes - instance.bytes
  instance.bytes = bytes
}

/** Books a batch. One that needs nothing may run even when foreign use has grown into what is booked. */
export function activate(device: DeviceState, bytes: number): void {
  assert(
    bytes === 0 || bytes <= headroomBytes(device),
    `a batch books only free bytes (${bytes} of ${headroomBytes(device)} on ${device.id})`,
  )
  device.ledger.activeBytes += bytes
}

/** A batch has ended. */
export function deactivate(device: DeviceState, bytes: number): void {
  device.ledger.activeBytes -= bytes
}

/** A batch has ended whose instance is being stopped: its bytes are not back before the rest of the instance
 * is. */
export function follow(instance: InstanceState, bytes: number): void {
  const { ledger } = instance.device
  ledger.activeBytes -= bytes
  instance.bytes += bytes
  if (instance.phase === 'quarantined') ledger.quarantinedBytes += bytes
  else ledger.releasingBytes += bytes
}

/** An instance was asked to stop, or ended by itself. */
export function startRelease(instance: InstanceState): void {
  const { ledger } = instance.device
  if (instance.phase === 'starting') ledger.reservedBytes -= instance.bytes
  else ledger.residentBytes -= instance.bytes
  ledger.releasingBytes += instance.bytes
}

/** The bytes of a stopped instance should be back and are not. */
export function quarantine(instance: InstanceState): void {
  instance.device.ledger.releasingBytes -= instance.bytes
  instance.device.ledger.quarantinedBytes += instance.bytes
}

/** The process is gone, and the device shows its bytes back. */
export function free(instance: InstanceState): void {
  const { ledger } = instance.device
  if (instance.phase === 'quarantined') ledger.quarantinedBytes -= instance.bytes
  else ledger.releasingBytes -= instance.bytes
}
