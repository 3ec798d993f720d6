// The rows that an operation touches, in memory: changed as often as it likes and written once, at its end or
// before a query must see them. An item that is submitted and at once ready is one insert; one that waits for
// three is one update.
//
//   row in memory ──▶ changed ──▶ flush: item and progress inserted (new), progress updated (changed),
//                                        result written
//
// There is one row object for an item at any time: that of this operation, or of the claim that holds it.
// Whoever changes it calls `change`. What many items need is read for all of them at once.
import type { DatabaseSync } from 'node:sqlite'
import type { ItemError } from '../../core/errors.ts'
import { type ItemId, itemStates, type NewItem } from '../../core/work/item.ts'
import type { ResolvedParent } from '../../core/work/resolver.ts'
import type { ChildEdge, GraphItem, ParentEdge } from '../../core/work/working-set.ts'
import type { Claims } from './claims.ts'
import type { Kinds } from './kinds.ts'
import { all, briefCount, first, prepareWriters, type Queries, type Values } from './queries.ts'
import {
  type EndedRow,
  ItemRow,
  json,
  type NewRow,
  type Parent,
  parse,
  type SubmittedRow,
  submitted,
  toNewItem,
  toParent,
} from './rows.ts'
import { policies, roomOf, stateNumber } from './schema.ts'

/** An item that a claim takes. */
export interface Taken {
  row: ItemRow
  /** JSON. */
  input: string | null
  timeoutMs: number | null
  sourceId: string | null
}

type TakenValues = [number, ItemId, number, string | null, number | null, string | null]

const none: readonly never[] = []

export class LiveRows {
  protected readonly query: Queries
  protected readonly kinds: Kinds
  protected readonly claims: Claims
  readonly #writers: ReturnType<typeof prepareWriters>
  /** Last numbers given, and the latest moment of an event. */
  protected readonly numbers = { seq: 0, turn: 0, event: 0, run: 0, latestAtMs: 0 }
  #touched = new Map<number, ItemRow>()
  #byId = new Map<ItemId, ItemRow>()
  #children = new Map<number, ChildEdge<ItemRow>[]>()
  #changed: ItemRow[] = []
  #hasNew = false

  constructor(db: DatabaseSync, query: Queries, kinds: Kinds, claims: Claims) {
    this.query = query
    this.#writers = prepareWriters(db)
    this.kinds = kinds
    this.claims = claims
  }

  /** After an opening, and after a transaction that was undone. */
  reload(): void {
    this.#changed = []
    this.#hasNew = false
    for (const writer of Object.values(this.#writers)) writer.clear()
    this.forget()
    Object.assign(this.numbers, first(this.query.maxima))
    this.claims.reload(({ at, items }) => {
      const rows = this.take(JSON.parse(items)).map(({ row }) => row)
      for (const row of rows) {
        row.state = 'leased'
        row.attempt++
        row.startedAtMs = at
      }
      return rows
    })
    this.forget()
  }

  /** At the end of an operation: rows may be read anew. New maps, since one that is cleared keeps the table
   * of the last operation in a chain with the next, and so its rows alive beyond the young generation: 2 us
   * for an item. */
  forget(): void {
    this.#touched = new Map()
    this.#byId = new Map()
    this.#children = new Map()
  }

  /** Nothing waits to be written. */
  get isClean(): boolean {
    return this.#changed.length === 0 && this.claims.isClean
  }

  // ── finding ──

  /** Looks for items by their ids; `find` then has those that are known. */
  prefetch(ids: Iterable<ItemId>): void {
    const wanted = [...ids].filter((id) => !this.#byId.has(id))
    // JSON would keep half of a surrogate pair, which the file does not.
    const list = JSON.stringify(wanted.map((id) => id.toWellFormed()))
    for (const values of all<Values>(this.query.rowsById, list)) {
      const row = this.#adopt(values)
      row.id = wanted[values[briefCount]!]!
      this.#byId.set(row.id, row)
    }
  }

  /** Of those that were looked for or added. */
  find(id: ItemId): ItemRow | null {
    return this.#byId.get(id) ?? null
  }

  /** The object that stands for a row just read: the one in memory where there is one. */
  #adopt(values: Values): ItemRow {
    const [seq, , , state] = values as number[]
    const held = this.#touched.get(seq!) ?? (state === stateNumber.ready ? this.claims.rowOf(seq!) : null)
    if (held) return held
    const row = this.#toRow(values)
    this.#touched.set(seq!, row)
    return row
  }

  /** The one place where values have their meaning by their order: that of `columns` in queries.ts. */
  #toRow(values: Values): ItemRow {
    const [seq, submittedAtMs, kind, state, attempt, open, turn, readyAtMs, until, run, latestEndAtMs] =
      values
    const row = new ItemRow(seq!, submittedAtMs!, this.kinds.of(kind!))
    row.state = itemStates[state!]!
    row.attempt = attempt!
    row.openCount = open!
    row.turn = turn!
    row.readyAtMs = readyAtMs!
    row.dueAtMs = until!
    row.run = run!
    row.latestEndAtMs = latestEndAtMs!
    return row
  }

  /** Reads who waits for these; `childrenOf` then finds them. */
  prefetchChildren(rows: readonly ItemRow[]): void {
    const seqs = rows.map(({ sequence }) => sequence)
    for (const seq of seqs) this.#children.set(seq, [])
    this.#writers.edge.flush()
    for (const values of all<Values>(this.query.children, JSON.stringify(seqs))) {
      const [parent, child, policy] = values.slice(briefCount) as [number, number, number]
      const row = values[0] === null ? this.#touched.get(child)! : this.#adopt(values)
      this.#children.get(parent)!.push({ child: row, policy: policies[policy]! })
    }
    for (const seq of seqs) {
      const edges = this.#children.get(seq)!
      if (edges.length > 1) edges.sort((a, b) => a.child.sequence - b.child.sequence)
    }
  }

  childrenOf(row: ItemRow): readonly ChildEdge<ItemRow>[] {
    if (!this.#children.has(row.sequence)) this.prefetchChildren([row])
    return this.#children.get(row.sequence)!
  }

  parentsOf(row: ItemRow): readonly ParentEdge<ItemRow>[] {
    const parents = this.#parentsOf(row)
    if (parents.length === 0) return none
    if (parents.some(([seq]) => !this.#touched.has(seq))) this.#prefetchParents(parents)
    return parents.map(([seq, policy]) => ({ parent: this.#touched.get(seq)!, policy: policies[policy]! }))
  }

  #prefetchParents(parents: readonly Parent[]): void {
    const missing = parents.flatMap(([seq]) => (this.#touched.has(seq) ? [] : seq))
    for (const values of all<Values>(this.query.rowsBySeq, JSON.stringify(missing))) {
      const row = this.#adopt(values)
      this.#touched.set(row.sequence, row)
    }
  }

  #parentsOf(row: ItemRow): Parent[] {
    row.parents ??=
      parse(first<{ parents: string | null }>(this.query.parentsOf, row.sequence)!.parents) ?? []
    return row.parents
  }

  waitsForAll(row: ItemRow): boolean {
    return row.parents?.length === row.openCount
  }

  madeBy(row: ItemRow): ItemRow[] {
    if (row.step === null) return [] // only items with a step can make others
    this.#flushNew()
    return all<Values>(this.query.made, row.sequence).map((values) => this.#adopt(values))
  }

  /** Those that wait for nothing but for being served, and are. */
  heldBack(): ItemRow[] {
    const rows = all<Values>(this.query.heldBack).map((values) => this.#adopt(values))
    return rows.filter(({ isParked }) => !isParked)
  }

  due(nowMs: number): ItemRow[] {
    const rows = all<Values>(this.query.due, nowMs).map((values) => this.#adopt(values))
    return rows.filter(({ state }) => state === 'scheduled')
  }

  viewOf(row: ItemRow): { item: NewItem; parents: ResolvedParent[] } {
    if (row.fresh && row.parents!.length === 0) return { item: submitted(row.fresh), parents: [] }
    this.#flushNew()
    const item = toNewItem(first<SubmittedRow>(this.query.submitted, row.sequence)!, row.kind)
    const parents = all<EndedRow>(this.query.endedParents, row.sequence)
    return { item, parents: parents.map((parent) => toParent(parent, this.#touched.get(parent.seq))) }
  }

  itemOf(row: ItemRow): GraphItem {
    return row
  }

  isParked({ kind }: ItemRow): boolean {
    return kind.isParked
  }

  idOf(row: ItemRow): ItemId {
    row.id ??= first<{ id: string }>(this.query.idOf, row.sequence)!.id
    return row.id
  }

  errorOf(row: ItemRow): ItemError | null {
    if (row.outcome || row.run === null) return row.outcome?.error ?? null
    return parse(first<{ error: string | null }>(this.query.errorOf, row.run)!.error)
  }

  /** The rows of items that a claim takes, and what else it is told, in their order. */
  protected take(seqs: readonly number[]): Taken[] {
    const taken: Taken[] = []
    for (const values of all<(string | number | null)[]>(this.query.taken, JSON.stringify(seqs))) {
      const [place, id, maxAttempts, input, timeoutMs, sourceId] = values.slice(briefCount) as TakenValues
      const row = this.#adopt(values as Values)
      row.id = id
      row.maxAttempts = maxAttempts
      taken[place] = { row, input, timeoutMs, sourceId }
    }
    return taken
  }

  // ── changing ──

  /** A new item, blocked, that waits for nothing yet. */
  protected create(fresh: NewRow, nowMs: number): ItemRow {
    const { id, deadlineAtMs, maxAttempts } = fresh.item
    const row = new ItemRow(++this.numbers.seq, nowMs, this.kinds.named(fresh.item))
    row.latestEndAtMs = deadlineAtMs
    row.id = id
    row.maxAttempts = maxAttempts
    row.parents = []
    row.fresh = fresh
    this.#byId.set(id, row)
    this.#hasNew = true
    this.change(row)
    return row
  }

  /** Lets an item wait for others. Answers with those for which it did not wait before, each once. */
  protected link(row: ItemRow, edges: readonly ParentEdge<ItemRow>[]): readonly ItemRow[] {
    const parents = this.#parentsOf(row)
    // Most new items wait for one other: that needs no set.
    const known = parents.length + edges.length > 1 ? new Set(parents.map(([seq]) => seq)) : null
    const added: ItemRow[] = []
    for (const { parent, policy } of edges) {
      if (known?.has(parent.sequence)) continue
      known?.add(parent.sequence)
      added.push(parent)
      const policyNumber = policies.indexOf(policy)
      parents.push([parent.sequence, policyNumber])
      this.#writers.edge.add([parent.sequence, row.sequence, policyNumber])
      this.#children.delete(parent.sequence)
    }
    if (!row.fresh) this.query.setParents.run(JSON.stringify(parents), row.sequence)
    return added
  }

  /** It is that of this operation, also when a claim held it. */
  protected change(row: ItemRow): void {
    if (row.isChanged) return
    row.isChanged = true
    this.#touched.set(row.sequence, row)
    this.#changed.push(row)
  }

  setInput(row: ItemRow, input: unknown): void {
    const text = json(input, `The input of item "${this.idOf(row)}"`)
    this.#writers.input.add([this.#runOf(row), text ?? 'null'])
  }

  /** `output`: as JSON. */
  setResult(row: ItemRow, endedAtMs: number | null, output: unknown, error: ItemError | null): void {
    this.#runOf(row)
    row.outcome = { endedAtMs, output: output as string | null, error }
  }

  #runOf(row: ItemRow): number {
    row.run ??= ++this.numbers.run
    this.change(row)
    return row.run
  }

  renew(row: ItemRow): void {
    if (row.run !== null) this.query.dropResult.run(row.run)
    row.attempt = row.openCount = 0
    row.readyAtMs = row.startedAtMs = row.outcome = null
    this.change(row)
  }

  /** For a query that must see the items that are new. What has only changed, it may find in memory. */
  #flushNew(): void {
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
    this.claims.flush()
  }

  #write(row: ItemRow): void {
    const { sequence, fresh, outcome, run } = row
    if (fresh) this.#writeNew(sequence, fresh, row.parents!)
    // One that inherits while it runs: in the file it goes on saying ready.
    const isLeased = row.state === 'leased'
    const state = isLeased ? stateNumber.ready : stateNumber[row.state]
    this.#writers.progress.add([
      sequence,
      row.submittedAtMs,
      row.kind.number,
      state,
      isLeased ? row.attempt - 1 : row.attempt,
      row.openCount,
      row.turn,
      row.readyAtMs,
      row.dueAtMs,
      run,
      row.latestEndAtMs,
      roomOf(state),
    ])
    if (outcome) {
      const { endedAtMs, output, error } = outcome
      this.#writers.result.add([run, row.startedAtMs, endedAtMs, output, json(error, 'The error')])
    }
  }

  #writeNew(sequence: number, { item, makerSequence, source, input }: NewRow, parents: Parent[]): void {
    const { id, priority, maxAttempts, timeoutMs, deadlineAtMs, sourceId } = item
    this.#writers.item.add([
      sequence,
      id,
      priority,
      maxAttempts,
      timeoutMs,
      deadlineAtMs,
      makerSequence,
      sourceId,
      parents.length > 0 ? JSON.stringify(parents) : null,
      source,
      input,
    ])
  }
}
