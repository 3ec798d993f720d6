// What may be booked for a load and for a batch, as laws: kept from what the events
// told, not from how the core learns.
//
//   a load     never under what was just seen of the model on such a device: of an instance
//              at rest after a batch, or of a load. Never over what is declared or was seen
//              at most, and a margin. What is declared stands until three instances were
//              seen; without a declared size the first load has all of the device
//   a batch    the same, by its size in powers of two, where its peak was measured for sure. A
//              batch that ran out of memory did not get what it needed: its peak lowers nothing
import type { CommandOf, EventOf } from '../../../src/core/state/events.ts'
import type { Context } from '../world/context.ts'
import type { BookedBatch, BookedDevice, BookedInstance } from './reference-ledger.ts'

/** More than this above all that was seen is booked for nothing: the bar for
 * what is learned is 5 %. */
const marginRatio = 1.05

/** Instances, or batches, after which what is declared stands no longer. */
const enoughCount = 3

/** Growths in a row after which the next instance begins with what this one held when it had settled. */
const leakCount = 3

interface Seen {
  instanceCount: number
  /** Just seen at rest; of an instance that has gone, what it held at most, if that was less. */
  restBytes: number
  mostRestBytes: number
  mostLoadingBytes: number
  readonly batches: Map<number, SeenBatches>
}

interface SeenBatches {
  /** Those whose peak was measured. */
  count: number
  lastBytes: number
  mostBytes: number
  /** Items of the largest one that told what so many need; 0: none did. */
  mostCount: number
  /** Items of the smallest one. */
  leastCount: number
}

type BatchFinished = EventOf<'batch-finished'>

/** By model and kind of device. */
export type AllSeen = Map<string, Seen>

export class SizeChecks {
  readonly #context: Context
  readonly #seen: AllSeen

  /** `seen`: by an earlier daemon, as far as this one was told. */
  constructor(context: Context, seen: AllSeen) {
    this.#context = context
    this.#seen = seen
  }

  get seen(): AllSeen {
    return this.#seen
  }

  /** `othersBytes`: what else is booked or held there; `batchBytes`: what is left free for batches. */
  checkLoad(
    { instanceId: name, modelId, bytes }: CommandOf<'start-load'>,
    device: BookedDevice | null,
    { othersBytes, batchBytes }: { othersBytes: number; batchBytes: number },
  ): void {
    const model = this.#modelOf(modelId)
    if (model.vramBytes === 0 || !device) {
      this.#check(bytes === 0, () => `${name} books ${bytes} bytes and needs no device`)
      return
    }
    const { instanceCount, mostLoadingBytes } = this.#seenOf(modelId, device.kind)
    if (!model.isSized && instanceCount === 0) {
      const allBytes = device.lineBytes! - othersBytes - batchBytes
      this.#checkSize(name, bytes, Math.max(1, allBytes), device.lineBytes!)
      return
    }
    const least = Math.max(this.#leastRestBytes(modelId, device.kind), mostLoadingBytes)
    this.#checkSize(name, bytes, least, Math.max(this.#mostRestBytes(modelId, device.kind), mostLoadingBytes))
  }

  /** What an instance at rest may give back: nothing, if nobody knows its size yet. */
  checkRest({ id, modelId, hasRun, bytes: beforeBytes }: BookedInstance, kind: string, bytes: number): void {
    const { instanceCount } = this.#seenOf(modelId, kind)
    const isUnknown = !hasRun && !this.#modelOf(modelId).isSized && instanceCount === 0
    const least = isUnknown ? beforeBytes : this.#leastRestBytes(modelId, kind)
    this.#check(bytes >= least, () => `${id} keeps ${bytes} bytes; it is known to need ${least}`)
  }

  /** What was booked for its load, and is not needed now, is given back when it is seen at rest. */
  checkGivenBack({ id, modelId, hasRun, bytes }: BookedInstance, kind: string, heldBytes: number): void {
    const { instanceCount } = this.#seenOf(modelId, kind)
    if (!this.#modelOf(modelId).isSized && !hasRun && instanceCount === 0) return
    const most = Math.max(heldBytes, this.#mostRestBytes(modelId, kind))
    this.#check(
      bytes <= most,
      () => `${id} keeps ${bytes} bytes; it holds ${heldBytes} and is known to need ${most}`,
    )
  }

  checkBatch(name: string, modelId: string, kind: string | null, itemCount: number, bytes: number): void {
    if (kind === null) {
      this.#check(bytes === 0, () => `${name} books ${bytes} bytes and needs no device`)
      return
    }
    const { batches } = this.#seenOf(modelId, kind)
    const own = batches.get(bucketOf(itemCount))
    const isEnough = [...batches.values()].some(({ count }) => count >= enoughCount)
    const declared = isEnough ? 0 : itemCount * this.#modelOf(modelId).batch.activationBytes
    const least = Math.max(declared, own?.lastBytes ?? 0)
    this.#checkSize(name, bytes, least, this.mostBatchBytes(modelId, kind, itemCount))
  }

  /** Room in which a model that can be loaded at all can be loaded and run one item. */
  mostNeededBytes(modelId: string, { kind }: BookedDevice): number {
    return this.#neededBytes(modelId, kind, this.mostBatchBytes(modelId, kind, 1))
  }

  /** Less is not enough. */
  leastNeededBytes(modelId: string, { kind }: BookedDevice): number {
    return this.#neededBytes(modelId, kind, this.leastBatchBytes(modelId, kind))
  }

  #neededBytes(modelId: string, kind: string, batchBytes: number): number {
    if (this.#modelOf(modelId).vramBytes === 0) return 0
    const { mostLoadingBytes } = this.#seenOf(modelId, kind)
    const restBytes = this.#mostRestBytes(modelId, kind)
    return Math.max(mostLoadingBytes, restBytes + batchBytes)
  }

  /** The least that one item may need: what one did, or its share of the smallest batch that was seen. */
  leastBatchBytes(modelId: string, kind: string): number {
    const { batches } = this.#seenOf(modelId, kind)
    const smallest = batches.get(Math.min(...batches.keys()))
    if (!smallest || batches.has(1)) return this.mostBatchBytes(modelId, kind, 1)
    const { mostBytes, mostCount, leastCount } = smallest
    return Math.max(this.#modelOf(modelId).batch.activationBytes, mostBytes / (mostCount || leastCount))
  }

  mostBatchBytes(modelId: string, kind: string, itemCount: number): number {
    const { batches } = this.#seenOf(modelId, kind)
    const own = batches.get(bucketOf(itemCount))
    if (own && own.count >= enoughCount) return scaled(own, itemCount)
    let most = itemCount * this.#modelOf(modelId).batch.activationBytes
    for (const each of batches.values()) most = Math.max(most, scaled(each, itemCount))
    return most
  }

  loadSeen({ modelId }: BookedInstance, kind: string, bytes: number): void {
    const seen = this.#seenOf(modelId, kind)
    seen.mostLoadingBytes = Math.max(seen.mostLoadingBytes, bytes)
  }

  /** An instance that has not run yet: it will hold no less when it has. */
  freshSeen({ modelId }: BookedInstance, kind: string, bytes: number): void {
    const seen = this.#seenOf(modelId, kind)
    seen.restBytes = Math.max(seen.restBytes, bytes)
    seen.mostRestBytes = Math.max(seen.mostRestBytes, bytes)
  }

  restSeen({ modelId }: BookedInstance, kind: string | null, bytes: number, isFirst: boolean): void {
    if (kind === null) return
    const seen = this.#seenOf(modelId, kind)
    if (isFirst) seen.instanceCount++
    seen.restBytes = Math.max(seen.restBytes, bytes)
    seen.mostRestBytes = Math.max(seen.mostRestBytes, bytes)
  }

  /** An instance goes: an estimate that was higher may come down to what it held, or to
   * what it held before it leaked. */
  left({ modelId, mostRestBytes, settledBytes, growthCount }: BookedInstance, kind: string | null): void {
    if (kind === null || mostRestBytes === null) return
    const seen = this.#seenOf(modelId, kind)
    seen.restBytes = Math.min(seen.restBytes, mostRestBytes)
    if (growthCount < leakCount || settledBytes === null) return
    seen.restBytes = Math.min(seen.restBytes, settledBytes)
    seen.mostRestBytes = Math.min(seen.mostRestBytes, settledBytes)
  }

  /** A batch that was alone on its instance has ended. */
  batchSeen(batch: BookedBatch, kind: string | null, event: BatchFinished): void {
    if (kind === null) return
    const { instance, itemCount } = batch
    const { batches } = this.#seenOf(instance.modelId, kind)
    const sureBytes = peakOf(instance, event)
    const { mostRunningBytes, mostRestBytes } = instance
    const isRead = mostRunningBytes !== null && mostRestBytes !== null
    const readBytes = isRead ? mostRunningBytes - mostRestBytes : 0
    if (sureBytes === null && readBytes <= 0) return
    // One that ran out of memory needed more than it held, and a reading may miss the
    // peak: only more than was known tells something of so many items.
    const bytes = sureBytes ?? readBytes
    const isSure = sureBytes !== null && !event.isOutOfMemory
    const isTold = isSure || bytes > this.mostBatchBytes(instance.modelId, kind, itemCount)
    const size = bucketOf(itemCount)
    const seen = batches.get(size) ?? {
      count: 0,
      lastBytes: 0,
      mostBytes: 0,
      mostCount: 0,
      leastCount: itemCount,
    }
    batches.set(size, seen)
    if (isTold) seen.mostCount = Math.max(seen.mostCount, itemCount)
    seen.leastCount = Math.min(seen.leastCount, itemCount)
    seen.mostBytes = Math.max(seen.mostBytes, bytes)
    if (sureBytes === null) return
    const leastBytes = event.held ? this.#beyondRest(instance.modelId, kind, event.held) : sureBytes
    if (event.isOutOfMemory) {
      // Nothing new, if so much was booked for it.
      if (leastBytes > batch.bytes) seen.lastBytes = Math.max(seen.lastBytes, leastBytes)
    } else {
      seen.count++
      seen.lastBytes = leastBytes
    }
  }

  /** Of a batch that was measured: beyond the most that may be booked for instances at rest. */
  #beyondRest(modelId: string, kind: string, held: { peakBytes: number; afterBytes: number }): number {
    const { mostRestBytes } = this.#seenOf(modelId, kind)
    return Math.max(0, held.peakBytes - Math.max(held.afterBytes, mostRestBytes))
  }

  #leastRestBytes(modelId: string, kind: string): number {
    const { isSized, vramBytes } = this.#modelOf(modelId)
    const { instanceCount, restBytes } = this.#seenOf(modelId, kind)
    return isSized && instanceCount < enoughCount ? Math.max(vramBytes, restBytes) : restBytes
  }

  #mostRestBytes(modelId: string, kind: string): number {
    const { isSized, vramBytes } = this.#modelOf(modelId)
    const { instanceCount, mostRestBytes } = this.#seenOf(modelId, kind)
    const declared = isSized && instanceCount < enoughCount ? vramBytes : 1
    return Math.max(declared, Math.ceil(mostRestBytes * marginRatio))
  }

  #checkSize(name: string, bytes: number, least: number, most: number): void {
    this.#check(
      bytes >= least && bytes <= most,
      () => `${name} books ${bytes} bytes; it must be ${least} to ${most}`,
    )
  }

  #seenOf(modelId: string, kind: string): Seen {
    const key = keyOf(modelId, kind)
    let seen = this.#seen.get(key)
    if (!seen) {
      seen = { instanceCount: 0, restBytes: 0, mostRestBytes: 0, mostLoadingBytes: 0, batches: new Map() }
      this.#seen.set(key, seen)
    }
    return seen
  }

  #modelOf(modelId: string) {
    return this.#context.world.models.find(({ id }) => id === modelId)!
  }

  #check(holds: boolean, sentence: () => string): void {
    this.#context.check(holds, sentence)
  }
}

export function keyOf(modelId: string, kind: string | null): string {
  return `${modelId} ${kind}`
}

/** More items than were seen need more. */
function scaled({ mostBytes, mostCount, leastCount }: SeenBatches, itemCount: number): number {
  return Math.ceil(mostBytes * Math.max(1, itemCount / (mostCount || leastCount)))
}

/** What a batch held beside its instance, where that is sure: measured around it, or as
 * its worker says; null: it is not. */
function peakOf(
  instance: BookedInstance,
  { held, peakBytes, residentBytes = null }: BatchFinished,
): number | null {
  const { reportedBytes, freshBytes, restBytes } = instance
  if (held) return Math.max(0, held.peakBytes - held.afterBytes)
  if (peakBytes === null || reportedBytes === null) return null
  const grownBytes = freshBytes === null ? 0 : Math.max(0, restBytes! - freshBytes)
  return Math.max(0, peakBytes - (residentBytes ?? reportedBytes + grownBytes))
}

function bucketOf(itemCount: number): number {
  let size = 1
  while (size < itemCount) size *= 2
  return size
}
