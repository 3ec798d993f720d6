// One life of the daemon's process, from its start to its end or to kill -9. Everything
// that the daemon does to the world passes through `act`, so that it can be killed
// between any two effects: from then on nothing that it does happens and nothing that it
// waits for comes. Its promises are left where they are, as in a process that is gone.
import type { MachineClock } from '../../../src/daemon/clock.ts'
import type { Context } from './context.ts'

export class Life {
  readonly number: number
  /** Resolves when it has been killed. */
  readonly killed: Promise<void>
  isOver = false
  readonly clock: MachineClock
  readonly #context: Context
  readonly #timers = new Set<() => void>()
  #onEnd: () => void = () => {}

  constructor(number: number, context: Context) {
    this.number = number
    this.#context = context
    this.killed = new Promise((resolve) => {
      this.#onEnd = resolve
    })
    this.clock = {
      wallMs: () => context.agenda.wallMs,
      steadyMs: () => context.agenda.nowMs,
      after: (ms, callback) => this.after(ms, callback),
    }
  }

  get timerCount(): number {
    return this.#timers.size
  }

  /** Asked before each effect. False: the process is gone, and it does not happen. */
  act(effect: string): boolean {
    if (this.isOver) return false
    if (!this.#context.faults.strikes('kill')) return true
    this.#context.log('kill', `before ${effect}`)
    this.end()
    return false
  }

  /** Whatever the reason: from here on it does nothing. */
  end(): void {
    if (this.isOver) return
    this.isOver = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#onEnd()
  }

  /** Something that the world tells it later; a dead process hears nothing. The answer takes it back. */
  deliver(ms: number, tell: () => void): () => void {
    return this.#context.agenda.after(ms, () => {
      if (!this.isOver) tell()
    })
  }

  after(ms: number, callback: () => void): () => void {
    if (!this.act('timer')) return () => {}
    const cancel = this.#context.agenda.after(Math.max(1, ms), () => {
      this.#timers.delete(cancel)
      callback()
    })
    this.#timers.add(cancel)
    return () => {
      cancel()
      this.#timers.delete(cancel)
    }
  }
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise(() => {})
}
