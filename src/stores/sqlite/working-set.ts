// The items of a SQLite store, as the rules in core/work/transitions.ts see them: rows in memory
// (live-rows.ts), and what is kept beside them with every change: counts, queues, claims and events.
import type { DatabaseSync } from 'node:sqlite'
import type { EdgePolicy, ItemId, NewItem } from '../../core/work/item.ts'
import { checkGraph, refuseCircle } from '../../core/work/submission.ts'
import type { WorkingSet } from '../../core/work/working-set.ts'
import type { ClaimRequest } from '../store.ts'
import type { Claims } from './claims.ts'
import type { Counts } from './counts.ts'
import type { Kinds } from './kinds.ts'
import { LiveRows, type Taken } from './live-rows.ts'
import { first, type Queries } from './queries.ts'
import type { Queues } from './queues.ts'
import { type ItemRow, json, toNewRow } from './rows.ts'
import { eventWidth, stateNumber } from './schema.ts'

interface Beside {
  query: Queries
  counts: Counts
  queues: Queues
  kinds: Kinds
  claims: Claims
}

export class SqliteWorkingSet extends LiveRows implements WorkingSet<ItemRow> {
  readonly #counts: Counts
  readonly #queues: Queues
  /** Seq, state and attempt of each. */
  #changes: number[] = []

  constructor(db: DatabaseSync, { query, counts, queues, kinds, claims }: Beside) {
    super(db, query, kinds, claims)
    this.#counts = counts
    this.#queues = queues
  }

  override reload(): void {
    this.#changes = []
    super.reload()
  }

  /** True when the operation changed nothing. */
  override get isClean(): boolean {
    return this.#changes.length === 0 && super.isClean
  }

  /** Writes what the operation changed, and its events in one row. */
  write(nowMs: number): void {
    this.flush()
    this.forget()
    if (this.#changes.length === 0) return
    const { numbers } = this
    const start = numbers.event + 1
    numbers.event += this.#changes.length / eventWidth
    numbers.latestAtMs = Math.max(numbers.latestAtMs, nowMs)
    const changes = JSON.stringify(this.#changes)
    this.query.addEvent.run(start, numbers.event, nowMs, changes, numbers.latestAtMs)
    this.#changes = []
  }

  // ── finding ──

  heldBy(token: string, id: ItemId): ItemRow | null {
    return this.claims.of(token)?.byId.get(id) ?? null
  }

  leased(): ItemRow[] {
    return this.claims.held()
  }

  expired(nowMs: number): ItemRow[] {
    return this.claims.held(({ untilMs }) => untilMs <= nowMs)
  }

  nextAtMs(nowMs: number): number {
    this.flush()
    const { until } = first<{ until: number | null }>(this.query.nextDue)!
    let nextAtMs = Math.min(this.#queues.dropLate(nowMs), until ?? Number.POSITIVE_INFINITY)
    for (const { untilMs } of this.claims.all()) nextAtMs = Math.min(nextAtMs, untilMs)
    return nextAtMs
  }

  // ── changing ──

  /** Takes items out of their queue, in the order of a claim. */
  takeReady(request: ClaimRequest): Taken[] {
    const taken = this.take(this.#queues.take(request))
    for (const { row } of taken) this.#count(row, -1)
    return taken
  }

  add(items: readonly NewItem[], maker: ItemRow | null, nowMs: number): ItemRow[] {
    this.prefetch(idsOf(items))
    const fresh = checkGraph(items, (id) => this.find(id) !== null)
    if (maker !== null) refuseCircle(maker, items, this)
    const rows = fresh.map((item) => toNewRow(item, maker)).map((each) => this.create(each, nowMs))
    for (const row of rows) {
      const { dependencies } = row.fresh!.item
      const edges = dependencies.map(({ id, policy }) => ({ parent: this.find(id)!, policy }))
      if (edges.length > 0) this.link(row, edges)
    }
    return rows
  }

  connect(row: ItemRow, parents: readonly ItemRow[], policy: EdgePolicy): readonly ItemRow[] {
    return this.link(
      row,
      parents.map((parent) => ({ parent, policy })),
    )
  }

  countEdge(child: ItemRow, parent: ItemRow, count: 1 | -1): void {
    this.change(child)
    this.#counts.addEdges(child.kind.group.model, parent.kind.group.model, count)
  }

  raise(row: ItemRow, priority: number, latestEndAtMs: number | null): void {
    const isReady = row.state === 'ready'
    if (isReady) this.leave(row)
    if (priority > row.priority) row.kind = this.kinds.named({ ...row.kind, priority })
    row.latestEndAtMs = latestEndAtMs
    this.change(row)
    if (isReady) this.#join(row)
  }

  moveTo(row: ItemRow, pipeline: string): void {
    if (row.state === 'ready') row.kind.level.remove(row)
    this.#count(row, -1)
    row.kind = this.kinds.named({ ...row.kind, pipeline })
    this.change(row)
    this.#join(row)
  }

  hold(rows: readonly ItemRow[], untilMs: number, nowMs: number): string {
    return this.claims.hold(rows, untilMs, nowMs)
  }

  leave(row: ItemRow): void {
    const { state } = row
    this.#count(row, -1)
    if (state === 'ready') row.kind.level.remove(row)
    else if (state === 'leased') this.claims.release(row)
    else if (state === 'scheduled') row.dueAtMs = null
  }

  enter(row: ItemRow): void {
    this.#join(row)
    if (row.state !== 'leased') this.change(row)
    this.#changes.push(row.sequence, stateNumber[row.state], row.attempt)
  }

  #join(row: ItemRow): void {
    if (row.state === 'ready') row.kind.level.add(row)
    this.#count(row, 1)
  }

  #count({ kind, state, submittedAtMs }: ItemRow, count: 1 | -1): void {
    this.#counts.add(kind, stateNumber[state], count, submittedAtMs)
  }

  nextTurn(): number {
    return ++this.numbers.turn
  }

  pack(row: ItemRow, output: unknown): string | null {
    return json(output, `The output of item "${this.idOf(row)}"`)
  }
}

/** Theirs, and of what they wait for. */
function idsOf(items: readonly NewItem[]): Set<ItemId> {
  const ids = new Set<ItemId>()
  for (const { id, dependencies } of items) {
    ids.add(id)
    for (const each of dependencies) ids.add(each.id)
  }
  return ids
}
