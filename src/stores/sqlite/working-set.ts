// The rows that an operation touches, in memory: changed as often as it likes and written once, at its end or before a
// query must see them. An item that is submitted and at once ready is one insert; one that waits for three is one update.
//
//   row in memory ──▶ changed ──▶ flush: item and progress inserted (new), progress updated (changed), result written
//
// There is one row object for an item at any time: that of this operation, or of the claim that holds it. Whoever changes
// it calls `change`. What many items need is read for all of them at once.
import type { DatabaseSync } from 'node:sqlite'
import type { ItemError } from '../../core/errors.ts'
import type { ItemId, NewItem } from '../../core/work/item.ts'
import type { ResolvedParent } from '../../core/work/resolver.ts'
import type { SqliteClaims } from './claims.ts'
import type { SqliteKinds } from './kinds.ts'
import { all, briefCount, first, prepareWriters, type Queries, type Values } from './queries.ts'
import {
  type EndedRow, type ItemRow, json, type NewRow, type Parent, parse, type Result, type SubmittedRow, submitted, toNewItem,
  toParent,
} from './rows.ts' // biome-ignore format: a list
import { roomOf, stateNumber } from './schema.ts'

export interface Edge {
  /** At its other end. */
  row: ItemRow
  policy: number
}

/** An item that a claim takes. */
export interface Taken {
  row: ItemRow
  /** JSON. */
  input: string | null
  timeoutMs: number | null
  sourceId: string | null
}

type TakenValues = [number, ItemId, number, string | null, number | null, string | null]

export class SqliteItems {
  readonly #query: Queries
  readonly #kinds: SqliteKinds
  readonly #claims: SqliteClaims
  readonly #writers: ReturnType<typeof prepareWriters>
  /** Last numbers given, and the latest moment of an event. */
  readonly numbers = { seq: 0, turn: 0, event: 0, run: 0, latestAtMs: 0 }
  #touched = new Map<number, ItemRow>()
  #byId = new Map<ItemId, ItemRow>()
  #children = new Map<number, Edge[]>()
  #changed: ItemRow[] = []
  #hasNew = false

  constructor(db: DatabaseSync, query: Queries, kinds: SqliteKinds, claims: SqliteClaims) {
    this.#query = query
    this.#writers = prepareWriters(db)
    this.#kinds = kinds
    this.#claims = claims
  }

  /** After an opening, and after a transaction that was undone. */
  reload(): void {
    this.#changed = []
    this.#hasNew = false
    for (const writer of Object.values(this.#writers)) writer.clear()
    this.forget()
    Object.assign(this.numbers, first(this.#query.maxima))
    this.#claims.reload(({ at, items }) => {
      const rows = this.take(JSON.parse(items)).map(({ row }) => row)
      for (const row of rows)
        Object.assign(row, { state: stateNumber.leased, attempt: row.attempt + 1, startedAtMs: at })
      return rows
    })
    this.forget()
  }

  /** At the end of an operation: rows may be read anew. New maps, since one that is cleared keeps the table of the last
   * operation in a chain with the next, and so its rows alive beyond the young generation: 2 us for an item. */
  forget(): void {
    this.#touched = new Map()
    this.#byId = new Map()
    this.#children = new Map()
  }

  /** Nothing waits to be written. */
  get isClean(): boolean {
    return this.#changed.length === 0 && this.#claims.isClean
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
    const [seq, , , state] = values as number[]
    const held = this.#touched.get(seq!) ?? (state === stateNumber.ready ? this.#claims.rowOf(seq!) : null)
    if (held) return held
    const row = this.#toRow(values)
    this.#touched.set(seq!, row)
    return row
  }

  #toRow(values: Values): ItemRow {
    const [seq, submittedAtMs, kind, state, attempt, open, turn, readyAtMs, untilMs, run, latestEndAtMs] =
      values
    return {
      seq: seq!, kind: this.#kinds.of(kind!), state: state!, attempt: attempt!, open: open!, submittedAtMs: submittedAtMs!,
      turn: turn!, readyAtMs: readyAtMs!, untilMs: untilMs!, run: run!, latestEndAtMs: latestEndAtMs!, id: null,
      maxAttempts: null, startedAtMs: null, parents: null, claim: null, isChanged: false, fresh: null, outcome: null,
    } // biome-ignore format: a row
  }

  #rowsOf(seqs: readonly number[]): ItemRow[] {
    const missing = seqs.filter((seq) => !this.#touched.has(seq))
    const read = missing.length > 0 ? all<Values>(this.#query.rowsBySeq, JSON.stringify(missing)) : []
    const bySeq = new Map(read.map((values) => [values[0], this.adopt(values)]))
    return seqs.map((seq) => this.#touched.get(seq) ?? bySeq.get(seq)!)
  }

  /** Reads who waits for these; `children` then finds them. */
  lookForChildren(rows: readonly ItemRow[]): void {
    const seqs = rows.map(({ seq }) => seq)
    for (const seq of seqs) this.#children.set(seq, [])
    this.#writers.edge.flush()
    for (const values of all<Values>(this.#query.children, JSON.stringify(seqs))) {
      const [parent, child, policy] = values.slice(briefCount) as [number, number, number]
      const row = values[0] === null ? this.#touched.get(child)! : this.adopt(values)
      this.#children.get(parent)!.push({ row, policy })
    }
    for (const seq of seqs) {
      const edges = this.#children.get(seq)!
      if (edges.length > 1) edges.sort((a, b) => a.row.seq - b.row.seq)
    }
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
    this.flushNew()
    return all<Values>(this.#query.made, row.seq).map((values) => this.adopt(values))
  }

  /** Those that wait for nothing but for being served, and are. In the order of submission. */
  heldBack(): ItemRow[] {
    const rows = all<Values>(this.#query.heldBack).map((values) => this.adopt(values))
    return rows.filter(({ kind }) => !kind.isParked)
  }

  due(nowMs: number): ItemRow[] {
    const rows = all<Values>(this.#query.due, nowMs).map((values) => this.adopt(values))
    return rows.filter(({ state }) => state === stateNumber.scheduled)
  }

  /** An item as it was submitted and what it waited for, as the resolver sees them. */
  resolved(row: ItemRow): { item: NewItem; parents: ResolvedParent[] } {
    if (row.fresh && row.parents!.length === 0) return { item: submitted(row.fresh), parents: [] }
    this.flushNew()
    const item = toNewItem(first<SubmittedRow>(this.#query.submitted, row.seq)!, row.kind)
    const parents = all<EndedRow>(this.#query.endedParents, row.seq)
    return { item, parents: parents.map((parent) => toParent(parent, this.#touched.get(parent.seq))) }
  }

  idOf(row: ItemRow): ItemId {
    row.id ??= first<{ id: string }>(this.#query.idOf, row.seq)!.id
    return row.id
  }

  errorOf(row: ItemRow): ItemError | null {
    if (row.outcome || row.run === null) return row.outcome?.error ?? null
    return parse(first<{ error: string | null }>(this.#query.errorOf, row.run)!.error)
  }

  /** The rows of items that a claim takes, and what else it is told, in their order. */
  take(seqs: readonly number[]): Taken[] {
    const taken: Taken[] = []
    for (const values of all<(string | number | null)[]>(this.#query.taken, JSON.stringify(seqs))) {
      const [place, id, maxAttempts, input, timeoutMs, sourceId] = values.slice(briefCount) as TakenValues
      const row = this.adopt(values as Values)
      Object.assign(row, { id, maxAttempts })
      taken[place] = { row, input, timeoutMs, sourceId }
    }
    return taken
  }

  // ── changing ──

  /** A new item, blocked, that waits for nothing yet. */
  add(fresh: NewRow, nowMs: number): ItemRow {
    const { id, deadlineAtMs, maxAttempts } = fresh.item
    const row: ItemRow = {
      seq: ++this.numbers.seq, kind: this.#kinds.named(fresh.item), state: stateNumber.blocked,
      attempt: 0, open: 0, submittedAtMs: nowMs, turn: null, readyAtMs: null, untilMs: null, run: null,
      latestEndAtMs: deadlineAtMs, id, maxAttempts, startedAtMs: null, parents: [], claim: null, isChanged: false, fresh, outcome: null,
    } // biome-ignore format: a row
    this.#byId.set(id, row)
    this.#hasNew = true
    this.change(row)
    return row
  }

  /** Lets an item wait for others; answers with those for which it did not wait before. */
  connect(row: ItemRow, parents: readonly Edge[]): readonly Edge[] {
    const known = this.#parentsOf(row)
    const added = known.length === 0 && parents.length === 1 ? parents : newOnes(known, parents)
    for (const { row: parent, policy } of added) {
      known.push([parent.seq, policy])
      this.#writers.edge.add([parent.seq, row.seq, policy])
      this.#children.delete(parent.seq)
    }
    if (!row.fresh) this.#query.setParents.run(JSON.stringify(known), row.seq)
    return added
  }

  /** It is that of this operation, also when a claim held it. */
  change(row: ItemRow): void {
    if (row.isChanged) return
    row.isChanged = true
    this.#touched.set(row.seq, row)
    this.#changed.push(row)
  }

  /** What the resolver makes it run with, as JSON. */
  setInput(row: ItemRow, input: string | null): void {
    this.#writers.input.add([this.#runOf(row), input ?? 'null'])
  }

  setResult(row: ItemRow, outcome: Result): void {
    this.#runOf(row)
    row.outcome = outcome
  }

  #runOf(row: ItemRow): number {
    row.run ??= ++this.numbers.run
    this.change(row)
    return row.run
  }

  /** As if it had never been tried. */
  dropResult(row: ItemRow): void {
    if (row.run !== null) this.#query.dropResult.run(row.run)
    Object.assign(row, { startedAtMs: null, outcome: null })
    this.change(row)
  }

  /** For a query that must see the items that are new. What has only changed, it may find in memory. */
  flushNew(): void {
    if (this.#hasNew) this.flush()
  }

  flush(): void {
    for (const row of this.#changed) {
      this.#write(row)
      row.isChanged = false
      row.fresh = row.outcome = null
    }
    this.#changed = []
    this.#hasNew = false
    for (const writer of Object.values(this.#writers)) writer.flush()
    this.#claims.flush()
  }

  #write(row: ItemRow): void {
    const { seq, run, fresh, outcome } = row
    const { item, progress, result } = this.#writers
    if (fresh) {
      const { id, priority, maxAttempts, timeoutMs, deadlineAtMs, sourceId } = fresh.item
      const parents = row.parents!.length > 0 ? JSON.stringify(row.parents) : null
      item.add([
        seq, id, priority, maxAttempts, timeoutMs, deadlineAtMs, fresh.makerSeq, sourceId, parents, fresh.source, fresh.input,
      ]) // biome-ignore format: one value for each column
    }
    // One that was lent something while it runs: in the file it goes on saying ready.
    const isLeased = row.state === stateNumber.leased
    const state = isLeased ? stateNumber.ready : row.state
    progress.add([
      seq, row.submittedAtMs, row.kind.number, state, isLeased ? row.attempt - 1 : row.attempt, row.open, row.turn,
      row.readyAtMs, row.untilMs, run, row.latestEndAtMs, roomOf(state),
    ]) // biome-ignore format: one value for each column
    if (outcome) {
      const { endedAtMs, output, error } = outcome
      result.add([run, row.startedAtMs, endedAtMs, output, json(error, 'The error')])
    }
  }
}

/** Each once, and none that is known. */
function newOnes(known: readonly Parent[], parents: readonly Edge[]): Edge[] {
  const seqs = new Set(known.map(([seq]) => seq))
  return parents.filter(({ row: { seq } }) => !seqs.has(seq) && seqs.add(seq))
}
