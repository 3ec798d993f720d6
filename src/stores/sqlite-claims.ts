// Who holds which items. A claim is one row that names its items; in the file theirs go on saying `ready`. The owner keeps
// the rows of leased items in memory from the claim to the end of the lease, by their token: a result needs no look-up.
import type { ItemId } from '../core/work-item.ts'
import type { ItemRow, Queries } from './sqlite-rows.ts'

export interface LiveClaim {
  readonly token: string
  readonly atMs: number
  untilMs: number
  readonly rows: Map<ItemId, ItemRow>
  /** An item was taken from it: cancelled, or its lease ended. */
  isBroken: boolean
}

interface Leased {
  row: ItemRow
  claim: LiveClaim
}

export class SqliteClaims {
  readonly #query: Queries
  readonly #leased = new Map<number, Leased>()
  readonly #claims = new Map<string, LiveClaim>()
  readonly #changed = new Set<LiveClaim>()

  constructor(query: Queries) {
    this.#query = query
  }

  clear(): void {
    for (const each of [this.#leased, this.#claims, this.#changed]) each.clear()
  }

  /** In the order of their queues. */
  leased(): Leased[] {
    return [...this.#leased.values()].sort((a, b) => a.row.turn! - b.row.turn!)
  }

  rowOf(seq: number): ItemRow | undefined {
    return this.#leased.get(seq)?.row
  }

  isLeased(seq: number): boolean {
    return this.#leased.has(seq)
  }

  of(token: string): LiveClaim | undefined {
    return this.#claims.get(token)
  }

  hold(row: ItemRow, token: string, untilMs: number, atMs: number): void {
    let claim = this.#claims.get(token)
    if (!claim) {
      claim = { token, atMs, untilMs, rows: new Map(), isBroken: false }
      this.#claims.set(token, claim)
      this.#changed.add(claim)
    }
    claim.rows.set(row.id!, row)
    this.#leased.set(row.seq, { row, claim })
  }

  prolong(claim: LiveClaim, untilMs: number): void {
    claim.untilMs = untilMs
    this.#changed.add(claim)
  }

  /** A row that is leased no more. `isOurs`: the holder of the token ended it. */
  let(row: ItemRow, isOurs: boolean): void {
    const { claim } = this.#leased.get(row.seq)!
    this.#leased.delete(row.seq)
    this.#changed.add(claim)
    claim.rows.delete(row.id!)
    if (!isOurs) claim.isBroken = true
    if (claim.rows.size === 0) this.#claims.delete(claim.token)
  }

  get isClean(): boolean {
    return this.#changed.size === 0
  }

  flush(): void {
    for (const { token, atMs, untilMs, rows } of this.#changed) {
      const seqs = Array.from(rows.values(), ({ seq }) => seq)
      if (seqs.length === 0) this.#query.dropClaim.run(token)
      else this.#query.setClaim.run(token, atMs, untilMs, JSON.stringify(seqs))
    }
    this.#changed.clear()
  }
}
