// A binary heap: the entry that is first by a given order comes out first. Entries that are equal come out in
// no fixed order; a caller that needs one compares further.

export class Heap<T> {
  readonly #isBefore: (a: T, b: T) => boolean
  readonly #entries: T[] = []

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore
  }

  get first(): T | null {
    return this.#entries[0] ?? null
  }

  add(entry: T): void {
    const entries = this.#entries
    let index = entries.length
    entries.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#isBefore(entry, entries[parent]!)) break
      entries[index] = entries[parent]!
      index = parent
    }
    entries[index] = entry
  }

  /** null: it is empty. */
  take(): T | null {
    const entries = this.#entries
    const first = entries[0] ?? null
    const last = entries.pop()
    if (first === null || last === undefined || entries.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && this.#isBefore(entries[child + 1]!, entries[child]!)) child++
      if (!this.#isBefore(entries[child]!, last)) break
      entries[index] = entries[child]!
      index = child
    }
    entries[index] = last
    return first
  }
}
