// Memory by permits, for programs that bring their own queue: whoever holds a permit may use so many bytes.
// First come, first served: small requests do not overtake a large one. A request that can never fit is
// refused at once.
//
//   using permit = await vram.acquire('4.5GB', { signal })
/// <reference lib="esnext.disposable" preserve="true" />
import { SchedulerError } from './errors.ts'
import { formatBytes, parseBytes } from './units.ts'
import { VramConfig } from './vram.ts'

/**
 * The right to use so many bytes, until it is released or, with `using`, until its scope ends.
 *
 * @public
 * @example
 * ```ts
 * const vram = new VramSemaphore('16GB')
 * const permit: VramPermit = await vram.acquire('4.5GB')
 * permit.bytes // => 4.5e9
 * permit.release()
 * vram.availableBytes // => 16e9
 * ```
 */
export interface VramPermit extends Disposable {
  /** What may be used. */
  readonly bytes: number
  /** Gives the bytes back. A second call does nothing. */
  release(): void
}

/**
 * An `AbortSignal`, by what is used of it: neither Node's types nor a browser's are needed.
 *
 * @public
 * @example
 * ```ts
 * const signal: AbortSignalLike = AbortSignal.timeout(1000)
 * ```
 */
export interface AbortSignalLike {
  /** The wait was given up. */
  readonly aborted: boolean
  /** Why; it becomes the `cause` of the error. */
  readonly reason?: unknown
  /** As of an `AbortSignal`. Never throws. */
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  /** As of an `AbortSignal`. Never throws. */
  removeEventListener(type: 'abort', listener: () => void): void
}

interface Waiter {
  bytes: number
  grant: () => void
}

/** Fewer bytes are taken for a number of GB that lacks its unit, where there is that much memory: 4.5 of
 * 16 GB would hold 5 bytes, and all models would run at once. Chosen. */
const meantBytes = 1000
const meantOfBytes = 1e6

/**
 * Memory by permits, for programs that bring their own order: whoever holds a permit may use so many bytes.
 * First come, first served: small requests do not overtake a large one, and one that can never fit is
 * refused at once. Sizes are text with a unit, or bytes.
 *
 * @public
 * @example
 * ```ts
 * const vram = new VramSemaphore('16GB')
 * async function transcribe(file: string): Promise<string> {
 *   using permit = await vram.acquire('4.5GB')
 *   return `${file} with ${permit.bytes} bytes` // the permit ends here
 * }
 * await transcribe('v1.wav') // => 'v1.wav with 4500000000 bytes'
 * vram.availableBytes // => 16e9
 * await vram.acquire('17GB') // rejects NEVER_FITS
 * ```
 */
export class VramSemaphore {
  /** All that is given out. */
  readonly totalBytes: number
  #availableBytes: number
  /** In the order of their requests; those that gave up are taken out. */
  readonly #waiters = new Set<Waiter>()

  /** Of all bytes, or of what a VramConfig lets promise. Throws BAD_VALUE. */
  constructor(total: string | number | VramConfig) {
    this.totalBytes = total instanceof VramConfig ? total.usableBytes : parseBytes(total)
    this.#availableBytes = this.totalBytes
  }

  /** What nobody holds now. */
  get availableBytes(): number {
    return this.#availableBytes
  }

  /** Requests that wait for their turn. */
  get waitingCount(): number {
    return this.#waiters.size
  }

  /** Waits its turn. Rejects with NEVER_FITS, BAD_VALUE, or ABORTED when the signal comes first.
   *
   * @param size - text with a unit, such as `'4.5GB'`, or bytes
   * @param options - a signal that gives the request up */
  async acquire(size: string | number, { signal }: { signal?: AbortSignalLike } = {}): Promise<VramPermit> {
    const bytes = this.#bytesOf(size)
    if (signal?.aborted) throw aborted(bytes, signal)
    return this.#isFree(bytes) ? this.#grant(bytes) : this.#wait(bytes, signal)
  }

  /** A permit now, or null. Does not overtake those who wait. Throws NEVER_FITS, BAD_VALUE.
   *
   * @param size - text with a unit, such as `'4.5GB'`, or bytes */
  tryAcquire(size: string | number): VramPermit | null {
    const bytes = this.#bytesOf(size)
    return this.#isFree(bytes) ? this.#grant(bytes) : null
  }

  #isFree(bytes: number): boolean {
    return this.#waiters.size === 0 && bytes <= this.#availableBytes
  }

  #bytesOf(size: string | number): number {
    const bytes = parseBytes(size)
    if (bytes > this.totalBytes) {
      throw new SchedulerError(
        'NEVER_FITS',
        `${formatBytes(bytes)} were asked for; there are ${formatBytes(this.totalBytes)} in all. Ask for less.`,
        { neededBytes: bytes, offeredBytes: this.totalBytes },
      )
    }
    if (typeof size === 'number' && bytes > 0 && bytes < meantBytes && this.totalBytes >= meantOfBytes) {
      throw new SchedulerError(
        'BAD_VALUE',
        `${size} are ${bytes} bytes of ${formatBytes(this.totalBytes)}: numbers count bytes. Write '${size}GB' for gigabytes.`,
        { size },
      )
    }
    return bytes
  }

  #wait(bytes: number, signal: AbortSignalLike | undefined): Promise<VramPermit> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#waiters.delete(waiter)
        reject(aborted(bytes, signal!))
        this.#serve() // who stood behind it may be next
      }
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', giveUp)
          resolve(this.#grant(bytes))
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  #grant(bytes: number): VramPermit {
    this.#availableBytes -= bytes
    let isHeld = true
    const release = () => {
      if (!isHeld) return
      isHeld = false
      this.#availableBytes += bytes
      this.#serve()
    }
    return { bytes, release, [Symbol.dispose]: release }
  }

  /** Grants permits in the order of the requests, until one does not fit. */
  #serve(): void {
    for (const waiter of this.#waiters) {
      if (waiter.bytes > this.#availableBytes) return
      this.#waiters.delete(waiter)
      waiter.grant()
    }
  }
}

function aborted(bytes: number, signal: AbortSignalLike): SchedulerError {
  return new SchedulerError(
    'ABORTED',
    `The request for ${formatBytes(bytes)} was given up before its turn.`,
    { bytes },
    signal.reason,
  )
}
