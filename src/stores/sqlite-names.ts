// Models and steps by number: the owner's copy of the table `name`. Few, and never taken away.
import type { Counts, Group } from './counts.ts'
import { all, type Queries } from './sqlite-rows.ts'

export class SqliteNames {
  readonly #query: Queries
  readonly #counts: Counts
  readonly #numbers = new Map<string, number>()
  #texts: string[] = []
  /** By the model's number, then by the step's (0: no step). */
  #groups: Group[][] = []

  constructor(query: Queries, counts: Counts) {
    this.#query = query
    this.#counts = counts
  }

  /** After an opening, and after a transaction that was undone. */
  reload(): void {
    this.#numbers.clear()
    this.#texts = []
    this.#groups = []
    for (const { number, text } of all<{ number: number; text: string }>(this.#query.names))
      this.#keep(number, text)
  }

  /** 0: nothing is called so. */
  find(text: string): number {
    return this.#numbers.get(text) ?? 0
  }

  /** A new name is written. */
  numberOf(text: string): number {
    const known = this.find(text)
    if (known > 0) return known
    const number = Number(this.#query.addName.run(text).lastInsertRowid)
    this.#keep(number, text)
    return number
  }

  #keep(number: number, text: string): void {
    this.#numbers.set(text, number)
    this.#texts[number] = text
    this.#groups[number] = []
  }

  /** What items of a model and step are counted in. */
  groupOf(model: number, step: number | null): Group {
    const ofModel = this.#groups[model]!
    const known = ofModel[step ?? 0]
    if (known) return known
    const group = this.#counts.group(this.#texts[model]!, step === null ? null : this.#texts[step]!)
    ofModel[step ?? 0] = group
    return group
  }
}
