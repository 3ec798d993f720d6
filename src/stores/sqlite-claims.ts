// Who holds which items. A claim is one row that names its items; in the file theirs go on saying `ready`. The owner keeps
// the rows of leased items in memory from the claim to the end of the lease, by their token: a result needs no look-up.
import type { ItemId } from '../core/work-item.ts'
import type { Queries } from './sqlite-queries.ts'
import type { ItemRow } from './sqlite-rows.ts'

export interface LiveClaim {
  readonly token: string
  readonly atMs: number
  untilMs: number
  readonly byId: Map<ItemId, ItemRow>
  readonly bySeq: Map<number, ItemRow>
  /** An item was taken from it: cancelled, or its lease ended. */
  isBroken: boolean
}

export class SqliteClaims {
  readonly #query: Queries
  /** Few: as many as instances run. A list, and maps that end with their claim, for the reason that `SqliteItems.forget` has. */
  #claims: LiveClaim[] = []
  #changed = new Set<LiveClaim>()

  constructor(query: Queries) {
    this.#query = query
  }

  clear(): void {
    this.#claims = []
    this.#changed = new Set()
  }

  /** In the order of their queues. */
  leased(): { row: ItemRow; claim: LiveClaim }[] {
    const leased = this.#claims.flatMap((claim) =>
      Array.from(claim.bySeq.values(), (row) => ({ row, claim })),
    )
    return leased.sort((a, b) => a.row.turn! - b.row.turn!)
  }

  /** The row of an item that is leased. */
  rowOf(seq: number): ItemRow | undefined {
    return this.#holderOf(seq)?.bySeq.get(seq)
  }

  #holderOf(seq: number): LiveClaim | undefined {
    return this.#claims.find(({ bySeq }) => bySeq.has(seq))
  }

  of(token: string): LiveClaim | undefined {
    return this.#claims.find((claim) => claim.token === token)
  }

  /** Leases rows together. */
  hold(rows: readonly ItemRow[], token: string, untilMs: number, atMs: number): void {
    if (rows.length === 0) return
    const byId = new Map(rows.map((row) => [row.id!, row]))
    const bySeq = new Map(rows.map((row) => [row.seq, row]))
    const claim = { token, atMs, untilMs, byId, bySeq, isBroken: false }
    this.#claims.push(claim)
    this.#changed.add(claim)
  }

  prolong(claim: LiveClaim, untilMs: number): void {
    claim.untilMs = untilMs
    this.#changed.add(claim)
  }

  /** A row that is leased no more. `isOurs`: the holder of the token ended it. */
  let(row: ItemRow, isOurs: boolean): void {
    const claim = this.#holderOf(row.seq)!
    this.#changed.add(claim)
    claim.byId.delete(row.id!)
    claim.bySeq.delete(row.seq)
    if (!isOurs) claim.isBroken = true
    if (claim.bySeq.size === 0) this.#claims = this.#claims.filter((each) => each !== claim)
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
