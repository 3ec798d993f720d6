// A forecast costs some milliseconds, and many may ask for it at once. So one is made now and then, stands
// for a while, and counts down meanwhile.

/** A forecast stands for so long, and for this many times as long as it took to make, ms. Chosen, not
 * measured. */
const standsMs = 3000
const standsShare = 50

export class Countdown {
  readonly #nowMs: () => number
  readonly #forecast: () => Promise<number | null>
  /** When it ends by the last forecast; null: nothing is left, or it is not known. */
  #endsAtMs: number | null = null
  #standsUntilMs = Number.NEGATIVE_INFINITY
  #making: Promise<void> | null = null

  /** `forecast`: how long the rest takes from now, ms. */
  constructor(nowMs: () => number, forecast: () => Promise<number | null>) {
    this.#nowMs = nowMs
    this.#forecast = forecast
  }

  async restMs(): Promise<number | null> {
    if (this.#nowMs() >= this.#standsUntilMs) {
      this.#making ??= this.#make().finally(() => {
        this.#making = null
      })
      await this.#making
    }
    return this.#endsAtMs === null ? null : Math.max(0, this.#endsAtMs - this.#nowMs())
  }

  async #make(): Promise<void> {
    const startedAtMs = this.#nowMs()
    const restMs = await this.#forecast()
    const tookMs = this.#nowMs() - startedAtMs
    this.#endsAtMs = restMs === null ? null : startedAtMs + restMs
    // What is not known now may be in a moment.
    this.#standsUntilMs = startedAtMs + Math.max(restMs === null ? 0 : standsMs, standsShare * tookMs)
  }
}
