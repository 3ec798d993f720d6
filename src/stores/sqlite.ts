// The embedded store: one SQLite file through Node's own driver, WAL, synchronous FULL. Calls made in one turn of the
// event loop share a transaction (group commit), each in a savepoint of its own, and are answered after the commit: what
// a promise said is on disk. One process owns a database; others may read beside it.
import type { DatabaseSync } from 'node:sqlite'
import { type ItemError, SchedulerError } from '../core/errors.ts'
import { leaseExpired } from '../core/lease.ts'
import { hasEnded, type ItemId, itemStates, type NewItem } from '../core/work-item.ts'
import { Counts } from './counts.ts'
import { SqliteGraph } from './sqlite-graph.ts'
import {
  all,
  type FullRow,
  first,
  type ItemRow,
  parse,
  prepareQueries,
  type Queries,
  readItem,
} from './sqlite-rows.ts'
import { lock, openDatabase, openReadOnly, stateNumber, translate } from './sqlite-schema.ts'
import type {
  Claim,
  ClaimRequest,
  ListQuery,
  Outcome,
  Resolver,
  Store,
  StoredItem,
  StoreEvent,
  StoreStats,
} from './store.ts'

export interface SqliteOptions {
  file: string
  /** Asked about items with a step. Without one they run as they are. */
  resolver?: Resolver
}

/** Throws STORE_LOCKED, STORE_CORRUPT, STORE_FULL, STORE_FAILED. */
export async function openSqliteStore({ file, resolver }: SqliteOptions): Promise<Store> {
  const owner = lock(file)
  try {
    return new SqliteStore(file, openDatabase(file), owner, resolver ?? null)
  } catch (error) {
    owner.close()
    throw error
  }
}

/** Reads a database that another process may own. */
export async function openSqliteReader(
  file: string,
): Promise<Pick<Store, 'get' | 'list' | 'events' | 'stats' | 'queueHeads' | 'close'>> {
  const db = openReadOnly(file)
  const reader = translate(file, () => new SqliteReader(file, db))
  return reader
}

class SqliteReader {
  protected readonly file: string
  protected readonly db: DatabaseSync
  protected readonly query: Queries
  protected readonly counts = new Counts()

  constructor(file: string, db: DatabaseSync) {
    this.file = file
    this.db = db
    this.query = prepareQueries(db)
  }

  async get(id: ItemId): Promise<StoredItem | null> {
    return this.read(() => {
      const row = first<FullRow>(this.query.fullById, id)
      return row ? readItem(row, this.query) : null
    })
  }

  async list({
    state,
    step,
    modelId,
    parentId,
    after = 0,
    limit = 1000,
  }: ListQuery): Promise<{ items: StoredItem[]; cursor: number | null }> {
    return this.read(() => {
      const filters: [string, string | number | undefined][] = [
        ['state = ?', state && stateNumber[state]],
        ['step = ?', step],
        ['model = ?', modelId],
        ['maker = (SELECT seq FROM item WHERE id = ?)', parentId],
      ]
      const used = filters.filter(([, value]) => value !== undefined)
      const where = ['seq > ?', ...used.map(([sql]) => sql)].join(' AND ')
      const values = [after, ...used.map(([, value]) => value!)]
      const rows = all<FullRow>(
        this.db.prepare(`SELECT * FROM item WHERE ${where} ORDER BY seq LIMIT ?`),
        ...values,
        limit,
      )
      const cursor = rows.length < limit ? null : rows.at(-1)!.seq
      return { items: rows.map((row) => readItem(row, this.query)), cursor }
    })
  }

  async events(afterSequence: number, limit: number): Promise<StoreEvent[]> {
    return this.read(() => {
      const rows = all<{ first: number; last: number; at: number; state: number; items: string }>(
        this.query.events,
        afterSequence,
        limit,
      )
      const events = rows.flatMap(({ first: start, at, state, items }) =>
        parse<[number, number][]>(items)!.map(([seq, attempt], index) => ({
          sequence: start + index,
          atMs: at,
          itemId: first<{ id: string }>(this.query.idOf, seq)!.id,
          state: itemStates[state]!,
          attempt,
        })),
      )
      return events.filter(({ sequence }) => sequence > afterSequence).slice(0, limit)
    })
  }

  async stats(): Promise<StoreStats> {
    return this.read(() => {
      this.recount()
      return this.counts.stats()
    })
  }

  async queueHeads() {
    return this.read(() => {
      this.recount()
      return this.heads()
    })
  }

  async close(): Promise<void> {
    this.db.close()
  }

  protected read<T>(work: () => T): T {
    return translate(this.file, work)
  }

  protected heads() {
    return this.counts.heads((modelId, priority) => this.headReadyAt(modelId, priority))
  }

  /** When the first item of a level became ready. */
  protected headReadyAt(modelId: string, priority: number): number {
    return (
      first<{ ready_at: number }>(this.query.head, modelId, priority)?.ready_at ?? Number.POSITIVE_INFINITY
    )
  }

  /** From the rows. Cost: O(items). */
  protected recount(): void {
    this.counts.clear()
    for (const { step, model, state, count } of all<{
      step: string | null
      model: string
      state: number
      count: number
    }>(this.query.countStates)) {
      const name = itemStates[state]!
      this.counts.addState(step, model, name, count)
      if (name === 'blocked' || name === 'scheduled') this.counts.addBlocked(model, count)
    }
    for (const { model, priority, count, submitted } of all<{
      model: string
      priority: number
      count: number
      submitted: number
    }>(this.query.countReady)) {
      this.counts.addReady(model, priority, count, submitted)
    }
    for (const { child, parent, count } of all<{ child: string; parent: string; count: number }>(
      this.query.countEdges,
    )) {
      this.counts.addEdges(child, parent, count)
    }
  }
}

interface Operation {
  work: () => unknown
  nowMs: number
  resolve: (value: never) => void
  reject: (error: unknown) => void
}

class SqliteStore extends SqliteReader implements Store {
  readonly supports = { durable: true, shared: false }
  readonly #owner: DatabaseSync
  readonly #graph: SqliteGraph
  readonly #opening: number
  #claimNumber = 0
  #operations: Operation[] = []

  constructor(file: string, db: DatabaseSync, owner: DatabaseSync, resolver: Resolver | null) {
    super(file, db)
    this.#owner = owner
    this.#graph = new SqliteGraph(this.query, this.counts, resolver)
    this.#opening = translate(file, () => {
      this.#restore()
      return Number(this.query.open.run().lastInsertRowid)
    })
  }

  /** What is kept beside the rows, from the rows. */
  #restore(): void {
    this.recount()
    Object.assign(this.#graph.numbers, first(this.query.maxima))
    this.#graph.forgetEvents()
    this.#graph.held.clear()
    for (const row of all<ItemRow>(this.query.leased)) this.#graph.hold(row)
  }

  submit(items: NewItem[], nowMs: number) {
    return this.#write(nowMs, () => this.#graph.submit(items, nowMs))
  }

  override async queueHeads() {
    return this.read(() => this.heads())
  }

  override async stats(): Promise<StoreStats> {
    return this.counts.stats()
  }

  claim(request: ClaimRequest, nowMs: number): Promise<Claim> {
    return this.#write(nowMs, () => {
      const token = `${this.#opening}.${++this.#claimNumber}`
      const rows = this.#choose(request)
      for (const row of rows) this.#graph.lease(row, token, nowMs + request.leaseMs, nowMs)
      const items = rows.map((row) => ({
        id: row.id,
        input: parse(row.input),
        priority: row.priority,
        attempt: row.attempt + 1,
        timeoutMs: row.timeout,
        step: row.step,
        sourceId: row.source_id,
      }))
      return { token, items }
    })
  }

  /** Interactive ones alone; else overdue ones, oldest first over all levels, and then by priority. */
  #choose({ modelId, maxCount, order }: ClaimRequest): FullRow[] {
    const priorities = this.counts.priorities(modelId)
    const interactive = priorities.filter((priority) => priority >= order.interactiveFrom)
    if (interactive.length > 0) return this.#take(modelId, interactive, maxCount, [])
    const overdue = priorities
      .filter((priority) => this.headReadyAt(modelId, priority) < order.overdueBeforeMs)
      .flatMap((priority) => all<FullRow>(this.query.queue, modelId, priority, maxCount))
      .filter(({ ready_at }) => ready_at! < order.overdueBeforeMs)
      .sort((a, b) => a.turn! - b.turn!)
      .slice(0, maxCount)
    return this.#take(modelId, priorities, maxCount, overdue)
  }

  /** Adds to the chosen ones by priority and turn. */
  #take(modelId: string, priorities: number[], maxCount: number, chosen: FullRow[]): FullRow[] {
    const rows = [...chosen]
    const taken = new Set(rows.map(({ seq }) => seq))
    for (const priority of priorities) {
      if (rows.length >= maxCount) break
      const level = all<FullRow>(this.query.queue, modelId, priority, maxCount)
      rows.push(...level.filter(({ seq }) => !taken.has(seq)).slice(0, maxCount - rows.length))
    }
    return rows
  }

  heartbeat(token: string, leaseMs: number, nowMs: number): Promise<boolean> {
    return this.#write(
      nowMs,
      () =>
        Number(this.query.prolong.run(nowMs + leaseMs, token).changes) ===
        (this.#graph.held.get(token)?.size ?? -1),
    )
  }

  finish(token: string, outcomes: Outcome[], nowMs: number) {
    return this.#write(nowMs, () => {
      const accepted: ItemId[] = []
      const stale: ItemId[] = []
      for (const outcome of outcomes) {
        const row = this.#graph.held.get(token)?.get(outcome.id)
        if (row) this.#record(row, outcome, nowMs)
        ;(row ? accepted : stale).push(outcome.id)
      }
      return { accepted, stale }
    })
  }

  #record(row: ItemRow, outcome: Outcome, nowMs: number): void {
    if (outcome.type === 'done') this.#graph.end(row, 'done', outcome.output, null, nowMs)
    else if (outcome.type === 'release') this.#graph.giveBack(row, row.attempt - 1)
    else if (outcome.retryable && row.attempt < row.max_attempts)
      this.#graph.schedule(row, outcome.retryAtMs, outcome.error)
    else this.#graph.end(row, 'failed', null, outcome.error, nowMs)
  }

  cancel(
    ids: ItemId[],
    nowMs: number,
    cause: ItemError = { code: 'CANCELLED', message: 'it was cancelled' },
  ) {
    return this.#write(nowMs, () => {
      const rows = this.#rowsOf(ids)
      const before = this.#cancelledCount()
      for (const { seq } of rows) {
        const row = first<ItemRow>(this.query.briefBySeq, seq)!
        if (!hasEnded(itemStates[row.state]!)) this.#graph.end(row, 'cancelled', null, cause, nowMs)
      }
      return { cancelledCount: this.#cancelledCount() - before }
    })
  }

  #cancelledCount(): number {
    return this.counts
      .stats()
      .groups.reduce((sum, { state, count }) => sum + (state === 'cancelled' ? count : 0), 0)
  }

  retry(ids: ItemId[], nowMs: number) {
    return this.#write(nowMs, () => {
      const rows = this.#rowsOf(ids).filter(
        ({ state }) => state === stateNumber.failed || state === stateNumber.cancelled,
      )
      return { retriedCount: this.#graph.renew(rows, nowMs) }
    })
  }

  #rowsOf(ids: ItemId[]): ItemRow[] {
    return ids.map((id) => {
      const row = first<ItemRow>(this.query.briefById, id)
      if (row) return row
      throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}". \`plimsoll items\` lists them.`, {
        id,
      })
    })
  }

  sweep(nowMs: number) {
    return this.#write(nowMs, () => {
      let changedCount = 0
      let nextAtMs = Number.POSITIVE_INFINITY
      for (const row of all<ItemRow & { until: number }>(this.query.leased)) {
        if (row.until > nowMs) {
          nextAtMs = Math.min(nextAtMs, row.until)
          continue
        }
        changedCount++
        if (row.attempt < row.max_attempts) this.#graph.giveBack(row, row.attempt)
        else this.#graph.end(row, 'failed', null, leaseExpired, nowMs)
      }
      for (const row of all<ItemRow>(this.query.due, nowMs)) {
        changedCount++
        this.#graph.makeReady(row, nowMs)
      }
      const { until } = first<{ until: number | null }>(this.query.nextDue)!
      nextAtMs = Math.min(nextAtMs, until ?? Number.POSITIVE_INFINITY)
      return { changedCount, nextAtMs: Number.isFinite(nextAtMs) ? nextAtMs : null }
    })
  }

  releaseAll(nowMs: number): Promise<number> {
    return this.#write(nowMs, () => {
      const rows = all<ItemRow>(this.query.leased)
      for (const row of rows) this.#graph.giveBack(row, row.attempt - 1)
      return rows.length
    })
  }

  override async close(): Promise<void> {
    this.#flush()
    translate(this.file, () => this.db.close())
    this.#owner.close()
  }

  #write<T>(nowMs: number, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#operations.push({ work, nowMs, resolve, reject })
      if (this.#operations.length === 1) setImmediate(() => this.#flush())
    })
  }

  /** One transaction for all that was asked for since the last. Answers go out after the commit. */
  #flush(): void {
    const operations = this.#operations
    this.#operations = []
    if (operations.length === 0) return
    const answers: (() => void)[] = []
    try {
      translate(this.file, () => {
        this.db.exec('BEGIN IMMEDIATE')
        for (const operation of operations) answers.push(this.#perform(operation, operations.length > 1))
        this.db.exec('COMMIT')
      })
    } catch (error) {
      this.#undo('ROLLBACK')
      for (const { reject } of operations) reject(error)
      return
    }
    for (const answer of answers) answer()
  }

  #perform({ work, nowMs, resolve, reject }: Operation, isGrouped: boolean): () => void {
    if (isGrouped) this.db.exec('SAVEPOINT operation')
    try {
      const value = work()
      this.#graph.flushEvents(nowMs)
      if (isGrouped) this.db.exec('RELEASE operation')
      return () => resolve(value as never)
    } catch (error) {
      // A full disk undoes the whole transaction; a refusal of ours only its own operation.
      if (!(error instanceof SchedulerError)) throw error
      if (isGrouped) this.#undo('ROLLBACK TO operation; RELEASE operation')
      else if (this.db.isTransaction) this.#undo('ROLLBACK; BEGIN IMMEDIATE')
      return () => reject(error)
    }
  }

  #undo(sql: string): void {
    try {
      if (this.db.isTransaction) this.db.exec(sql)
      this.#restore()
    } catch {
      // The disk may be too full to undo in place; the next opening reads only what was committed.
    }
  }
}
