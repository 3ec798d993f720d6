// The memory of one device as people say it: how much there is, and the share that may be promised.
import { SchedulerError } from './errors.ts'
import { leastBytes, type Model, type ModelId } from './model.ts'
import { formatBytes, parseBytes } from './units.ts'

export type VramOptions = ({ totalGb: number } | { total: string | number }) & {
  /** Share of the total that may be promised, above 0 to 1. Default `defaultSafetyRatio`, 0.9. */
  safetyFactor?: number
}

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

export class VramConfig {
  readonly totalBytes: number
  readonly safetyFactor: number

  /** Throws BAD_VALUE. */
  constructor(options: VramOptions) {
    this.totalBytes = 'totalGb' in options ? Math.round(options.totalGb * 1e9) : parseBytes(options.total)
    this.safetyFactor = options.safetyFactor ?? defaultSafetyRatio
    if (!(this.totalBytes > 0 && Number.isFinite(this.totalBytes))) {
      throw new SchedulerError(
        'BAD_VALUE',
        `A device of ${this.totalBytes} bytes holds nothing; give its memory, such as totalGb: 16.`,
      )
    }
    if (!(this.safetyFactor > 0 && this.safetyFactor <= 1)) {
      throw new SchedulerError(
        'BAD_VALUE',
        `safetyFactor is ${this.safetyFactor}; it must be above 0 and at most 1.`,
      )
    }
  }

  /** What may be promised. */
  get usableBytes(): number {
    return lineBytes({ capacityBytes: this.totalBytes, safetyRatio: this.safetyFactor })
  }

  canFit(model: Model): boolean {
    return leastBytes(model) <= this.usableBytes
  }

  /** Throws NEVER_FITS with the numbers. */
  assertFits(model: Model): void {
    if (!this.canFit(model)) throw neverFits(model.id, leastBytes(model), this)
  }
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
