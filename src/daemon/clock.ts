// Time as an argument: the daemon asks this object, the simulation brings another. A machine has two clocks:
// the wall clock, which people and NTP set, by hours if need be, and a steady one that only counts. The
// daemon's time is the wall clock's at its start and counts steadily from there: a wall clock that is set
// while it runs ends no lease, makes nothing overdue and stretches no pause. It does not start before the
// latest moment that the store knows, so that time never goes back over a store either: a retry that is due
// in a second is not put off by the hours that a clock was set back between two runs.

export interface Clock {
  /** Milliseconds since 1970, whole; never less than before. */
  nowMs(): number
  /** Calls back once after `ms`; the answer cancels it. */
  after(ms: number, callback: () => void): () => void
}

export interface MachineClock {
  /** Milliseconds since 1970, as the machine believes now. */
  wallMs(): number
  /** Milliseconds since some moment; nobody sets it. */
  steadyMs(): number
  /** As in `Clock`, by the steady clock. */
  after(ms: number, callback: () => void): () => void
}

export const machineClock: MachineClock = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, ms), 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

/** `notBeforeMs`: the latest moment that is known from before, ms since 1970. */
export function startClock(machine: MachineClock, notBeforeMs = 0): Clock {
  const startMs = Math.max(machine.wallMs(), notBeforeMs) - machine.steadyMs()
  return {
    nowMs: () => Math.floor(startMs + machine.steadyMs()),
    after: machine.after,
  }
}

/** Resolves with the task, or when the time is over. */
export async function within(clock: Clock, ms: number, task: Promise<unknown>): Promise<void> {
  let cancel = () => {}
  const limit = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve)
  })
  await Promise.race([task, limit]).finally(cancel)
}

/** Waits that can all be ended at once, when nobody has an interest in them any longer. */
export class Waits {
  readonly #clock: Clock
  readonly #ends = new Set<() => void>()
  #areOver = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get areOver(): boolean {
    return this.#areOver
  }

  /** Resolves with the task, when the time is over, or when all waits are. The task must not reject. */
  within(ms: number, task?: Promise<unknown>): Promise<void> {
    if (this.#areOver) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        this.#ends.delete(end)
        resolve()
      }
      const cancel = this.#clock.after(ms, end)
      this.#ends.add(end)
      task?.then(end)
    })
  }

  endAll(): void {
    this.#areOver = true
    for (const end of [...this.#ends]) end()
  }
}
