// What must hold after every event, whatever happened. The tests and the simulator check it, and so does the
// daemon, after each event: each list is walked once, and a sentence is only written where something is
// broken.
//
//   devices     each account of the ledger is the sum of what it is for, all accounts together are at most
//               the line, the deficit is that of the instances, batches are counted and have slots, one load
//               is in flight
//   models      counts are zero or more, no instance runs more batches than the model allows, each is listed
//               once
import { lineBytes } from '../vram.ts'
import { bookedBytes } from './ledger.ts'
import type { DeviceState, InstanceState, Ledger, ModelState, State } from './state.ts'

/** The invariants that are broken, as sentences; empty: all hold. Cost: O(models + devices + instances +
 * batches). */
export function brokenInvariants(state: State): string[] {
  const broken: string[] = []
  const sums = new Map<DeviceState, BatchSum>()
  for (const { instance, bytes } of state.batchById.values()) {
    const sum = sums.get(instance.device)
    if (sum) {
      sum.count++
      sum.bytes += bytes
    } else sums.set(instance.device, { count: 1, bytes })
  }
  for (const device of state.devices) checkDevice(device, sums.get(device) ?? noBatch, broken)
  const listedCounts = new Uint32Array(state.models.length)
  for (const { model, phase } of state.instanceById.values())
    if (phase === 'starting' || phase === 'ready') listedCounts[model.index]!++
  for (const model of state.models) checkModel(model, listedCounts[model.index]!, broken)
  return broken
}

/** The running batches of a device. */
interface BatchSum {
  count: number
  bytes: number
}

const noBatch: Readonly<BatchSum> = { count: 0, bytes: 0 }

function checkModel(each: ModelState, listedCount: number, broken: string[]): void {
  const { id, concurrency } = each.model
  if (!(each.claimingCount >= 0 && each.readyCount >= 0)) broken.push(`${id}: counts are zero or more`)
  for (const { runningCount } of each.instances)
    if (!(runningCount >= 0 && runningCount <= concurrency))
      broken.push(`${id}: no instance runs more than ${concurrency} batches`)
  if (listedCount !== each.instances.length) broken.push(`${id}: its instances are listed once`)
}

function checkDevice(device: DeviceState, batches: Readonly<BatchSum>, broken: string[]): void {
  const { id, ledger, deficitBytes, runningCount, slots } = device
  for (const name of accounts) {
    const bytes = ledger[name]
    if (!(Number.isInteger(bytes) && bytes >= 0))
      broken.push(`${id}: ${name} (${bytes}) is a whole number, zero or more`)
  }
  const sum = sumsOf(device.instances)
  if (ledger.reservedBytes !== sum.starting)
    broken.push(`${id}: reserved bytes are those of the load in flight`)
  if (ledger.residentBytes !== sum.ready)
    broken.push(`${id}: resident bytes are those of the ready instances`)
  if (ledger.releasingBytes !== sum.stopping)
    broken.push(`${id}: releasing bytes are those of stopping instances`)
  if (ledger.quarantinedBytes !== sum.quarantined) broken.push(`${id}: quarantined bytes have an instance`)
  if (ledger.activeBytes !== batches.bytes) broken.push(`${id}: active bytes are those of running batches`)
  const mostBytes = Math.max(device.budgetBytes, lineBytes(device))
  const booked = bookedBytes(ledger)
  if (!(booked <= mostBytes)) broken.push(`${id}: booked ${booked} is at most the line ${mostBytes}`)
  if (deficitBytes !== sum.deficit)
    broken.push(`${id}: the deficit (${deficitBytes}) is that of its instances`)
  if (batches.count !== runningCount) broken.push(`${id}: running batches are counted`)
  if (!(runningCount <= slots)) broken.push(`${id}: at most ${slots} batches run`)
  if (!(sum.loadCount <= 1)) broken.push(`${id}: at most one load is in flight`)
}

const accounts: readonly (keyof Ledger)[] = [
  'reservedBytes',
  'residentBytes',
  'activeBytes',
  'releasingBytes',
  'quarantinedBytes',
]

/** Bytes of instances by phase, their deficit, and the loads that take memory. */
function sumsOf(instances: readonly InstanceState[]) {
  const sums = { starting: 0, ready: 0, stopping: 0, quarantined: 0, deficit: 0, loadCount: 0 }
  for (const { phase, bytes, deficitBytes } of instances) {
    sums[phase] += bytes
    sums.deficit += deficitBytes
    if (phase === 'starting' && bytes > 0) sums.loadCount++
  }
  return sums
}
