// The rows that an operation touches, in memory: changed as often as it likes and written once, at its end or before a
// query must see them. An item that is submitted and at once ready is one insert; one that waits for three is one update.
//
//   row in memory ──▶ changed ──▶ flush: item and progress inserted (new), progress updated (changed), result written
//
// There is one row object for an item at any time: that of this operation, or of the claim that holds it. Whoever changes
// it calls `change`. What many items need is read for all of them at once.
import type { ItemError } from '../core/errors.ts'
import type { ItemId, NewItem } from '../core/work-item.ts'
import type { SqliteClaims } from './sqlite-claims.ts'
import type { SqliteNames } from './sqlite-names.ts'
import {
  all,
  briefCount,
  first,
  type ItemRow,
  json,
  type Parent,
  parse,
  type Queries,
  type Values,
} from './sqlite-rows.ts'
import { stateNumber } from './sqlite-schema.ts'

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

export interface Edge {
  /** At its other end. */
  row: ItemRow
  policy: number
}

/** What an attempt came to, or why an item ended without one. */
export interface Result {
  /** Null: it goes on. */
  endedAtMs: number | null
  /** JSON. */
  output: string | null
  error: ItemError | null
}

export class SqliteItems {
  readonly #query: Queries
  readonly #names: SqliteNames
  readonly #claims: SqliteClaims
  /** Last numbers given. */
  readonly numbers = { seq: 0, turn: 0, event: 0, result: 0 }
  readonly #touched = new Map<number, ItemRow>()
  readonly #byId = new Map<ItemId, ItemRow>()
  readonly #children = new Map<number, Edge[]>()
  readonly #new = new Map<ItemRow, ReadyToAdd & { maker: ItemRow | null }>()
  readonly #results = new Map<ItemRow, Result>()
  readonly #changed = new Set<ItemRow>()

  constructor(query: Queries, names: SqliteNames, claims: SqliteClaims) {
    this.#query = query
    this.#names = names
    this.#claims = claims
  }

  /** After an opening, and after a transaction that was undone. */
  reload(): void {
    for (const each of [this.#new, this.#results, this.#changed]) each.clear()
    this.forget()
    this.#claims.clear()
    this.#names.reload()
    Object.assign(this.numbers, first(this.#query.maxima))
    for (const claim of all<{ token: string; at: number; until: number; items: string }>(
      this.#query.claims,
    )) {
      const rows = this.#rowsOf(JSON.parse(claim.items))
      this.describe(rows)
      for (const row of rows) {
        Object.assign(row, { state: stateNumber.leased, attempt: row.attempt + 1, startedAtMs: claim.at })
        this.#claims.hold(row, claim.token, claim.until, claim.at)
      }
    }
    this.#claims.flush()
    this.forget()
  }

  /** At the end of an operation: rows may be read anew. */
  forget(): void {
    for (const each of [this.#touched, this.#byId, this.#children]) each.clear()
  }

  /** Nothing waits to be written. */
  get isClean(): boolean {
    return this.#changed.size === 0 && this.#claims.isClean
  }

  // ── finding ──

  /** Looks for items by their ids; `byId` then has those that are known. */
  look(ids: Iterable<ItemId>): void {
    const wanted = [...ids].filter((id) => !this.#byId.has(id))
    // JSON would keep half of a surrogate pair, which the file does not.
    const list = JSON.stringify(wanted.map((id) => id.toWellFormed()))
    for (const values of all<Values>(this.#query.rowsById, list)) {
      const row = this.adopt(values)
      row.id = wanted[values[briefCount]!]!
      this.#byId.set(row.id, row)
    }
  }

  /** Of those that were looked for or added. */
  byId(id: ItemId): ItemRow | null {
    return this.#byId.get(id) ?? null
  }

  /** The object that stands for a row just read: the one in memory where there is one. */
  adopt(values: Values): ItemRow {
    const seq = values[0]!
    const held = this.#rowOf(seq)
    if (held) return held
    const row = this.#toRow(values)
    this.#touched.set(seq, row)
    return row
  }

  #rowOf(seq: number): ItemRow | undefined {
    return this.#touched.get(seq) ?? this.#claims.rowOf(seq)
  }

  #toRow(values: Values): ItemRow {
    const [
      seq,
      model,
      step,
      priority,
      state,
      attempt,
      open,
      submittedAtMs,
      turn,
      readyAtMs,
      untilMs,
      result,
    ] = values as [number, number, number | null, number, number, number, number, number, ...Values]
    return {
      seq, model, step, priority, state, attempt, open, submittedAtMs, turn: turn!, readyAtMs: readyAtMs!,
      untilMs: untilMs!, result: result!, group: this.#names.groupOf(model, step), id: null, maxAttempts: null,
      startedAtMs: null, parents: null,
    } // biome-ignore format: a row
  }

  #rowsOf(seqs: readonly number[]): ItemRow[] {
    const missing = seqs.filter((seq) => !this.#rowOf(seq))
    if (missing.length > 0) {
      for (const values of all<Values>(this.#query.rowsBySeq, JSON.stringify(missing))) this.adopt(values)
    }
    return seqs.map((seq) => this.#rowOf(seq)!)
  }

  /** Reads who waits for these; `children` then finds them. */
  lookForChildren(rows: readonly ItemRow[]): void {
    const seqs = rows.map(({ seq }) => seq)
    for (const seq of seqs) this.#children.set(seq, [])
    for (const values of all<Values>(this.#query.children, JSON.stringify(seqs))) {
      const [parent, child, policy] = values.slice(briefCount) as [number, number, number]
      const row = values[0] === null ? this.#touched.get(child)! : this.adopt(values)
      this.#children.get(parent)!.push({ row, policy })
    }
    for (const seq of seqs) this.#children.get(seq)!.sort((a, b) => a.row.seq - b.row.seq)
  }

  /** Who waits for it, in the order of submission. */
  children(row: ItemRow): Edge[] {
    if (!this.#children.has(row.seq)) this.lookForChildren([row])
    return this.#children.get(row.seq)!
  }

  /** What it waits for, in its own order. */
  parents(row: ItemRow): Edge[] {
    const parents = this.#parentsOf(row)
    const rows = this.#rowsOf(parents.map(([seq]) => seq))
    return rows.map((parent, index) => ({ row: parent, policy: parents[index]![1] }))
  }

  #parentsOf(row: ItemRow): Parent[] {
    row.parents ??= parse(first<{ parents: string | null }>(this.#query.parentsOf, row.seq)!.parents) ?? []
    return row.parents
  }

  /** What a fan-out item made. */
  made(row: ItemRow): ItemRow[] {
    this.flush()
    return all<Values>(this.#query.made, row.seq).map((values) => this.adopt(values))
  }

  due(nowMs: number): ItemRow[] {
    const rows = all<Values>(this.#query.due, nowMs).map((values) => this.adopt(values))
    return rows.filter(({ state }) => state === stateNumber.scheduled)
  }

  idOf(row: ItemRow): ItemId {
    row.id ??= first<{ id: string }>(this.#query.idOf, row.seq)!.id
    return row.id
  }

  errorOf(row: ItemRow): ItemError | null {
    const pending = this.#results.get(row)
    if (pending || row.result === null) return pending?.error ?? null
    return parse(first<{ error: string | null }>(this.#query.errorOf, row.result)!.error)
  }

  /** What a claim needs besides: it is told the input, the limit of time and the source; the rows keep the rest. */
  describe(
    rows: readonly ItemRow[],
  ): { input: string | null; timeoutMs: number | null; sourceId: string | null }[] {
    type Described = [string, number, string | null, number | null, string | null]
    const described = all<Described>(this.#query.described, JSON.stringify(rows.map(({ seq }) => seq)))
    return described.map(([id, maxAttempts, input, timeoutMs, sourceId], index) => {
      Object.assign(rows[index]!, { id, maxAttempts })
      return { input, timeoutMs, sourceId }
    })
  }

  // ── changing ──

  /** A new item, blocked, that waits for nothing yet. */
  add(fresh: ReadyToAdd, maker: ItemRow | null, nowMs: number): ItemRow {
    const { id, modelId, step: stepName, priority, maxAttempts } = fresh.item
    const model = this.#names.numberOf(modelId)
    const step = stepName === null ? null : this.#names.numberOf(stepName)
    const row: ItemRow = {
      seq: ++this.numbers.seq, model, step, priority, state: stateNumber.blocked, attempt: 0, open: 0, submittedAtMs: nowMs,
      turn: null, readyAtMs: null, untilMs: null, result: null, group: this.#names.groupOf(model, step), id, maxAttempts,
      startedAtMs: null, parents: [],
    } // biome-ignore format: a row
    this.#touched.set(row.seq, row)
    this.#byId.set(id, row)
    this.#new.set(row, { ...fresh, maker })
    this.#changed.add(row)
    return row
  }

  /** Lets an item wait for others; answers with those for which it did not wait before. */
  connect(row: ItemRow, parents: readonly Edge[]): ItemRow[] {
    const known = this.#parentsOf(row)
    const seqs = new Set(known.map(([seq]) => seq))
    const added: ItemRow[] = []
    for (const { row: parent, policy } of parents) {
      if (seqs.has(parent.seq)) continue
      seqs.add(parent.seq)
      known.push([parent.seq, policy])
      added.push(parent)
      this.#query.addEdge.run(parent.seq, row.seq, policy)
      this.#children.delete(parent.seq)
    }
    if (!this.#new.has(row)) this.#query.setParents.run(JSON.stringify(known), row.seq)
    return added
  }

  /** It is that of this operation, also when a claim held it. */
  change(row: ItemRow): void {
    this.#touched.set(row.seq, row)
    this.#changed.add(row)
  }

  setResult(row: ItemRow, result: Result): void {
    row.result ??= ++this.numbers.result
    this.#results.set(row, result)
    this.#changed.add(row)
  }

  /** As if it had never been tried. */
  dropResult(row: ItemRow): void {
    if (row.result !== null) this.#query.dropResult.run(row.result)
    Object.assign(row, { result: null, startedAtMs: null })
    this.#changed.add(row)
  }

  setInput(row: ItemRow, input: string | null): void {
    this.flush()
    this.#query.setInput.run(input, row.seq)
  }

  flush(): void {
    for (const row of this.#changed) {
      const fresh = this.#new.get(row)
      if (fresh) this.#insert(row, fresh)
      else this.#update(row)
    }
    for (const [row, result] of this.#results) this.#writeResult(row, result)
    for (const each of [this.#new, this.#results, this.#changed]) each.clear()
    this.#claims.flush()
  }

  #insert(row: ItemRow, { item, source, input, maker }: ReadyToAdd & { maker: ItemRow | null }): void {
    const { id, maxAttempts, timeoutMs, deadlineAtMs, sourceId } = item
    const parents = row.parents!.length > 0 ? JSON.stringify(row.parents) : null
    this.#query.addItem.run(
      row.seq, id, maxAttempts, timeoutMs, deadlineAtMs, maker?.seq ?? null, sourceId, parents, source, input,
    ) // biome-ignore format: one value for each column
    this.#query.addProgress.run(
      row.seq, row.model, row.step, row.priority, row.state, row.attempt, row.open, row.submittedAtMs, row.turn,
      row.readyAtMs, row.untilMs, row.result,
    ) // biome-ignore format: one value for each column
  }

  #update({ state, attempt, open, turn, readyAtMs, untilMs, result, seq }: ItemRow): void {
    this.#query.change.run(state, attempt, open, turn, readyAtMs, untilMs, result, seq)
  }

  #writeResult(row: ItemRow, { endedAtMs, output, error }: Result): void {
    this.#query.setResult.run(row.result, row.startedAtMs, endedAtMs, output, json(error, 'An error'))
  }
}
