// What is known of the scheduler from a snapshot and the events after it. Beside the
// daemon's state a second one lives: it is restored from a snapshot now and then, as a
// reader of the journal does, is given every event, and asked for every decision. Two rules:
//
//  (1) It decides as the daemon did.
//  (2) Its own snapshot is that of the daemon's state.
import { isDeepStrictEqual } from 'node:util'
import { decide } from '../../../src/core/decide/decide.ts'
import { apply } from '../../../src/core/state/apply.ts'
import type { SchedulerEvent } from '../../../src/core/state/events.ts'
import { restoreState, type Snapshot, snapshotOf } from '../../../src/core/state/snapshot.ts'
import type { State } from '../../../src/core/state/state.ts'
import type { Context } from '../world/context.ts'

/** Events between two snapshots: no multiple of anything that comes in turns. */
const everyCount = 37

/** In one of so many seeds: a second state costs as much as the first. */
const everySeed = 3

export class SnapshotChecks {
  readonly #context: Context
  #second: State | null = null
  #count = 0

  constructor(context: Context) {
    this.#context = context
  }

  /** Before the daemon applies it; `state` has all earlier ones. */
  event(event: SchedulerEvent, state: State): void {
    if (this.#context.seed % everySeed !== 0) return
    if (this.#count++ % everyCount === 0) this.#restore(state)
    const second = this.#second!
    if (event.type === 'command-issued' && event.command.reason.rule !== 'shutdown') {
      const { command } = decide(second, event.atMs)
      this.#context.check(
        isDeepStrictEqual(plain(command), plain(event.command)),
        () => `from a snapshot it decides ${JSON.stringify(command)}`,
      )
    }
    apply(second, event)
  }

  #restore(state: State): void {
    const text = textOf(state)
    if (this.#second) {
      const secondText = textOf(this.#second)
      this.#context.check(secondText === text, () => `from a snapshot ${difference(secondText, text)}`)
    }
    this.#second = restoreState(JSON.parse(text) as Snapshot)
  }
}

function textOf(state: State): string {
  return JSON.stringify(snapshotOf(state))
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** Where two texts part. */
function difference(text: string, other: string): string {
  let at = 0
  while (at < text.length && text[at] === other[at]) at++
  const around = (each: string) => each.slice(Math.max(0, at - 60), at + 40)
  return `it is ${around(text)}, and the daemon's is ${around(other)}`
}
