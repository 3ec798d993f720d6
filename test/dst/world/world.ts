// A random world: devices, models that fit or barely fit or need no device, a policy with short times, and
// what a model really does besides what it declares. From a seed and a few settings; the same for the same.
import { defineModel, type Model, type ModelId } from '../../../src/core/model.ts'
import { defaultPolicy, type Policy } from '../../../src/core/policy.ts'
import type { DeviceOptions } from '../../../src/core/state/state.ts'
import { Chance } from './chance.ts'
import { drawRates, type FaultRates, type Faults } from './faults.ts'

export interface Settings {
  deviceCount: number
  modelCount: number
  itemCount: number
  /** Items arrive, and things go wrong, for so long, ms. */
  spanMs: number
  /** How often devices and models are other than plain, 0 to 1: cards, peaks, models
   * that are pinned or leave when idle. */
  variety: number
  faults: FaultRates
}

/** One run in fifty is long and has more work than its devices can do: there waits are
 * held against their bound. */
export function drawSettings(seed: number): Settings {
  const chance = new Chance(seed, 'settings')
  const isLong = chance.happens(0.02)
  return {
    deviceCount: isLong ? 1 : chance.between(1, 3),
    modelCount: chance.between(2, 6),
    itemCount: isLong ? chance.between(500, 1000) : chance.between(5, chance.pick([20, 60, 60, 200])),
    spanMs: 1000 * (isLong ? chance.between(200, 400) : chance.between(10, 90)),
    faults: drawRates(chance),
    variety: chance.pick([0, 0.5, 1, 1]),
  }
}

export interface WorldDevice {
  options: DeviceOptions
  /** It tells what is on it; else it is only declared, and what is booked is believed. */
  tells: boolean
  /** It has a driver that may be silent, or say that it is gone. */
  isCard: boolean
  /** It tells what each process holds. */
  attributes: boolean
  /** It tells what each held at most. */
  knowsPeaks: boolean
  /** Each unload leaves so much behind. */
  leftBytes: number
  /** What it really has, bytes. */
  capacityBytes: number
}

/** What a model's worker really does. */
export interface Traits {
  /** Held when it is loaded, and for each item of a batch besides. */
  bytes: number
  activationBytes: number
  /** Held more after each batch. */
  leakBytes: number
  /** Batches of so many items or more run out of memory. */
  outOfMemoryFrom: number
  /** Like a command for each item it has no process of its own. */
  hasProcess: boolean
  /** It tells its size after its load, and what it still holds after a batch. */
  tellsSize: boolean
  tellsRest: boolean
}

export interface World {
  devices: WorldDevice[]
  models: Model[]
  traits: Map<ModelId, Traits>
  policy: Policy
}

export function createWorld(
  seed: number,
  { deviceCount, modelCount, variety }: Settings,
  faults: Faults,
): World {
  const chance = new Chance(seed, 'world')
  const various = new Various(seed, variety)
  const devices = Array.from({ length: deviceCount }, (_, index) =>
    createDevice(index, chance, various, faults),
  )
  const lines = devices.map(({ options }) => Math.floor(options.capacityBytes * options.safetyRatio!))
  const largestBytes = Math.max(...lines)
  const plain = Array.from({ length: modelCount }, (_, index) => createModel(index, largestBytes, chance))
  const traits = new Map(plain.map((model) => [model.id, createTraits(model, chance, faults)]))
  // What is pinned where nobody says who holds what hides for ever what else is there.
  const mayPin = devices.every(({ attributes }) => attributes)
  const models = plain.map((model) => varied(model, mayPin, various, faults))
  for (const each of traits.values()) each.tellsRest = various.happens(0.5)
  return { devices, models, traits, policy: createPolicy(chance) }
}

/** Chance for what is other than plain. */
class Various {
  readonly chance: Chance
  readonly #variety: number

  constructor(seed: number, variety: number) {
    this.chance = new Chance(seed, 'variety')
    this.#variety = variety
  }

  happens(ratio: number): boolean {
    return this.chance.happens(ratio * this.#variety)
  }
}

function createDevice(index: number, chance: Chance, various: Various, faults: Faults): WorldDevice {
  const capacityBytes = chance.between(400, 2000) * 1e6
  const tells = chance.happens(0.8)
  const isLess = tells && faults.strikes('capacity-less')
  const isCard = tells && various.happens(0.5)
  return {
    options: {
      id: `gpu${index}`,
      kind: isCard ? 'nvidia' : tells ? 'host' : 'static',
      capacityBytes,
      safetyRatio: chance.pick([0.8, 0.9, 1]),
      slots: chance.pick([1, 1, 1, 2]),
    },
    tells,
    isCard,
    attributes: !(isCard && faults.strikes('device-untold')),
    knowsPeaks: tells && !isCard && various.happens(1),
    leftBytes: tells && faults.strikes('unload-leaves') ? chance.between(10, 50) * 1e6 : 0,
    capacityBytes: isLess ? Math.floor(capacityBytes * (0.6 + 0.35 * chance.number())) : capacityBytes,
  }
}

/** One in six needs no device, one in six fills the largest one to the last byte. */
function createModel(index: number, largestBytes: number, chance: Chance): Model {
  const size = chance.number()
  const vramRatio = size < 1 / 6 ? 0 : size < 2 / 6 ? 1 : 0.05 + 0.6 * chance.number()
  const activation =
    vramRatio > 0 && chance.happens(0.5) ? Math.floor(largestBytes * 0.1 * chance.number()) : 0
  const vram =
    vramRatio === 1 ? largestBytes - activation : Math.floor((largestBytes - activation) * vramRatio)
  return defineModel({
    id: `m${index}`,
    vram,
    loadMs: chance.between(100, 3000),
    unloadMs: chance.between(0, 400),
    batch: {
      max: chance.between(1, 8),
      overheadMs: chance.between(5, 200),
      perItemMs: chance.between(10, 500),
      exponent: chance.pick([1, 1, 0.8]),
      activation,
    },
    concurrency: chance.pick(vram === 0 ? [1, 2, 3] : [1, 1, 1, 2]),
  })
}

/** The same model, perhaps with a life of its own, or without a size. */
function varied(model: Model, mayPin: boolean, various: Various, faults: Faults): Model {
  const needsDevice = model.vramBytes > 0
  const isUnsized = needsDevice && faults.strikes('size-unknown')
  return {
    ...model,
    ...(isUnsized ? { vramBytes: 1, isSized: false } : {}),
    keepAliveMs: various.happens(0.5) ? various.chance.pick([0, 50, 1000, 5000]) : null,
    isPinned: various.happens(0.3) && needsDevice && mayPin,
    isPreloaded: various.happens(0.5),
  }
}

function createTraits({ vramBytes, batch }: Model, chance: Chance, faults: Faults): Traits {
  const ratio = faults.strikes('footprint-lies') ? 1 + chance.number() / 2 : 0.7 + 0.3 * chance.number()
  return {
    bytes: Math.floor(vramBytes * ratio),
    activationBytes: batch.activationBytes * ratio,
    leakBytes: vramBytes > 0 && faults.strikes('leaks') ? chance.between(10, 60) * 1e6 : 0,
    outOfMemoryFrom: faults.strikes('batch-out-of-memory')
      ? chance.between(1, batch.max)
      : Number.POSITIVE_INFINITY,
    hasProcess: vramBytes > 0 || chance.happens(0.5),
    tellsSize: chance.happens(0.7),
    tellsRest: false,
  }
}

/** Times are a tenth of the defaults and less, so that a minute of a run holds many visits. */
function createPolicy(chance: Chance): Policy {
  return {
    ...defaultPolicy,
    goal: chance.between(0, 2),
    maxWait: chance.between(5, 30) * 1000,
    backlogFactor: chance.pick([0, 0.3, 1]),
    visitBase: chance.between(100, 1000),
    releaseTimeout: chance.between(1000, 5000),
    loadCooldown: chance.between(100, 1000),
    maxLoadFailures: chance.between(2, 6),
    hysteresis: chance.pick([1, 2, 4]),
    burst: chance.between(1, 5),
  }
}
