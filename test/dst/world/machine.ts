// The machine under the daemon: processes, the memory they hold, memory that stays
// behind when they are gone, and a foreign process on each device. What a device shows
// is read from here, so it is the truth that the ledger is held against.
import type { DeviceId } from '../../../src/core/state/events.ts'
import type { DeviceReading } from '../../../src/devices/device.ts'
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
  /** It reacts to nothing. */
  isStuck: boolean
  /** A start of the daemon has waited for its end, and has given up. */
  isGivenUp: boolean
  endedAtMs: number
  /** Held now; after its end what has not come back yet. */
  bytes: number
  /** Most since its device was read last. */
  peakBytes: number
  /** Called at its end, to let go of what it was doing. */
  onEnd: () => void
  /** Ends it so much later: its stdin has ended, or it is killed. */
  endAfter: (ms: number) => void
  /** Ends it now, by SIGKILL. */
  kill: () => void
}

interface MachineDevice extends WorldDevice {
  foreignBytes: number
  /** Held by nobody, since unloads have left it behind. */
  lostBytes: number
  /** Nothing can be asked of it, and nothing be put on it, before. */
  goneUntilMs: number
  silentUntilMs: number
  /** Its last answer said who holds what. */
  hasAttributed: boolean
}

export class Machine {
  readonly processes = new Map<number, Process>()
  readonly devices: Map<DeviceId, MachineDevice>
  readonly #context: Context
  readonly #chance: Chance
  /** Memory that only a restart of the daemon, or the end of all faults, brings back. */
  readonly #stuck = new Set<Process>()
  /** Processes that the kernel has killed for want of memory. */
  kernelKills = 0
  #nextPid = 100

  constructor(context: Context) {
    this.#context = context
    this.#chance = context.chance('machine')
    this.devices = new Map(
      context.world.devices.map((device) => [
        device.options.id,
        { ...device, foreignBytes: 0, lostBytes: 0, goneUntilMs: 0, silentUntilMs: 0, hasAttributed: false },
      ]),
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
      isStuck: false,
      isGivenUp: false,
      endedAtMs: Number.POSITIVE_INFINITY,
      bytes: 0,
      peakBytes: 0,
      onEnd: () => {},
      endAfter: () => {},
      kill: () => {},
    }
    this.processes.set(process.pid, process)
    return process
  }

  /** False: there is not so much left, or no device; nothing was taken. */
  allocate(process: Process, bytes: number): boolean {
    const device = process.deviceId === null ? null : this.devices.get(process.deviceId)!
    if (device && (this.isGone(device.options.id) || this.takenBytes(device) + bytes > device.capacityBytes))
      return false
    process.bytes += bytes
    process.peakBytes = Math.max(process.peakBytes, process.bytes)
    return true
  }

  free(process: Process, bytes: number): void {
    if (process.isAlive) process.bytes -= bytes
  }

  /** Held on a device by anybody. */
  takenBytes({ options, foreignBytes, lostBytes }: MachineDevice): number {
    let bytes = foreignBytes + lostBytes
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
    const device = process.deviceId === null ? undefined : this.devices.get(process.deviceId)
    if (device && process.bytes > 0 && this.#context.faults.isOn) {
      device.lostBytes += Math.min(device.leftBytes, process.bytes)
      if (device.leftBytes > 0) this.#context.log('left behind', { lostBytes: device.lostBytes })
    }
    process.bytes = 0
    this.#stuck.delete(process)
    if (!process.isAlive) this.processes.delete(process.pid)
  }

  freeStuck(): void {
    for (const process of this.#stuck) this.#giveBack(process)
  }

  /** RAM is short: the kernel kills whoever holds most of it. */
  killLargest(deviceId: DeviceId): void {
    const mine = this.alive().filter((each) => each.deviceId === deviceId && each.bytes > 0)
    if (mine.length > 0) this.killForMemory(mine.reduce((a, b) => (b.bytes > a.bytes ? b : a)))
  }

  killForMemory(process: Process): void {
    this.kernelKills++
    process.kill()
  }

  moveForeign(deviceId: DeviceId, bytes: number): void {
    const device = this.devices.get(deviceId)!
    device.foreignBytes = 0
    device.foreignBytes = Math.max(0, Math.min(bytes, device.capacityBytes - this.takenBytes(device)))
    this.#context.log('foreign', { deviceId, bytes: device.foreignBytes })
  }

  isGone(deviceId: DeviceId): boolean {
    return this.devices.get(deviceId)!.goneUntilMs > this.#context.agenda.nowMs
  }

  /** How long its driver will not answer, ms. */
  silentMs(deviceId: DeviceId): number {
    return Math.max(0, this.devices.get(deviceId)!.silentUntilMs - this.#context.agenda.nowMs)
  }

  silence(deviceId: DeviceId, ms: number): void {
    this.devices.get(deviceId)!.silentUntilMs = this.#context.agenda.nowMs + ms
    this.#context.log('silent', { deviceId, ms })
  }

  /** A card falls off the bus: some of what runs on it ends soon, the rest only fails. */
  lose(deviceId: DeviceId, ms: number): void {
    this.devices.get(deviceId)!.goneUntilMs = this.#context.agenda.nowMs + ms
    this.#context.log('gone', { deviceId, ms })
    for (const process of this.alive())
      if (process.deviceId === deviceId && this.#chance.happens(0.5))
        process.endAfter(this.#chance.between(1, 3000))
  }

  /** All devices are well again, and what was killed ends. */
  mend(): void {
    for (const device of this.devices.values())
      device.goneUntilMs = device.silentUntilMs = device.lostBytes = 0
    for (const process of this.alive()) {
      if (!process.isStuck) continue
      process.isStuck = false
      process.endAfter(this.#chance.between(1, 100))
    }
  }

  read(deviceId: DeviceId, groups: readonly number[]): DeviceReading {
    const device = this.devices.get(deviceId)!
    const usedBytes = this.takenBytes(device)
    const bytesByGroup = new Map<number, number>()
    const peakByGroup = new Map<number, number>()
    for (const group of groups) {
      const process = this.processes.get(group)
      if (!process) continue
      bytesByGroup.set(group, process.bytes)
      if (device.knowsPeaks) this.#takePeak(process, peakByGroup)
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
      ...(device.knowsPeaks ? { peakByGroup } : {}),
    }
    return device.tells ? { ...declared, ...shown } : declared
  }

  /** The most since the last reading; or none, or a number that is wrong. */
  #takePeak(process: Process, peakByGroup: Map<number, number>): void {
    const peakBytes = Math.max(process.bytes, process.peakBytes)
    process.peakBytes = process.bytes
    const lie = this.#context.faults.strikes('peaks-lie') ? this.#chance.pick([null, 0, 0.5, 1.5, 3]) : 1
    if (lie !== null) peakByGroup.set(process.pid, Math.floor(peakBytes * lie))
  }

  alive(): Process[] {
    return [...this.processes.values()].filter(({ isAlive }) => isAlive)
  }
}
