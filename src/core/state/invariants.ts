// What must hold after every event, whatever happened: checked by the tests, the simulator and (cheaply enough) the
// daemon. Each sentence is positive; the answer lists the ones that do not hold.
import { lineBytes } from '../vram.ts'
import { bookedBytes } from './ledger.ts'
import type { DeviceState, State } from './state.ts'

/** Sentences of the invariants that are broken; empty: all hold. Cost: O(models + instances + running batches). */
export function brokenInvariants(state: State): string[] {
  const broken: string[] = []
  const check = (holds: boolean, sentence: string) => {
    if (!holds) broken.push(sentence)
  }
  for (const device of state.devices) checkDevice(state, device, check)
  for (const each of state.models) {
    const { id, concurrency } = each.model
    check(each.claimingCount >= 0 && each.readyCount >= 0, `${id}: counts are zero or more`)
    const running = each.instances.every(
      ({ runningCount }) => runningCount >= 0 && runningCount <= concurrency,
    )
    check(running, `${id}: no instance runs more than ${concurrency} batches`)
    const mine = [...state.instanceById.values()].filter(
      (instance) => instance.model === each && !isLeaving(instance.phase),
    )
    check(mine.length === each.instances.length, `${id}: its instances are listed once`)
  }
  return broken
}

function checkDevice(
  state: State,
  device: DeviceState,
  check: (holds: boolean, sentence: string) => void,
): void {
  const { id, ledger, instances } = device
  const sum = (phases: string[]) =>
    instances.filter(({ phase }) => phases.includes(phase)).reduce((total, { bytes }) => total + bytes, 0)
  for (const [name, bytes] of Object.entries(ledger)) {
    check(Number.isInteger(bytes) && bytes >= 0, `${id}: ${name} (${bytes}) is a whole number, zero or more`)
  }
  const batches = [...state.batchById.values()].filter(({ instance }) => instance.device === device)
  const activeBytes = batches.reduce((total, { bytes }) => total + bytes, 0)
  check(ledger.reservedBytes === sum(['starting']), `${id}: reserved bytes are those of the load in flight`)
  check(ledger.residentBytes === sum(['ready']), `${id}: resident bytes are those of the ready instances`)
  check(ledger.releasingBytes === sum(['stopping']), `${id}: releasing bytes are those of stopping instances`)
  check(ledger.quarantinedBytes === sum(['quarantined']), `${id}: quarantined bytes have an instance`)
  check(ledger.activeBytes === activeBytes, `${id}: active bytes are those of running batches`)
  const mostBytes = Math.max(device.budgetBytes, lineBytes(device))
  check(
    bookedBytes(ledger) <= mostBytes,
    `${id}: booked ${bookedBytes(ledger)} is at most the line ${mostBytes}`,
  )
  const deficitBytes = instances.reduce((total, each) => total + each.deficitBytes, 0)
  check(
    device.deficitBytes === deficitBytes,
    `${id}: the deficit (${device.deficitBytes}) is that of its instances`,
  )
  check(batches.length === device.runningCount, `${id}: running batches are counted`)
  check(device.runningCount <= device.slots, `${id}: at most ${device.slots} batches run`)
  const starting = instances.filter(({ phase, bytes }) => phase === 'starting' && bytes > 0)
  check(starting.length <= 1, `${id}: at most one load is in flight`)
}

function isLeaving(phase: string): boolean {
  return phase === 'stopping' || phase === 'quarantined'
}
