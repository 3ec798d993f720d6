// From the devices that are declared to those that are read. What a pipeline names is
// opened or refused with NO_DEVICE; `auto` opens every card that is found and not named
// beside it, and refuses to find nothing. A card that is found and cannot be read just
// now is opened all the same, with its fault: the next reading may be better.
import { SchedulerError } from '../core/errors.ts'
import { openAmd } from './amd.ts'
import { type Card, cardDevice, type Driver } from './card.ts'
import type { Device, DeviceSpec } from './device.ts'
import { hostDevice } from './host.ts'
import { openNvidia } from './nvidia.ts'
import { staticDevice } from './static.ts'

export interface OpenedDevice {
  device: Device
  /** As first read; 0 while it cannot be. */
  capacityBytes: number
  safetyRatio: number
}

type CardKind = Driver['kind']

/** How to get to a vendor's cards; or what was tried. */
export type Openers = Record<CardKind, () => Promise<Driver | string[]>>

export const systemOpeners: Openers = { nvidia: openNvidia, amd: openAmd }

const vendors: Record<CardKind, string> = { nvidia: 'NVIDIA', amd: 'AMD' }

/** In the order of the specs; those of `auto` in the order of the drivers. Throws NO_DEVICE. */
export async function openDevices(
  specs: readonly DeviceSpec[],
  openers: Openers = systemOpeners,
): Promise<OpenedDevice[]> {
  const drivers = await openDrivers(specs, openers)
  try {
    const taken = new Map<Card, string>()
    const named = specs.map((spec) => (isCard(spec) ? takeCard(spec, drivers, taken) : null))
    const devices = specs.flatMap((spec, index): { spec: DeviceSpec; device: Device }[] => {
      const found = named[index]
      if (found) return [{ spec, device: openCard(spec, found, spec.id) }]
      if (spec.kind === 'auto') return openRest(spec, drivers, taken).map((device) => ({ spec, device }))
      const open = spec.kind === 'host' ? hostDevice : staticDevice
      return [{ spec, device: open(spec.id, spec.memoryBytes!) }]
    })
    const opened = await readFirst(devices)
    await closeUnused(drivers, taken)
    return opened
  } catch (error) {
    await closeUnused(drivers, new Map())
    throw error
  }
}

async function closeUnused(drivers: Drivers, taken: ReadonlyMap<Card, string>): Promise<void> {
  for (const driver of drivers.values())
    if ('cards' in driver && !driver.cards.some((card) => taken.has(card))) await driver.close()
}

function isCard({ kind }: DeviceSpec): boolean {
  return kind === 'nvidia' || kind === 'amd'
}

type Drivers = ReadonlyMap<CardKind, Driver | string[]>

async function openDrivers(specs: readonly DeviceSpec[], openers: Openers): Promise<Drivers> {
  const kinds = (Object.keys(openers) as CardKind[]).filter((kind) =>
    specs.some((spec) => spec.kind === kind || spec.kind === 'auto'),
  )
  return new Map(await Promise.all(kinds.map(async (kind) => [kind, await openers[kind]()] as const)))
}

interface FoundCard {
  driver: Driver
  card: Card
}

/** The card that is meant by uuid or index. */
function takeCard(spec: DeviceSpec, drivers: Drivers, taken: Map<Card, string>): FoundCard {
  const { id, index, uuid } = spec
  const kind = spec.kind as CardKind
  const driver = drivers.get(kind)!
  if (!('cards' in driver))
    throw noDevice(`"${id}" is an ${vendors[kind]} GPU; none is found: ${driver.join('; ')}.`)
  const fits = driver.cards.filter((card) => (uuid === null ? card.index === index : card.uuid === uuid))
  const wanted = uuid === null ? `index ${index}` : `uuid ${uuid}`
  if (fits.length === 0) throw noDevice(`"${id}": no ${vendors[kind]} GPU has ${wanted}. ${describe(driver)}`)
  if (fits.length > 1)
    throw noDevice(
      `"${id}": the ${vendors[kind]} GPU with ${wanted} is split; choose a part by uuid. ${describe(driver)}`,
    )
  const card = fits[0]!
  const other = taken.get(card)
  if (other !== undefined)
    throw noDevice(`"${other}" and "${id}" are the same device, ${card.uuid ?? card.name}.`)
  taken.set(card, id)
  return { driver, card }
}

function openRest(spec: DeviceSpec, drivers: Drivers, taken: Map<Card, string>): Device[] {
  const found = [...drivers.values()].flatMap((driver) =>
    'cards' in driver
      ? driver.cards.filter((card) => !taken.has(card)).map((card): FoundCard => ({ driver, card }))
      : [],
  )
  if (found.length === 0) {
    const looked = [...drivers].map(
      ([kind, driver]) =>
        `${vendors[kind]}: ${'cards' in driver ? describe(driver) : `${driver.join('; ')}.`}`,
    )
    throw noDevice(
      `No GPU is found${taken.size > 0 ? ' besides those that are named' : ''}. ${looked.join(' ')} Declare one with kind: static and memory, or use RAM with kind: host.`,
    )
  }
  return found.map((each, index) => {
    const id = `${spec.id}${index}`
    taken.set(each.card, id)
    return openCard(spec, each, id)
  })
}

function openCard({ memoryBytes }: DeviceSpec, { driver, card }: FoundCard, id: string): Device {
  return cardDevice(driver, card, { id, capBytes: memoryBytes })
}

/** What a driver has, for people. */
function describe({ how, cards, left }: Driver): string {
  const all = [
    ...cards.map(({ index, name, uuid }) => `${index} ${name}${uuid ? ` (${uuid})` : ''}`),
    ...left,
  ]
  return `${how} has ${all.join(', ') || 'none'}.`
}

async function readFirst(devices: readonly { spec: DeviceSpec; device: Device }[]): Promise<OpenedDevice[]> {
  const opened = await Promise.all(
    devices.map(async ({ spec, device }) => ({ device, spec, reading: await device.read([]) })),
  )
  if (opened.length > 0 && opened.every(({ reading }) => reading.capacityBytes === 0)) {
    const causes = opened.map(({ device, reading }) => `${device.id} (${device.name}): ${reading.fault}`)
    throw noDevice(`No device can be used: ${causes.join('; ')}.`)
  }
  return opened.map(({ device, spec, reading }) => ({
    device,
    capacityBytes: reading.capacityBytes,
    safetyRatio: spec.safetyRatio,
  }))
}

function noDevice(message: string): SchedulerError {
  return new SchedulerError('NO_DEVICE', message)
}
