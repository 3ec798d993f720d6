// Signs of memory that does not come back, kept from the events alone: an instance that
// holds more after each batch, and a device that has less after each unload.

export interface Growth {
  /** Batches that were claimed for it; at the last look at it at rest; and looks that
   * showed more than ever, less the others. */
  batchCount: number
  lookedCount: number
  growthCount: number
  /** Seen at rest after its first few batches. */
  settledBytes: number | null
  /** Most that was seen while it ran nothing, after its first batch. */
  mostRestBytes: number | null
}

export interface Unloads {
  foreignBytes: number
  /** Unloads in a row that left something behind, and how much; foreign use before the
   * loads of those not looked at. */
  readonly leak: { count: number; bytes: number; unloads: number[] }
}

export const noGrowth: Growth = {
  batchCount: 0,
  lookedCount: 0,
  growthCount: 0,
  settledBytes: null,
  mostRestBytes: null,
}

/** An instance has settled after so many batches; what is more than so much above the most is growth. */
const settledCount = 3
const growthRatio = 1.01

/** After an unload so much more is in use than before its load: it may have left something behind. */
const leftBytes = 16e6

/** Growths in a row, and over what was held when it had settled: as in core/decide/retirement.ts. */
const leak = { growthCount: 8, ratio: 1.25, bytes: 100e6 }

/** It is seen at rest. */
export function watchGrowth(instance: Growth, bytes: number): void {
  const { batchCount, lookedCount, growthCount, mostRestBytes } = instance
  if (batchCount === lookedCount) return
  const hasGrown = mostRestBytes !== null && bytes > mostRestBytes * growthRatio
  instance.growthCount = Math.max(0, growthCount + (hasGrown ? 1 : -1))
  instance.lookedCount = batchCount
  if (batchCount >= settledCount) instance.settledBytes ??= bytes
}

/** It holds much more after each of many batches. */
export function leaks({ growthCount, mostRestBytes, settledBytes }: Growth): boolean {
  if (growthCount < leak.growthCount || settledBytes === null) return false
  return mostRestBytes! > settledBytes * leak.ratio + leak.bytes
}

/** The device has been read. */
export function watchUnloads({ leak, foreignBytes }: Unloads): void {
  for (const beforeBytes of leak.unloads.splice(0)) {
    const isLeft = foreignBytes - beforeBytes >= leftBytes
    leak.count = isLeft ? leak.count + 1 : 0
    leak.bytes = isLeft ? leak.bytes + foreignBytes - beforeBytes : 0
  }
}
