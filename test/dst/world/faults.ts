// What goes wrong, and how often. A rate is a probability at each opportunity, or a number in each
// minute where nothing gives an opportunity by itself; the table names the highest that is drawn.
import type { Chance } from './chance.ts'

/** [highest rate, per, meaning]. */
export const faultTable = {
  'start-throws': [0.1, 'start', 'the process of a worker cannot be started'],
  'load-slow': [0.5, 'load', 'takes 3 to 10 times as long'],
  'load-fails': [0.4, 'load', 'the worker reports an error'],
  'load-broken': [0.05, 'load', 'the worker says that another one would fail alike'],
  'load-hangs': [0.2, 'load', 'no sign until the time-out'],
  'load-crashes': [0.3, 'load', 'the worker ends in the middle'],
  'load-out-of-memory': [
    0.3,
    'load',
    'the worker says so, or ends with such words, or is killed by the kernel',
  ],
  'batch-slow': [0.3, 'batch', 'takes 3 to 10 times as long'],
  'batch-long': [0.03, 'batch', 'takes 1 to 3 minutes: longer than a lease without a sign of life'],
  'batch-hangs': [0.1, 'batch', 'no sign until the time-out'],
  'batch-crashes': [0.2, 'batch', 'the worker ends in the middle'],
  'batch-out-of-memory': [0.7, 'model', 'batches from a certain size on run out of memory'],
  'kernel-kills': [6, 'minute', 'the kernel kills the largest process on a device of RAM'],
  poison: [0.1, 'item', 'kills its worker, or runs out of memory, whatever runs beside it'],
  'idle-crashes': [0.4, 'load', 'the worker ends some time after it, between batches or in one'],
  'item-fails': [0.4, 'item', 'the worker reports an error, half of them final'],
  'size-unknown': [0.5, 'model', 'declares no size'],
  'footprint-lies': [0.7, 'model', 'holds up to half more than it declares'],
  'answer-late': [0.3, 'item', 'comes with the end of the batch'],
  'answer-lost': [0.2, 'item', 'never comes'],
  'answer-doubled': [0.3, 'item', 'comes twice; the second one is wrong'],
  'answer-after-end': [0.2, 'item', 'comes when the batch is over'],
  'answer-of-stranger': [0.1, 'batch', 'an answer for an item that is not in the batch'],
  'stop-slow': [0.5, 'stop', 'ignores TERM, or cannot be killed for up to 15 s'],
  'stop-never': [0.1, 'stop', 'does not react to KILL for minutes, or until the faults end'],
  'memory-lingers': [0.6, 'end', 'comes back after up to 4 s'],
  'memory-lingers-long': [0.3, 'end', 'comes back after 10 to 60 s'],
  'memory-stays': [0.1, 'end', 'does not come back until the daemon is started again'],
  'leftover-stubborn': [0.7, 'kill', 'a worker lives on after the daemon was killed'],
  leaks: [0.5, 'model', 'holds more after each batch, until it is loaded anew'],
  'unload-leaves': [0.5, 'device', 'each unload leaves something behind, until the faults end'],
  'foreign-moves': [12, 'minute', 'another process takes memory or gives it back'],
  'capacity-less': [0.3, 'device', 'the device has less memory than was declared'],
  'device-untold': [0.5, 'card', 'its driver never tells who holds what'],
  'device-vanishes': [8, 'minute', 'a card is gone, for a second or a minute'],
  'device-silent': [8, 'minute', 'the driver of a card does not answer for up to a minute'],
  'reading-untold': [0.1, 'reading', 'the driver of a card cannot tell who holds what this time'],
  'reports-lie': [0.3, 'batch', 'what the worker says that it held is missing, too low or too high'],
  'peaks-lie': [0.3, 'reading', 'the peak of a process is missing, too low or too high'],
  'reading-slow': [0.1, 'reading', 'takes 1 to 4 s'],
  'reading-hangs': [0.02, 'reading', 'takes 10 to 60 s; a card says meanwhile that it does not answer'],
  'reading-fails': [0.05, 'reading', 'is refused by the device'],
  'store-slow': [0.2, 'call', 'takes 0.1 to 5 s'],
  'store-full': [0.02, 'write', 'STORE_FULL: not carried out'],
  'store-unknown': [0.02, 'write', 'STORE_FAILED: carried out, or not'],
  'clock-jumps': [4, 'minute', 'up to 3 h forward or backward'],
  kill: [0.02, 'effect', 'kill -9 of the daemon before it'],
  drain: [2, 'minute', 'Ctrl-C, sometimes twice'],
  'user-cancels': [3, 'minute', 'some items'],
  'user-retries': [4, 'minute', 'some items that failed or were cancelled'],
  'user-edits': [0.3, 'start', 'the pipeline has lost some items; they come back later'],
} as const satisfies Record<string, readonly [number, string, string]>

export type FaultKind = keyof typeof faultTable
/** A rate of each kind, or how often each happened. */
export type FaultRates = Record<FaultKind, number>

export const faultKinds = Object.keys(faultTable) as FaultKind[]

export const noFaults = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as FaultRates

export function addFaults(sum: FaultRates, counts: FaultRates): void {
  for (const kind of faultKinds) sum[kind] += counts[kind]
}

/** One run in ten is calm; in the others half of the kinds are on, each at its highest
 * rate, a third or a tenth of it. */
export function drawRates(chance: Chance): FaultRates {
  const rates = { ...noFaults }
  if (chance.happens(0.1)) return rates
  const share = chance.pick([0.25, 0.5, 0.75])
  for (const kind of faultKinds) {
    if (chance.happens(share)) rates[kind] = faultTable[kind][0] * chance.pick([0.1, 0.3, 1])
  }
  return rates
}

export class Faults {
  readonly rates: FaultRates
  readonly counts = { ...noFaults }
  readonly #chance: Chance
  isOn = true

  constructor(rates: FaultRates, chance: Chance) {
    this.rates = rates
    this.#chance = chance
  }

  /** Whether this fault happens now; it is counted. */
  strikes(kind: FaultKind): boolean {
    if (!this.isOn || !this.#chance.happens(this.rates[kind])) return false
    this.counts[kind]++
    return true
  }

  /** Counts a fault that was planned ahead and happens now; false: faults are over. */
  happens(kind: FaultKind): boolean {
    if (this.isOn) this.counts[kind]++
    return this.isOn
  }

  /** Moments of a fault by the minute within a span, ms, in order. */
  moments(kind: FaultKind, spanMs: number): number[] {
    const expected = (this.rates[kind] * spanMs) / 60_000
    const count = Math.floor(expected) + (this.#chance.happens(expected % 1) ? 1 : 0)
    return Array.from({ length: count }, () => this.#chance.between(0, spanMs)).sort((a, b) => a - b)
  }
}
