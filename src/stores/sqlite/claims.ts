// The claims of a SQLite store. A claim is one row that names its items; the rows of the items go on saying
// `ready`. The owner keeps the rows of leased items in memory, by the token of their claim, from the claim to
// the end of the lease: a result needs no look-up.
import { all, type Queries } from './queries.ts'
import type { ItemRow, LiveClaim } from './rows.ts'

/** As the file has it. */
export interface StoredClaim {
  token: string
  at: number
  until: number
  /** Seqs, as JSON. */
  items: string
}

export class Claims {
  readonly #query: Queries
  /** As many as batches run. A list, and maps that go with their claim: see `LiveRows.forget`. */
  #claims: LiveClaim[] = []
  #changed = new Set<LiveClaim>()
  #opening = 0
  #lastNumber = 0

  constructor(query: Queries) {
    this.#query = query
  }

  /** Counts the openings of the file: a token of an earlier process never matches. */
  open(): void {
    this.#opening = Number(this.#query.open.run().lastInsertRowid)
  }

  /** Begins anew with what is in the file. */
  reload(rowsOf: (claim: StoredClaim) => ItemRow[]): void {
    this.#claims = []
    for (const claim of all<StoredClaim>(this.#query.claims)) this.#keep(rowsOf(claim), claim)
    this.#changed = new Set()
  }

  all(): readonly LiveClaim[] {
    return this.#claims
  }

  /** The items that are held, in the order of their queues; of some claims only. */
  held(isMeant: (claim: LiveClaim) => boolean = () => true): ItemRow[] {
    const rows = this.#claims.filter(isMeant).flatMap(({ bySequence }) => [...bySequence.values()])
    return rows.sort((a, b) => a.turn! - b.turn!)
  }

  /** The row of an item that is leased. */
  rowOf(sequence: number): ItemRow | undefined {
    return this.#claims.find(({ bySequence }) => bySequence.has(sequence))?.bySequence.get(sequence)
  }

  of(token: string): LiveClaim | undefined {
    return this.#claims.find((claim) => claim.token === token)
  }

  /** Holds items together; answers with their token. One that holds nothing is not kept. */
  hold(rows: readonly ItemRow[], untilMs: number, atMs: number): string {
    const token = `${this.#opening}.${++this.#lastNumber}`
    if (rows.length > 0) this.#changed.add(this.#keep(rows, { token, at: atMs, until: untilMs }))
    return token
  }

  #keep(rows: readonly ItemRow[], { token, at, until }: Omit<StoredClaim, 'items'>): LiveClaim {
    const byId: LiveClaim['byId'] = new Map()
    const bySequence: LiveClaim['bySequence'] = new Map()
    const claim = { token, atMs: at, untilMs: until, byId, bySequence, isBroken: false }
    for (const row of rows) {
      row.claim = claim
      byId.set(row.id!, row)
      bySequence.set(row.sequence, row)
    }
    this.#claims.push(claim)
    return claim
  }

  prolong(claim: LiveClaim, untilMs: number): void {
    claim.untilMs = untilMs
    this.#changed.add(claim)
  }

  /** An item that is held no more. */
  release(row: ItemRow): void {
    const claim = row.claim!
    row.claim = null
    claim.byId.delete(row.id!)
    claim.bySequence.delete(row.sequence)
    if (claim.bySequence.size === 0) this.#claims = this.#claims.filter((each) => each !== claim)
    this.#changed.add(claim)
  }

  get isClean(): boolean {
    return this.#changed.size === 0
  }

  flush(): void {
    for (const { token, atMs, untilMs, bySequence } of this.#changed) {
      if (bySequence.size === 0) this.#query.dropClaim.run(token)
      else this.#query.setClaim.run(token, atMs, untilMs, JSON.stringify([...bySequence.keys()]))
    }
    this.#changed = new Set()
  }
}
