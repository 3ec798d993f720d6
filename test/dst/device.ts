// A simulated device: readings of the machine that may come late, be old when they come, or be refused.
import type { DeviceId } from '../../src/core/protocol.ts'
import type { Device, DeviceReading } from '../../src/devices/device.ts'
import type { Chance } from './chance.ts'
import type { Context } from './context.ts'
import { type Life, never } from './life.ts'
import type { Machine } from './machine.ts'

export class Devices {
  readonly #context: Context
  readonly #machine: Machine
  readonly #chance: Chance

  constructor(context: Context, machine: Machine) {
    this.#context = context
    this.#machine = machine
    this.#chance = context.chance('devices')
  }

  forLife(life: Life): Map<DeviceId, Device> {
    return new Map(
      this.#context.world.devices.map(({ options }) => {
        const { id } = options
        const device = {
          id,
          kind: options.kind as Device['kind'],
          name: `simulated ${id}`,
          uuid: `SIM-${id}`,
          environment: {},
          read: (groups: readonly number[]) => this.#read(id, groups, life),
          close: () => Promise.resolve(),
        }
        return [id, device]
      }),
    )
  }

  #read(deviceId: DeviceId, groups: readonly number[], life: Life): Promise<DeviceReading> {
    if (!life.act('reading')) return never()
    if (!this.#machine.devices.get(deviceId)!.tells)
      return Promise.resolve(this.#machine.read(deviceId, groups))
    const { faults } = this.#context
    const isRefused = faults.strikes('reading-fails')
    const isSlow = faults.strikes('reading-slow')
    const tookMs = isSlow ? this.#chance.between(1000, 4000) : this.#chance.between(0, 3)
    if (isSlow) this.#context.disturb(tookMs)
    return new Promise((resolve, reject) => {
      const tell = () => {
        if (isRefused) reject(new Error(`${deviceId} did not answer`))
        else resolve(reading)
      }
      const reading = this.#machine.read(deviceId, groups)
      if (tookMs === 0) tell()
      else life.deliver(tookMs, tell)
    })
  }
}
