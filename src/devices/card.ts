// A GPU as a device: what NVIDIA and AMD have in common, from what a driver says to a reading.
//   capacity   what the card has, or less if less was declared
//   foreign    used − ours, after what the declared capacity leaves to others anyway; where the
//              driver cannot tell ours, what was used while nothing of ours was there (device.ts)
//   fault      what the driver says, or that it could not be asked, or did not answer
//              in time: then with the last numbers
// A question that is late is not asked a second time before it is answered: each would hold a thread.
import { formatMs } from '../core/units.ts'
import type { Device, DeviceReading } from './device.ts'

/** A card as its driver lists it. */
export interface Card {
  /** Position in the driver's order; parts of one GPU share it. */
  index: number
  name: string
  uuid: string | null
  environment: Readonly<Record<string, string>>
}

/** What a driver says of a card now. */
export interface CardReading {
  /** What processes can have: without what the driver keeps to itself. */
  totalBytes: number
  /** Held by processes, or gone. */
  usedBytes: number
  /** As in DeviceReading. */
  bytesByGroup: ReadonlyMap<number, number> | null
  utilisationRatio: number | null
  fault: string | null
}

/** A way to one vendor's cards. */
export interface Driver {
  readonly kind: 'nvidia' | 'amd'
  /** What answers, with versions, for people. */
  readonly how: string
  readonly cards: readonly Card[]
  /** What it has seen and cannot use, and why. */
  readonly left: readonly string[]
  /** Rejects with why the card cannot be asked. */
  read(card: Card, groups: readonly number[]): Promise<CardReading>
  close(): Promise<void>
}

/** Longest wait for a reading, ms; a driver that is well answers within milliseconds.
 * Chosen, not measured. */
const readMs = 5000

/** A clock that nobody sets, and its timers; the answer of `after` cancels one. */
export interface SteadyClock {
  steadyMs(): number
  after(ms: number, callback: () => void): () => void
}

const steadyClock: SteadyClock = {
  steadyMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

/** What is known of a card before its first reading. */
const unread: Omit<DeviceReading, 'fault'> = {
  capacityBytes: 0,
  foreignBytes: 0,
  usedBytes: null,
  bytesByGroup: null,
  utilisationRatio: null,
}

export interface CardOptions {
  id: string
  /** Most that may be used; null: all. */
  capBytes: number | null
  limitMs?: number
  clock?: SteadyClock
}

export function cardDevice(
  driver: Driver,
  card: Card,
  { id, capBytes, limitMs = readMs, clock = steadyClock }: CardOptions,
): Device {
  const ask = askInTime(driver, card, { limitMs, clock })
  let last = unread
  /** Used while nothing of ours was there, less what has gone since. */
  let aloneBytes: number | null = null

  function readingOf(reading: CardReading, groups: readonly number[]): DeviceReading {
    const { totalBytes, bytesByGroup, utilisationRatio, fault } = reading
    const capacityBytes = Math.min(totalBytes, capBytes ?? totalBytes)
    const usedBytes = Math.max(0, reading.usedBytes - (totalBytes - capacityBytes))
    if (groups.length === 0) aloneBytes = usedBytes
    else if (aloneBytes !== null) aloneBytes = Math.min(aloneBytes, usedBytes)
    const ours = [...(bytesByGroup?.values() ?? [])].reduce((sum, each) => sum + each, 0)
    const beforeUs = aloneBytes ?? usedBytes
    const othersBytes = reading.usedBytes - ours - (totalBytes - capacityBytes)
    const foreignBytes = bytesByGroup === null ? beforeUs : Math.max(0, othersBytes)
    last = { capacityBytes, foreignBytes, usedBytes, bytesByGroup, utilisationRatio }
    return { ...last, fault }
  }

  return {
    id,
    kind: driver.kind,
    name: card.name,
    uuid: card.uuid,
    environment: card.environment,
    async read(groups) {
      try {
        return readingOf(await ask(groups), groups)
      } catch (error) {
        return { ...last, fault: (error as Error).message }
      }
    },
    close: () => driver.close(),
  }
}

/** Asks a driver, and rejects when it takes too long; then it is not asked again until it has answered. */
function askInTime(
  driver: Driver,
  card: Card,
  { limitMs, clock }: { limitMs: number; clock: SteadyClock },
): (groups: readonly number[]) => Promise<CardReading> {
  /** Questions that were given up and are still not answered. */
  const late = new Set<{ askedAtMs: number }>()
  return async (groups) => {
    const question = { askedAtMs: clock.steadyMs() }
    for (const { askedAtMs } of late) throw new Error(lateSentence(question.askedAtMs - askedAtMs))
    const answer = driver.read(card, groups).finally(() => late.delete(question))
    let cancel = () => {}
    const limit = new Promise<never>((_, reject) => {
      cancel = clock.after(limitMs, () => {
        late.add(question)
        reject(new Error(lateSentence(limitMs)))
      })
    })
    return Promise.race([answer, limit]).finally(cancel)
  }
}

function lateSentence(lateMs: number): string {
  return `the driver has not answered for ${formatMs(lateMs)}`
}
