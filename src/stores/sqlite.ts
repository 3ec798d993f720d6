// The embedded store: one SQLite file through Node's own driver, WAL, synchronous FULL. Calls made in one turn of the
// event loop share a transaction (group commit), each in a savepoint of its own, and are answered after the commit: what
// a promise said is on disk. One process owns a database; others may read beside it (sqlite-reader.ts). How items change
// state is in sqlite-graph.ts, what they look like in the file in sqlite-schema.ts.
import type { DatabaseSync } from 'node:sqlite'
import { type ItemError, SchedulerError } from '../core/errors.ts'
import { leaseExpired } from '../core/lease.ts'
import { hasEnded, type ItemId, itemStates, type NewItem } from '../core/work-item.ts'
import { failed, isFromSqlite, translate } from './sqlite-errors.ts'
import { SqliteGraph } from './sqlite-graph.ts'
import { SqliteItems } from './sqlite-items.ts'
import { SqliteQueue } from './sqlite-queue.ts'
import { SqliteReader } from './sqlite-reader.ts'
import { first, type ItemRow, json, parse } from './sqlite-rows.ts'
import { lock, openDatabase, stateNumber } from './sqlite-schema.ts'
import type { Claim, ClaimRequest, Outcome, Resolver, Store, StoreStats } from './store.ts'

export { openSqliteReader } from './sqlite-reader.ts'

export interface SqliteOptions {
  file: string
  /** Asked about items with a step. Without one they run as they are. */
  resolver?: Resolver
}

/** Throws STORE_LOCKED, STORE_CORRUPT, STORE_FULL, STORE_FAILED. */
export async function openSqliteStore({ file, resolver }: SqliteOptions): Promise<Store> {
  const owner = lock(file)
  let db: DatabaseSync | null = null
  try {
    db = openDatabase(file)
    return new SqliteStore(file, db, owner, resolver ?? null)
  } catch (error) {
    db?.close()
    owner.close()
    throw error
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
  readonly #items: SqliteItems
  readonly #queue: SqliteQueue
  readonly #graph: SqliteGraph
  /** Counts the openings of the file: a token of an earlier process never matches. */
  readonly #opening: number
  #claimNumber = 0
  #operations: Operation[] = []
  /** Why counts and rows may differ: what was undone could not be read again. */
  #broken: unknown = null

  constructor(file: string, db: DatabaseSync, owner: DatabaseSync, resolver: Resolver | null) {
    super(file, db)
    this.#owner = owner
    this.#items = new SqliteItems(this.query)
    this.#queue = new SqliteQueue(this.query, this.#items, this.counts)
    this.#graph = new SqliteGraph(this.query, this.#items, this.#queue, this.counts, resolver)
    this.#opening = translate(file, () => {
      this.#restore()
      return Number(this.query.open.run().lastInsertRowid)
    })
  }

  /** What is kept beside the rows, from the rows. Cost: O(items). */
  #restore(): void {
    this.recount()
    this.#graph.reload()
    this.#queue.reload()
  }

  protected override headReadyAt(modelId: string, priority: number): number {
    return this.#queue.headReadyAt(modelId, priority)
  }

  /** One connection and no pause: what it reads is one snapshot. */
  protected override read<T>(work: () => T): T {
    return translate(this.file, work)
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
      const rows = this.#queue.choose(request)
      for (const row of rows) {
        this.#items.adopt(row)
        this.#graph.lease(row, token, nowMs + request.leaseMs, nowMs)
      }
      const items = rows.map((row) => ({
        id: row.id,
        input: parse(row.input),
        priority: row.priority,
        attempt: row.attempt,
        timeoutMs: row.timeout,
        step: row.step,
        sourceId: row.source_id,
      }))
      return { token, items }
    })
  }

  heartbeat(token: string, leaseMs: number, nowMs: number): Promise<boolean> {
    return this.#write(nowMs, () => {
      const claim = this.#items.claimOf(token)
      if (claim) this.#items.prolong(claim, nowMs + leaseMs)
      return claim !== undefined && !claim.isBroken
    })
  }

  finish(token: string, outcomes: Outcome[], nowMs: number) {
    return this.#write(nowMs, () => {
      const outputs = outcomes.map((each) =>
        each.type === 'done' ? json(each.output, `The output of item "${each.id}"`) : null,
      )
      const accepted: ItemId[] = []
      const stale: ItemId[] = []
      for (const [index, outcome] of outcomes.entries()) {
        const row = this.#items.claimOf(token)?.rows.get(outcome.id)
        if (row) this.#record(row, outcome, outputs[index]!, nowMs)
        ;(row ? accepted : stale).push(outcome.id)
      }
      return { accepted, stale }
    })
  }

  #record(row: ItemRow, outcome: Outcome, output: string | null, nowMs: number): void {
    if (outcome.type === 'done') this.#graph.end(row, 'done', output, null, nowMs)
    else if (outcome.type === 'release') this.#graph.giveBack(row, row.attempt - 1, true)
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
      for (const row of rows) {
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
      const row = this.#items.byId(id)
      if (row) return row
      throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}". \`plimsoll items\` lists them.`, {
        id,
      })
    })
  }

  sweep(nowMs: number) {
    return this.#write(nowMs, () => {
      let changedCount = 0
      for (const { row, claim } of this.#items.leased()) {
        // An end before it may have taken this one along.
        if (row.state !== stateNumber.leased || claim.untilMs > nowMs) continue
        changedCount++
        if (row.attempt < row.max_attempts) this.#graph.giveBack(row, row.attempt, false)
        else this.#graph.end(row, 'failed', null, leaseExpired, nowMs)
      }
      for (const row of this.#items.due(nowMs)) {
        changedCount++
        this.#graph.makeReady(row, nowMs)
      }
      this.#items.flush()
      const { until } = first<{ until: number | null }>(this.query.nextDue)!
      const ends = this.#items.leased().map(({ claim }) => claim.untilMs)
      const nextAtMs = ends.reduce((least, each) => Math.min(least, each), until ?? Number.POSITIVE_INFINITY)
      return { changedCount, nextAtMs: Number.isFinite(nextAtMs) ? nextAtMs : null }
    })
  }

  releaseAll(nowMs: number): Promise<number> {
    return this.#write(nowMs, () => {
      const rows = this.#items.leased()
      for (const { row } of rows) this.#graph.giveBack(row, row.attempt - 1, false)
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
      if (this.#broken) throw this.#broken
      translate(this.file, () => {
        this.db.exec('BEGIN IMMEDIATE')
        for (const operation of operations) answers.push(this.#perform(operation))
        this.db.exec('COMMIT')
      })
    } catch (error) {
      this.#undo('ROLLBACK')
      for (const { reject } of operations) reject(error)
      return
    }
    for (const answer of answers) answer()
  }

  /** A refusal of ours undoes its own operation; what SQLite refuses (a full disk) undoes the transaction. */
  #perform({ work, nowMs, resolve, reject }: Operation): () => void {
    this.db.exec('SAVEPOINT operation')
    try {
      const value = work()
      this.#graph.flush(nowMs)
      this.db.exec('RELEASE operation')
      return () => resolve(value as never)
    } catch (error) {
      if (isFromSqlite(error)) throw error
      this.#undo('ROLLBACK TO operation; RELEASE operation')
      return () => reject(error)
    }
  }

  #undo(sql: string): void {
    // A call refused at the door changed nothing: no need to read all rows again.
    const isClean = sql !== 'ROLLBACK' && this.#graph.isClean
    try {
      if (this.db.isTransaction) this.db.exec(sql)
      if (isClean) this.#items.forget()
      else this.#restore()
    } catch (error) {
      const advice = 'Close it and open it again: what was recorded is kept.'
      this.#broken = failed(this.file, 'a change could not be undone in memory', advice, error)
    }
  }
}
