// New rows of one table, written sixteen with a statement: a call of a statement costs as much as half a row.
import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Chosen: with 64 the rest of a call of few rows goes one by one, and nothing is gained. */
const manyCount = 16

type Value = string | number | null

export class SqliteWriter {
  readonly #one: StatementSync
  readonly #many: StatementSync
  #rows: Value[][] = []

  /** `otherwise`: what becomes of a row that is there already. */
  constructor(db: DatabaseSync, table: string, columns: readonly string[], otherwise = '') {
    const row = `(${columns.map(() => '?')})`
    const statement = (count: number) =>
      db.prepare(`INSERT INTO ${table} (${columns}) VALUES ${Array(count).fill(row)} ${otherwise}`)
    this.#one = statement(1)
    this.#many = statement(manyCount)
  }

  add(row: Value[]): void {
    this.#rows.push(row)
  }

  /** What waits is not written. */
  clear(): void {
    this.#rows = []
  }

  flush(): void {
    const rows = this.#rows
    let index = 0
    for (; index + manyCount <= rows.length; index += manyCount)
      this.#many.run(...rows.slice(index, index + manyCount).flat())
    for (; index < rows.length; index++) this.#one.run(...rows[index]!)
    this.#rows = []
  }
}
