// Writes new rows of one table, sixteen with a statement: to call a statement costs as much as half a row.
import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Chosen: with 64 the rest of a call of few rows goes one by one, and nothing is gained. */
const manyCount = 16

type Value = string | number | null

export class Writer {
  readonly #one: StatementSync
  readonly #many: StatementSync
  readonly #width: number
  #values: Value[] = []

  /** `into`: how the statement begins. `otherwise`: what becomes of a row that is there already. */
  constructor(db: DatabaseSync, into: string, columns: readonly string[], otherwise = '') {
    const row = `(${columns.map(() => '?')})`
    const statement = (count: number) =>
      db.prepare(`${into} (${columns}) VALUES ${Array(count).fill(row)} ${otherwise}`)
    this.#one = statement(1)
    this.#many = statement(manyCount)
    this.#width = columns.length
  }

  /** A value for each column. */
  add(row: readonly Value[]): void {
    this.#values.push(...row)
  }

  /** What waits is not written. */
  clear(): void {
    this.#values = []
  }

  flush(): void {
    const values = this.#values
    const step = manyCount * this.#width
    let at = 0
    for (; at + step <= values.length; at += step) this.#many.run(...values.slice(at, at + step))
    for (; at < values.length; at += this.#width) this.#one.run(...values.slice(at, at + this.#width))
    this.#values = []
  }
}
