// The machine under the daemon: processes, the memory they hold, memory that stays behind when they are gone, and a
// foreign process on each device. What a device shows is read from here, so it is the truth that the ledger is held against.
import type { DeviceId } from '../../src/core/protocol.ts'
import type { DeviceReading } from '../../src/devices/device.ts'
import type { Chance } from './chance.ts'
import type { Context } from './context.ts'
import type { Life } from './life.ts'
import type { WorldDevice } from './world.ts'

export interface Process {
  readonly pid: number
  readonly instanceId: string
  readonly deviceId: DeviceId | null
  readonly life: Life
  /** On disk, so that the next start finds it. */
  isRecorded: boolean
  isAlive: boolean
  endedAtMs: number
  /** Held now; after its end what has not come back yet. */
  bytes: number
  /** Called at its end, to let go of what it was doing. */
  onEnd: () => void
  /** Ends it so much later: its stdin has ended, or it is killed. */
  endAfter: (ms: number) => void
}

interface MachineDevice extends WorldDevice {
  foreignBytes: number
}

export class Machine {
  readonly processes = new Map<number, Process>()
  readonly devices: Map<DeviceId, MachineDevice>
  readonly #context: Context
  readonly #chance: Chance
  /** Memory that only a restart of the daemon, or the end of all faults, brings back. */
  readonly #stuck = new Set<Process>()
  #nextPid = 100

  constructor(context: Context) {
    this.#context = context
    this.#chance = context.chance('machine')
    this.devices = new Map(
      context.world.devices.map((device) => [device.options.id, { ...device, foreignBytes: 0 }]),
    )
  }

  spawn(instanceId: string, deviceId: DeviceId | null, life: Life): Process {
    const process: Process = {
      pid: this.#nextPid++,
      instanceId,
      deviceId,
      life,
      isRecorded: false,
      isAlive: true,
      endedAtMs: Number.POSITIVE_INFINITY,
      bytes: 0,
      onEnd: () => {},
      endAfter: () => {},
    }
    this.processes.set(process.pid, process)
    return process
  }

  /** False: there is not so much left; nothing was taken. */
  allocate(process: Process, bytes: number): boolean {
    const device = process.deviceId === null ? null : this.devices.get(process.deviceId)!
    if (device && this.takenBytes(device) + bytes > device.capacityBytes) return false
    process.bytes += bytes
    return true
  }

  free(process: Process, bytes: number): void {
    if (process.isAlive) process.bytes -= bytes
  }

  /** Held on a device by anybody. */
  takenBytes({ options, foreignBytes }: MachineDevice): number {
    let bytes = foreignBytes
    for (const each of this.processes.values()) if (each.deviceId === options.id) bytes += each.bytes
    return bytes
  }

  /** The whole group is gone; its memory may take its time. */
  end(process: Process): void {
    if (!process.isAlive) return
    process.isAlive = false
    process.endedAtMs = this.#context.agenda.nowMs
    this.#context.log('process ended', process.instanceId)
    const lingerMs = process.bytes === 0 || process.deviceId === null ? 0 : this.#lingerMs()
    if (lingerMs === 0) this.#giveBack(process)
    else if (Number.isFinite(lingerMs)) this.#context.agenda.after(lingerMs, () => this.#giveBack(process))
    else this.#stuck.add(process)
    process.onEnd()
  }

  #lingerMs(): number {
    const { faults } = this.#context
    if (faults.strikes('memory-stays')) return Number.POSITIVE_INFINITY
    if (faults.strikes('memory-lingers-long')) return this.#chance.between(10_000, 60_000)
    return faults.strikes('memory-lingers') ? this.#chance.between(50, 4000) : 0
  }

  #giveBack(process: Process): void {
    process.bytes = 0
    this.#stuck.delete(process)
    if (!process.isAlive) this.processes.delete(process.pid)
  }

  freeStuck(): void {
    for (const process of this.#stuck) this.#giveBack(process)
  }

  moveForeign(deviceId: DeviceId, bytes: number): void {
    const device = this.devices.get(deviceId)!
    device.foreignBytes = 0
    device.foreignBytes = Math.max(0, Math.min(bytes, device.capacityBytes - this.takenBytes(device)))
    this.#context.log('foreign', { deviceId, bytes: device.foreignBytes })
  }

  read(deviceId: DeviceId, groups: readonly number[]): DeviceReading {
    const device = this.devices.get(deviceId)!
    const usedBytes = this.takenBytes(device)
    const bytesByGroup = new Map<number, number>()
    for (const group of groups) {
      const process = this.processes.get(group)
      if (process) bytesByGroup.set(group, process.bytes)
    }
    const ours = [...bytesByGroup.values()].reduce((sum, each) => sum + each, 0)
    const declared = {
      capacityBytes: device.options.capacityBytes,
      foreignBytes: 0,
      usedBytes: null,
      bytesByGroup: null,
      utilisationRatio: null,
      fault: null,
    }
    const shown = {
      capacityBytes: device.capacityBytes,
      foreignBytes: usedBytes - ours,
      usedBytes,
      bytesByGroup,
    }
    return device.tells ? { ...declared, ...shown } : declared
  }

  alive(): Process[] {
    return [...this.processes.values()].filter(({ isAlive }) => isAlive)
  }
}
