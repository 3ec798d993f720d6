// The ready items of one model that must have ended by a moment: what is urgent, and what is late. Only items with a
// deadline are here, so a queue without one pays nothing.
import { Heap } from '../core/heap.ts'
import type { Level } from './sqlite-level.ts'

interface Due {
  readonly atMs: number
  readonly turn: number
  readonly seq: number
  readonly level: Level
  isGone: boolean
}

export class SqliteDue {
  /** Also some that have gone: those are left out when they come up. */
  readonly #heap = new Heap<Due>(isBefore)
  readonly #bySeq = new Map<number, Due>()

  get isEmpty(): boolean {
    return this.#bySeq.size === 0
  }

  /** The earliest deadline ahead, ms; null: there is none. */
  get latestEndAtMs(): number | null {
    return this.#first()?.atMs ?? null
  }

  #first(): Due | null {
    for (let due = this.#heap.first; due !== null; due = this.#heap.first) {
      if (!due.isGone) return due
      this.#heap.take()
    }
    return null
  }

  add(level: Level, seq: number, turn: number, atMs: number): void {
    const due = { atMs, turn, seq, level, isGone: false }
    this.#heap.add(due)
    this.#bySeq.set(seq, due)
  }

  /** One that waits no more, or that has no deadline ahead. */
  remove(seq: number): void {
    const due = this.#bySeq.get(seq)
    if (!due) return
    due.isGone = true
    this.#bySeq.delete(seq)
  }

  /** Takes the earliest out of its level, if it must have ended by then; else null. */
  shift(untilMs: number): number | null {
    const due = this.#first()
    if (due === null || due.atMs > untilMs) return null
    this.remove(due.seq)
    due.level.removeTurn(due.turn)
    return due.seq
  }

  /** Items that must have ended by now are late: they are ordinary from here on. */
  dropLate(nowMs: number): void {
    for (let due = this.#first(); due !== null && due.atMs <= nowMs; due = this.#first()) this.remove(due.seq)
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.turn < b.turn)
}
