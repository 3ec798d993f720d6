// The memory of one device as people say it: how much there is, and the share that may be promised.
import { SchedulerError } from './errors.ts'
import { defineModel, leastBytes, type Model, type ModelId, mediaModels, unknownModel } from './model.ts'
import { formatBytes, parseBytes } from './units.ts'

/**
 * How much memory a device has, and for which models. All of it may be left out.
 *
 * @public
 * @example
 * ```ts
 * const options: VramOptions = { totalGb: 24, safetyFactor: 0.8, sizes: { Whisper: '6GB', sdxl: '7GB' } }
 * new VramConfig(options).usableGb // => 19.2
 * ```
 */
export interface VramOptions {
  /** In GB, 10⁹ bytes. Default 16. */
  totalGb?: number
  /** The same as text, `'16GB'`, `'24GiB'`, or in bytes; instead of `totalGb`. */
  total?: string | number
  /** Share of the total that may be promised, above 0 to 1. Default `defaultSafetyRatio`, 0.9. */
  safetyFactor?: number
  /** The models that are asked about. Default: the five media models. */
  models?: readonly Model[]
  /** Other sizes for some of them, or more models by their size alone, by name: `{ Whisper: '6GB' }`. */
  sizes?: Readonly<Record<ModelId, string | number>>
}

const optionNames = ['totalGb', 'total', 'safetyFactor', 'models', 'sizes']

/** From the seed: drivers and fragments need the rest. */
export const defaultSafetyRatio = 0.9

/** The Plimsoll line of a device: the bytes that may be promised while nobody else uses it. Capacity × safety
 * ratio, rounded down: 14.4 GB of 16 GB at 0.9. Its budget is the line less what others use. */
export function lineBytes({ capacityBytes, safetyRatio = defaultSafetyRatio }: Capacity): number {
  return Math.floor(capacityBytes * safetyRatio)
}

interface Capacity {
  capacityBytes: number
  /** Above 0 to 1. Default `defaultSafetyRatio`. */
  safetyRatio?: number
}

/** From the seed: a card of 16 GB. */
const defaultTotalBytes = 16e9

/** Fewer bytes are a number that was meant in GB. Chosen: no weights are so small. */
const leastTotalBytes = 1e6

/**
 * The memory of one device as people say it: how much there is, the share that may be promised, and the
 * models that it is for.
 *
 * @public
 * @example
 * ```ts
 * const vram = new VramConfig({ totalGb: 16, safetyFactor: 0.9, sizes: { sdxl: '26GB' } })
 * vram.usableGb // => 14.4
 * vram.modelVram('Whisper') // => 4.5e9
 * vram.canFit('Whisper') // => true
 * vram.canFit('sdxl') // => false
 * vram.assertFits('sdxl') // throws NEVER_FITS
 * ```
 */
export class VramConfig {
  /** All memory of the device. */
  readonly totalBytes: number
  /** Share of it that may be promised, above 0 to 1. */
  readonly safetyFactor: number
  /** The models that are asked about, at the sizes that were given. */
  readonly models: readonly Model[]
  readonly #modelById: ReadonlyMap<ModelId, Model>

  /** Of 16 GB, 0.9 and the five media models, as far as nothing else is said. Throws BAD_VALUE. */
  constructor(options: VramOptions = {}) {
    assertOptions(options)
    this.totalBytes = totalOf(options)
    this.safetyFactor = options.safetyFactor ?? defaultSafetyRatio
    if (!(this.safetyFactor > 0 && this.safetyFactor <= 1)) {
      throw new SchedulerError(
        'BAD_VALUE',
        `safetyFactor is ${this.safetyFactor}; it must be above 0 and at most 1.`,
      )
    }
    this.models = withSizes(options.models ?? mediaModels, options.sizes ?? {})
    this.#modelById = new Map(this.models.map((each) => [each.id, each]))
  }

  /** What may be promised: the total × the safety factor, rounded down. */
  get usableBytes(): number {
    return lineBytes({ capacityBytes: this.totalBytes, safetyRatio: this.safetyFactor })
  }

  /** The same in GB: 14.4 of 16. */
  get usableGb(): number {
    return this.usableBytes / 1e9
  }

  /** Bytes that a model holds while it is loaded; all that may be promised for one of which no size was
   * declared, since such a model is loaded alone. Throws UNKNOWN_MODEL. */
  modelVram(model: ModelId | Model): number {
    const { isSized, vramBytes } = this.#modelOf(model)
    return isSized ? vramBytes : this.usableBytes
  }

  /** Whether a model, and one item of a batch of it, fit into what may be promised. Throws UNKNOWN_MODEL. */
  canFit(model: ModelId | Model): boolean {
    return leastBytes(this.#modelOf(model)) <= this.usableBytes
  }

  /** Throws NEVER_FITS with the numbers, UNKNOWN_MODEL. */
  assertFits(model: ModelId | Model): void {
    const known = this.#modelOf(model)
    if (!this.canFit(known)) throw neverFits(known.id, leastBytes(known), this)
  }

  #modelOf(model: ModelId | Model): Model {
    if (typeof model === 'object') return model
    const known = this.#modelById.get(model)
    if (!known) throw unknownModel(model, this.#modelById.keys())
    return known
  }
}

function assertOptions(options: VramOptions): void {
  const unknown = Object.keys(options).filter((name) => !optionNames.includes(name))
  const fault =
    unknown.length > 0
      ? `VramConfig has no option ${unknown.join(', ')}. Options: ${optionNames.join(', ')}.`
      : options.totalGb !== undefined && options.total !== undefined
        ? 'totalGb and total say the same thing; give one of them.'
        : null
  if (fault) throw new SchedulerError('BAD_VALUE', fault, { options: Object.keys(options) })
}

function totalOf({ totalGb, total }: VramOptions): number {
  if (totalGb === undefined && total === undefined) return defaultTotalBytes
  const bytes = totalGb === undefined ? parseBytes(total!) : Math.round(totalGb * 1e9)
  if (bytes >= leastTotalBytes && Number.isFinite(bytes)) return bytes
  throw new SchedulerError(
    'BAD_VALUE',
    `A device of ${bytes} bytes holds no model; give its memory, such as totalGb: 16 or total: '16GB'.`,
    { totalBytes: bytes },
  )
}

/** The models at the sizes that are given by name. */
function withSizes(
  models: readonly Model[],
  sizes: Readonly<Record<ModelId, string | number>>,
): readonly Model[] {
  if (Object.keys(sizes).length === 0) return models
  const resized = models.map((each) => {
    const size = sizes[each.id]
    return size === undefined ? each : { ...each, vramBytes: parseBytes(size), isSized: true }
  })
  const known = new Set(models.map(({ id }) => id))
  const more = Object.entries(sizes).filter(([id]) => !known.has(id))
  return [...resized, ...more.map(([id, vram]) => defineModel({ id, vram }))]
}

interface Offer {
  totalBytes: number
  safetyFactor: number
  usableBytes: number
  /** Of models that stay; these are not usable. Default 0. */
  pinnedBytes?: number
}

/** `Model "sdxl" needs 26 GB; the largest device offers 14.4 GB (16 GB × 0.9). …` */
export function neverFits(
  modelId: ModelId,
  neededBytes: number,
  { usableBytes, totalBytes, safetyFactor, pinnedBytes = 0 }: Offer,
): SchedulerError {
  const pinned = pinnedBytes > 0 ? `, without ${formatBytes(pinnedBytes)} that are pinned` : ''
  const advice = `Use a smaller variant, a larger device or a higher safety${pinned ? ', or pin less' : ''}.`
  return new SchedulerError(
    'NEVER_FITS',
    `Model "${modelId}" needs ${formatBytes(neededBytes)}; the largest device offers ${formatBytes(usableBytes)} (${formatBytes(totalBytes)} × ${safetyFactor}${pinned}). ${advice}`,
    { modelId, neededBytes, offeredBytes: usableBytes },
  )
}
