// Who holds which items. A claim is one row that names its items; in the file theirs go on saying `ready`. The owner keeps
// the rows of leased items in memory from the claim to the end of the lease, by their token: a result needs no look-up.
import type { ItemId } from '../../core/work/item.ts'
import { all, type Queries } from './queries.ts'
import type { ItemRow } from './rows.ts'

export interface LiveClaim {
  readonly token: string
  readonly atMs: number
  untilMs: number
  readonly byId: Map<ItemId, ItemRow>
  readonly bySeq: Map<number, ItemRow>
  /** An item was taken from it: cancelled, or its lease ended. */
  isBroken: boolean
}

/** As the file has it. */
export interface StoredClaim {
  token: string
  at: number
  until: number
  /** Seqs, as JSON. */
  items: string
}

export class SqliteClaims {
  readonly #query: Queries
  /** As many as batches run. A list, and maps that go with their claim: see `SqliteItems.forget`. */
  #claims: LiveClaim[] = []
  #changed = new Set<LiveClaim>()

  constructor(query: Queries) {
    this.#query = query
  }

  /** Begins anew with what is in the file. */
  reload(rowsOf: (claim: StoredClaim) => ItemRow[]): void {
    this.#claims = []
    for (const claim of all<StoredClaim>(this.#query.claims))
      this.hold(rowsOf(claim), claim.token, claim.until, claim.at)
    this.#changed = new Set()
  }

  /** In the order of their queues. */
  leased(): ItemRow[] {
    return this.#claims.flatMap(({ bySeq }) => [...bySeq.values()]).sort((a, b) => a.turn! - b.turn!)
  }

  /** The row of an item that is leased. */
  rowOf(seq: number): ItemRow | undefined {
    return this.#claims.find(({ bySeq }) => bySeq.has(seq))?.bySeq.get(seq)
  }

  of(token: string): LiveClaim | undefined {
    return this.#claims.find((claim) => claim.token === token)
  }

  /** Leases rows together. */
  hold(rows: readonly ItemRow[], token: string, untilMs: number, atMs: number): void {
    if (rows.length === 0) return
    const claim: LiveClaim = { token, atMs, untilMs, byId: new Map(), bySeq: new Map(), isBroken: false }
    for (const row of rows) {
      row.claim = claim
      claim.byId.set(row.id!, row)
      claim.bySeq.set(row.seq, row)
    }
    this.#claims.push(claim)
    this.#changed.add(claim)
  }

  prolong(claim: LiveClaim, untilMs: number): void {
    claim.untilMs = untilMs
    this.#changed.add(claim)
  }

  /** A row that is leased no more. `isOurs`: the holder of the token ended it. */
  let(row: ItemRow, isOurs: boolean): void {
    const claim = row.claim!
    row.claim = null
    claim.byId.delete(row.id!)
    claim.bySeq.delete(row.seq)
    if (!isOurs) claim.isBroken = true
    if (claim.bySeq.size === 0) this.#claims = this.#claims.filter((each) => each !== claim)
    this.#changed.add(claim)
  }

  get isClean(): boolean {
    return this.#changed.size === 0
  }

  flush(): void {
    for (const { token, atMs, untilMs, bySeq } of this.#changed) {
      if (bySeq.size === 0) this.#query.dropClaim.run(token)
      else this.#query.setClaim.run(token, atMs, untilMs, JSON.stringify([...bySeq.keys()]))
    }
    this.#changed = new Set()
  }
}
