// The devices of this machine as they are read now: each card that a driver lists, and RAM, with the
// programs that hold their memory; and for each vendor what answers, or what was tried and why it did not.
import { totalmem } from 'node:os'
import { cardDevice } from './card.ts'
import type { Device, DeviceReading } from './device.ts'
import { hostDevice } from './host.ts'
import { type Openers, systemOpeners } from './open.ts'
import { listProcesses, programOf } from './processes.ts'

export interface SeenDevice {
  kind: string
  /** For `index:` in a pipeline; null: RAM. */
  index: number | null
  name: string
  uuid: string | null
  reading: Omit<DeviceReading, 'bytesByGroup'>
  /** The largest first; null: the driver does not tell. */
  processes: { group: number; program: string; bytes: number }[] | null
  readMs: number
}

export interface SeenVendor {
  kind: 'nvidia' | 'amd'
  /** What answers, with versions; null: nothing. */
  how: string | null
  /** Why not, or what is seen and cannot be used. */
  notes: readonly string[]
}

export async function seeDevices(
  openers: Openers = systemOpeners,
): Promise<{ vendors: SeenVendor[]; devices: SeenDevice[] }> {
  const kinds = Object.keys(openers) as SeenVendor['kind'][]
  const seen = await Promise.all(
    kinds.map(async (kind): Promise<{ vendor: SeenVendor; devices: SeenDevice[] }> => {
      const driver = await openers[kind]()
      if (!('cards' in driver)) return { vendor: { kind, how: null, notes: driver }, devices: [] }
      const devices: SeenDevice[] = []
      for (const card of driver.cards)
        devices.push(await see(cardDevice(driver, card, { id: kind, capBytes: null }), card.index))
      await driver.close()
      return { vendor: { kind, how: driver.how, notes: driver.left }, devices }
    }),
  )
  const ram = await see(hostDevice('ram', totalmem()), null)
  return {
    vendors: seen.map(({ vendor }) => vendor),
    devices: [...seen.flatMap(({ devices }) => devices), ram],
  }
}

/** As if every process of the machine were ours: so the device says what each holds. */
async function see(device: Device, index: number | null): Promise<SeenDevice> {
  const groups = [...new Set((listProcesses() ?? []).map(({ group }) => group))]
  const alone = await device.read([])
  const startedAtMs = performance.now()
  const { bytesByGroup } = await device.read(groups)
  const readMs = performance.now() - startedAtMs
  const { kind, name, uuid } = device
  const { bytesByGroup: _, ...reading } = alone
  const processes =
    bytesByGroup &&
    [...bytesByGroup]
      .map(([group, bytes]) => ({ group, program: programOf(group), bytes }))
      .filter(({ bytes }) => bytes > 0)
      .sort((a, b) => b.bytes - a.bytes || a.group - b.group)
  return { kind, index, name, uuid, reading, processes, readMs }
}
