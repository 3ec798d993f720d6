// The rows that an operation touches, in memory: changed as often as it likes and written once, at its end or before a
// query must see them. An item that is submitted and at once ready is one insert; one that waits for three is one update.
//
//   row in memory ──▶ changed ──▶ flush: insert (new), update of all (changed), update of `open` (only that changed)
//
// Leased rows stay in memory from the claim to the end of the lease, by their token: a result needs no look-up. In the file
// they still say `ready`, and their claim's row names them. There is one row object for an item at any time; whoever changes
// it calls `change`.
import type { ItemError } from '../core/errors.ts'
import { hasEnded, type ItemId, itemStates, type NewItem } from '../core/work-item.ts'
import { all, type EdgeRow, first, type ItemRow, json, parse, type Queries } from './sqlite-rows.ts'
import { policies, stateNumber } from './sqlite-schema.ts'

/** An item with its JSON made, so that what JSON cannot say is refused before anything changes. */
export interface ReadyToAdd {
  item: NewItem
  source: string | null
  input: string | null
}

/** Throws BAD_VALUE. */
export function toAdd(item: NewItem): ReadyToAdd {
  const source = json(item.source, `The source of item "${item.id}"`)
  return { item, source, input: json(item.input, `The input of item "${item.id}"`) }
}

export interface LiveClaim {
  token: string
  atMs: number
  untilMs: number
  rows: Map<ItemId, ItemRow>
  /** An item was taken from it: cancelled, or its lease ended. */
  isBroken: boolean
}

export class SqliteItems {
  readonly #query: Queries
  readonly #touched = new Map<number, ItemRow>()
  readonly #new = new Map<ItemId, ItemRow>()
  readonly #inserts = new Map<ItemRow, ReadyToAdd>()
  readonly #changed = new Set<ItemRow>()
  readonly #opened = new Set<ItemRow>()
  readonly #results = new Map<ItemRow, { output: string | null; error: string | null }>()
  readonly #leased = new Map<number, { row: ItemRow; claim: LiveClaim }>()
  readonly #claims = new Map<string, LiveClaim>()
  readonly #changedClaims = new Set<LiveClaim>()

  constructor(query: Queries) {
    this.#query = query
  }

  /** After an opening, and after a transaction that was undone. */
  reload(): void {
    this.#leased.clear()
    this.#claims.clear()
    this.forget()
    for (const claim of all<{ token: string; at: number; until: number; items: string }>(
      this.#query.claims,
    )) {
      for (const seq of JSON.parse(claim.items) as number[]) {
        const row = first<ItemRow>(this.#query.briefBySeq, seq)!
        Object.assign(row, { state: stateNumber.leased, attempt: row.attempt + 1, started_at: claim.at })
        this.hold(row, claim.token, claim.until, claim.at)
      }
    }
    this.#changedClaims.clear()
  }

  forget(): void {
    for (const each of [this.#touched, this.#new, this.#inserts, this.#changed, this.#opened, this.#results])
      each.clear()
    this.#changedClaims.clear()
  }

  /** Nothing waits to be written. */
  get isClean(): boolean {
    return this.#inserts.size + this.#changed.size + this.#opened.size + this.#changedClaims.size === 0
  }

  // ── finding ──

  isKnown(id: ItemId): boolean {
    return this.#new.has(id) || first(this.#query.isKnown, id) !== undefined
  }

  byId(id: ItemId): ItemRow | null {
    const row = this.#new.get(id) ?? first<ItemRow>(this.#query.briefById, id)
    return row ? this.adopt(row) : null
  }

  /** The object that stands for a row just read: the one in memory where there is one. */
  adopt<Row extends ItemRow>(row: Row): ItemRow {
    const held = this.#touched.get(row.seq) ?? this.#leased.get(row.seq)?.row
    if (held) return held
    this.#touched.set(row.seq, row)
    return row
  }

  children(seq: number): { row: ItemRow; policy: number }[] {
    return this.#ends(all<EdgeRow>(this.#query.children, seq))
  }

  parents(seq: number): { row: ItemRow; policy: number }[] {
    return this.#ends(all<EdgeRow>(this.#query.parents, seq))
  }

  #ends(rows: EdgeRow[]): { row: ItemRow; policy: number }[] {
    return rows.map((each) => {
      const row = each.seq === null ? this.#touched.get(each.other)! : this.adopt(each)
      return { row, policy: each.policy }
    })
  }

  /** What a fan-out item made. */
  made(seq: number): ItemRow[] {
    this.flush()
    return all<ItemRow>(this.#query.made, seq).map((row) => this.adopt(row))
  }

  errorOf(row: ItemRow): ItemError | null {
    const pending = this.#results.get(row)
    const text = pending
      ? pending.error
      : first<{ error: string | null }>(this.#query.errorOf, row.seq)!.error
    return parse<ItemError>(text)
  }

  due(nowMs: number): ItemRow[] {
    const rows = all<ItemRow>(this.#query.due, nowMs).map((row) => this.adopt(row))
    return rows.filter(({ state }) => state === stateNumber.scheduled)
  }

  // ── claims ──

  /** In the order of their queues. */
  leased(): { row: ItemRow; claim: LiveClaim }[] {
    return [...this.#leased.values()].sort((a, b) => a.row.turn! - b.row.turn!)
  }

  isLeased(seq: number): boolean {
    return this.#leased.has(seq)
  }

  claimOf(token: string): LiveClaim | undefined {
    return this.#claims.get(token)
  }

  hold(row: ItemRow, token: string, untilMs: number, atMs: number): void {
    const claim = this.#claims.get(token) ?? { token, atMs, untilMs, rows: new Map(), isBroken: false }
    this.#claims.set(token, claim)
    this.#changedClaims.add(claim)
    claim.rows.set(row.id, row)
    this.#leased.set(row.seq, { row, claim })
  }

  prolong(claim: LiveClaim, untilMs: number): void {
    claim.untilMs = untilMs
    this.#changedClaims.add(claim)
  }

  /** A row that is leased no more. `isOurs`: the holder of the token ended it. */
  let(row: ItemRow, isOurs: boolean): void {
    const { claim } = this.#leased.get(row.seq)!
    this.#leased.delete(row.seq)
    this.#touched.set(row.seq, row)
    this.#changedClaims.add(claim)
    claim.rows.delete(row.id)
    if (!isOurs) claim.isBroken = true
    if (claim.rows.size === 0) this.#claims.delete(claim.token)
  }

  // ── changing ──

  add(row: ItemRow, item: ReadyToAdd): void {
    this.#touched.set(row.seq, row)
    this.#new.set(row.id, row)
    this.#inserts.set(row, item)
  }

  /** False: the edge is there already. */
  addEdge(parent: ItemRow, child: ItemRow, place: number, policy: NewItem['dependencies'][number]['policy']) {
    return this.#query.addEdge.run(parent.seq, child.seq, place, policies.indexOf(policy)).changes > 0
  }

  change(row: ItemRow): void {
    if (!this.#inserts.has(row)) this.#changed.add(row)
  }

  changeOpen(row: ItemRow, by: number): void {
    row.open += by
    if (!this.#inserts.has(row)) this.#opened.add(row)
  }

  setResult(row: ItemRow, output: string | null, error: ItemError | null): void {
    this.#results.set(row, { output, error: json(error, `The error of item "${row.id}"`) })
    this.change(row)
  }

  setInput(row: ItemRow, input: string | null): void {
    this.flush()
    this.#query.setInput.run(input, row.seq)
  }

  flush(): void {
    for (const [row, item] of this.#inserts) this.#insert(row, item)
    for (const row of this.#results.keys()) this.#changed.add(row)
    for (const row of this.#changed) this.#update(row)
    for (const row of this.#opened) {
      if (!this.#changed.has(row)) this.#query.changeOpen.run(row.open, row.seq)
    }
    for (const claim of this.#changedClaims) this.#writeClaim(claim)
    for (const each of [this.#new, this.#inserts, this.#changed, this.#opened, this.#results]) each.clear()
    this.#changedClaims.clear()
  }

  #writeClaim({ token, atMs, untilMs, rows }: LiveClaim): void {
    if (rows.size === 0) this.#query.dropClaim.run(token)
    else {
      const seqs = [...rows.values()].map(({ seq }) => seq)
      this.#query.setClaim.run(token, atMs, untilMs, JSON.stringify(seqs))
    }
  }

  #insert(row: ItemRow, { item, source, input }: ReadyToAdd): void {
    const { timeoutMs, deadlineAtMs, sourceId } = item
    this.#query.add.run(
      row.seq, row.id, row.model, row.priority, row.state, row.max_attempts, row.open, row.submitted_at, row.turn,
      row.ready_at, row.ended_at, timeoutMs, deadlineAtMs, row.maker, row.is_expanded, row.step, sourceId, source, input,
    ) // biome-ignore format: one value for each column
  }

  #update(row: ItemRow): void {
    const { seq, state, attempt, open, turn, ready_at, started_at, ended_at, until, is_expanded } = row
    const result = this.#results.get(row)
    if (result) {
      this.#query.setResult.run(
        state, attempt, open, turn, ready_at, started_at, ended_at, until, is_expanded, result.output, result.error, seq,
      ) // biome-ignore format: one value for each column
    } else {
      this.#query.change.run(
        state, attempt, open, turn, ready_at, started_at, ended_at, until, is_expanded, seq,
      ) // biome-ignore format: one value for each column
    }
  }

  /** Dependencies of an item that have not ended. */
  openParents(row: ItemRow): ItemRow[] {
    return this.parents(row.seq)
      .map((edge) => edge.row)
      .filter(({ state }) => !hasEnded(itemStates[state]!))
  }
}
