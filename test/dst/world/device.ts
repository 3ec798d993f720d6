// A simulated device: readings of the machine that may come late, be old when they
// come, or be refused. A card is the real one (src/devices/card.ts) over a driver that
// may be silent, say that the card is gone, or not tell who holds what.
import type { DeviceId } from '../../../src/core/state/events.ts'
import { type CardReading, cardDevice, type Driver } from '../../../src/devices/card.ts'
import type { Device, DeviceKind, DeviceReading } from '../../../src/devices/device.ts'
import type { Chance } from './chance.ts'
import type { Context } from './context.ts'
import { type Life, never } from './life.ts'
import type { Machine } from './machine.ts'
import type { WorldDevice } from './world.ts'

/** A reading takes no longer, ms, unless something is wrong. */
const usualMs = 3

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
      this.#context.world.devices.map((each) => {
        const { id, kind } = each.options
        const names = {
          id,
          kind: kind as DeviceKind,
          name: `simulated ${id}`,
          uuid: `SIM-${id}`,
          environment: {},
        }
        const card = each.isCard ? this.#card(each, life) : null
        const ask = card ? card.read : (groups: readonly number[]) => this.#read(each, groups, life)
        const read = async (groups: readonly number[]) => {
          if (!life.act('reading')) return never<DeviceReading>()
          const reading = await ask(groups)
          this.#machine.devices.get(id)!.hasAttributed =
            reading.bytesByGroup !== null && reading.fault === null
          return reading
        }
        return [id, { ...names, read, close: () => Promise.resolve() }]
      }),
    )
  }

  #read(
    { options: { id }, tells }: WorldDevice,
    groups: readonly number[],
    life: Life,
  ): Promise<DeviceReading> {
    if (!tells) return Promise.resolve(this.#machine.read(id, groups))
    const isRefused = this.#context.faults.strikes('reading-fails')
    const tookMs = this.#tookMs()
    if (tookMs > usualMs || isRefused) this.#context.disturb(tookMs)
    return new Promise((resolve, reject) => {
      const reading = this.#machine.read(id, groups)
      const tell = () => (isRefused ? reject(new Error(`${id} did not answer`)) : resolve(reading))
      if (tookMs === 0) tell()
      else life.deliver(tookMs, tell)
    })
  }

  #card({ options: { id }, attributes }: WorldDevice, life: Life): Device {
    const read = (_: unknown, groups: readonly number[]): Promise<CardReading> => {
      const tookMs = this.#tookMs() + this.#machine.silentMs(id)
      if (tookMs > usualMs) this.#context.disturb(tookMs)
      if (this.#machine.isGone(id)) return Promise.reject(new Error('it is gone'))
      const canTell = attributes && !this.#context.faults.strikes('reading-untold')
      const { capacityBytes, usedBytes, bytesByGroup } = this.#machine.read(id, groups)
      const reading = {
        totalBytes: capacityBytes,
        usedBytes: usedBytes!,
        bytesByGroup: canTell ? bytesByGroup : null,
        utilisationRatio: null,
        fault: null,
      }
      return new Promise((resolve) => {
        if (tookMs === 0) resolve(reading)
        else life.deliver(tookMs, () => resolve(reading))
      })
    }
    const clock = {
      steadyMs: life.clock.steadyMs,
      after: (ms: number, tell: () => void) => life.deliver(ms, tell),
    }
    const card = { index: 0, name: id, uuid: null, environment: {} }
    const driver: Driver = {
      kind: 'nvidia',
      how: 'a simulated driver',
      cards: [card],
      left: [],
      read,
      close: () => Promise.resolve(),
    }
    return cardDevice(driver, card, { id, capBytes: null, clock })
  }

  #tookMs(): number {
    if (this.#context.faults.strikes('reading-hangs')) return this.#chance.between(10_000, 60_000)
    if (!this.#context.faults.strikes('reading-slow')) return this.#chance.between(0, usualMs)
    return this.#chance.between(1000, 4000)
  }
}
