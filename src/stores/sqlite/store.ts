// The embedded store: one SQLite file through Node's own driver, WAL, synchronous FULL. Calls made in one turn of the
// event loop share a transaction (group commit) and are answered after the commit: what a promise said is on disk, but for
// leases, which are in the file and may be lost with the machine. A call checks all that it may refuse before it changes
// anything, so a refusal leaves the others of its transaction alone.
// One process owns a database; others may read beside it (reader.ts). How items change state is in
// graph.ts, what they look like in the file in schema.ts.
import type { DatabaseSync } from 'node:sqlite'
import { type ItemError, SchedulerError } from '../../core/errors.ts'
import { isRetryable } from '../../core/work/edges.ts'
import { hasEnded, type ItemId, itemStates, type NewItem } from '../../core/work/item.ts'
import { leaseExpired } from '../../core/work/lease.ts'
import type { Claim, ClaimRequest, Outcome, RetryQuery, Store, StoreOptions, StoreStats } from '../store.ts'
import { SqliteClaims } from './claims.ts'
import { failed, isFromSqlite, translate } from './errors.ts'
import { lock, openDatabase } from './file.ts'
import { SqliteGraph } from './graph.ts'
import { SqliteKinds } from './kinds.ts'
import { all, first, pageQuery, type Values } from './queries.ts'
import { SqliteQueue } from './queue.ts'
import { SqliteReader } from './reader.ts'
import { type BriefRow, type ItemRow, json, parse } from './rows.ts'
import { SqliteItems } from './working-set.ts'

export { openSqliteReader } from './reader.ts'

export interface SqliteOptions extends StoreOptions {
  file: string
}

/** Throws STORE_LOCKED, STORE_CORRUPT, STORE_FULL, STORE_FAILED. */
export async function openSqliteStore({ file, ...options }: SqliteOptions): Promise<Store> {
  const owner = lock(file)
  let db: DatabaseSync | null = null
  try {
    db = openDatabase(file)
    return new SqliteStore(file, db, owner, options)
  } catch (error) {
    db?.close()
    owner.close()
    throw error
  }
}

interface Operation {
  work: () => unknown
  /** Lost with the machine it would be as if it had not been asked for. */
  mayBeLost: boolean
  nowMs: number
  resolve: (value: never) => void
  reject: (error: unknown) => void
}

class SqliteStore extends SqliteReader implements Store {
  readonly supports = { durable: true, shared: false }
  readonly #owner: DatabaseSync
  readonly #kinds: SqliteKinds
  readonly #claims: SqliteClaims
  readonly #items: SqliteItems
  readonly #queue = new SqliteQueue()
  readonly #graph: SqliteGraph
  /** Counts the openings of the file: a token of an earlier process never matches. */
  readonly #opening: number
  #claimNumber = 0
  #waitsForDisk = true
  #operations: Operation[] = []
  /** Why counts and rows may differ: what was undone could not be read again. */
  #broken: unknown = null

  constructor(file: string, db: DatabaseSync, owner: DatabaseSync, options: StoreOptions) {
    super(file, db, options.serves)
    this.#owner = owner
    const { query, counts } = this
    this.#claims = new SqliteClaims(query)
    this.#kinds = new SqliteKinds(query, counts, this.#queue)
    this.#items = new SqliteItems(db, query, this.#kinds, this.#claims)
    this.#graph = new SqliteGraph(query, counts, this.#claims, this.#kinds, this.#items, options)
    this.#opening = translate(file, () => {
      this.#restore()
      return Number(this.query.open.run().lastInsertRowid)
    })
  }

  /** What is kept beside the rows, from the rows. Cost: O(items). */
  #restore(): void {
    this.recount()
    this.#queue.clear()
    this.#kinds.reload()
    this.#graph.reload()
    for (const values of this.query.ready.iterate()) {
      const [kind, seq, turn, readyAtMs, latestEndAtMs] = values as unknown as Values
      this.#kinds
        .of(kind!)
        .level.add({ seq: seq!, turn: turn!, readyAtMs: readyAtMs!, latestEndAtMs: latestEndAtMs! })
    }
  }

  /** One connection and no pause: what it reads is one snapshot. */
  protected override read<T>(work: () => T): T {
    return translate(this.file, work)
  }

  submit(items: NewItem[], nowMs: number) {
    return this.#write(nowMs, () => this.#graph.submit(items, nowMs))
  }

  override async queueHeads() {
    return this.read(() => this.counts.heads())
  }

  override async stats(): Promise<StoreStats> {
    return this.counts.stats()
  }

  /** Of leases the disk is not waited for (docs/adr/0006). */
  #lease<T>(nowMs: number, work: () => T): Promise<T> {
    return this.#write(nowMs, work, true)
  }

  claim(request: ClaimRequest, nowMs: number): Promise<Claim> {
    return this.#lease(nowMs, () => {
      const token = `${this.#opening}.${++this.#claimNumber}`
      const taken = this.#items.take(this.#queue.take(request))
      const rows = taken.map(({ row }) => row)
      this.#graph.lease(rows, token, nowMs + request.leaseMs, nowMs)
      const items = taken.map(({ row: { id, kind, attempt }, input, timeoutMs, sourceId }) => {
        const { priority, step, tenant } = kind
        return { id: id!, input: parse(input), priority, attempt, timeoutMs, step, sourceId, tenant }
      })
      return { token, items }
    })
  }

  heartbeat(token: string, leaseMs: number, nowMs: number): Promise<boolean> {
    return this.#lease(nowMs, () => {
      const claim = this.#claims.of(token)
      if (claim) this.#claims.prolong(claim, nowMs + leaseMs)
      return claim !== undefined && !claim.isBroken
    })
  }

  finish(token: string, outcomes: Outcome[], nowMs: number) {
    return this.#write(nowMs, () => {
      const outputs = outcomes.map(outputOf)
      const rows = this.#claims.of(token)?.byId
      this.#items.lookForChildren(outcomes.flatMap(({ id }) => rows?.get(id) ?? []))
      const accepted: ItemId[] = []
      const stale: ItemId[] = []
      for (const [index, outcome] of outcomes.entries()) {
        const row = rows?.get(outcome.id)
        if (row) this.#record(row, outcome, outputs[index]!, nowMs)
        ;(row ? accepted : stale).push(outcome.id)
      }
      return { accepted, stale }
    })
  }

  #record(row: ItemRow, outcome: Outcome, output: string | null, nowMs: number): void {
    if (outcome.type === 'done') this.#graph.end(row, 'done', output, null, nowMs)
    else if (outcome.type === 'release') this.#graph.giveBack(row, row.attempt - 1, true)
    else if (outcome.retryable && row.attempt < row.maxAttempts!)
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
      json(cause, 'The cause')
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

  retry(which: ItemId[] | RetryQuery, nowMs: number) {
    return this.#write(nowMs, () => {
      const ids = Array.isArray(which) ? which : this.#retryable(which)
      const rows = this.#rowsOf(ids).filter(({ state }) => isRetryable(itemStates[state]!))
      return { retriedCount: this.#graph.renew(rows, nowMs) }
    })
  }

  #retryable({ state, pipeline, errorCode }: RetryQuery): ItemId[] {
    const { sql, values } = pageQuery({ state, pipeline, limit: -1 }, true)
    const rows = all<BriefRow>(this.db.prepare(sql), ...values)
    return rows.filter(({ code }) => errorCode === undefined || code === errorCode).map(({ id }) => id)
  }

  #rowsOf(ids: ItemId[]): ItemRow[] {
    this.#items.look(new Set(ids))
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
      for (const row of this.#claims.leased()) {
        // An end before it may have taken this one along.
        if (row.claim === null || row.claim.untilMs > nowMs) continue
        changedCount++
        if (row.attempt < row.maxAttempts!) this.#graph.giveBack(row, row.attempt, false)
        else this.#graph.end(row, 'failed', null, leaseExpired, nowMs)
      }
      for (const row of this.#items.due(nowMs)) {
        changedCount++
        this.#graph.makeReady(row, nowMs)
      }
      this.#items.flush()
      const lateAtMs = this.#queue.dropLate(nowMs)
      const { until } = first<{ until: number | null }>(this.query.nextDue)!
      const ends = this.#claims.leased().map(({ claim }) => claim!.untilMs)
      const nextAtMs = ends.reduce(
        (least, each) => Math.min(least, each),
        Math.min(lateAtMs, until ?? lateAtMs),
      )
      return { changedCount, nextAtMs: Number.isFinite(nextAtMs) ? nextAtMs : null }
    })
  }

  releaseAll(nowMs: number): Promise<number> {
    return this.#write(nowMs, () => {
      const rows = this.#claims.leased()
      for (const row of rows) this.#graph.giveBack(row, row.attempt - 1, false)
      this.#graph.releaseHeldBack(nowMs)
      return rows.length
    })
  }

  override async close(): Promise<void> {
    this.#flush()
    translate(this.file, () => this.db.close())
    this.#owner.close()
  }

  #write<T>(nowMs: number, work: () => T, mayBeLost = false): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#operations.push({ work, mayBeLost, nowMs, resolve, reject })
      if (this.#operations.length === 1) setImmediate(() => this.#flush())
    })
  }

  /** One transaction for all that was asked for since the last. */
  #flush(): void {
    const operations = this.#operations
    this.#operations = []
    if (operations.length > 0) this.#carryOut(operations)
  }

  /** Answers go out after the commit. What SQLite refuses (a full disk) fails all; what breaks one call fails it alone, and
   * the others are carried out anew. */
  #carryOut(operations: readonly Operation[]): void {
    const answers: (() => void)[] = []
    let failing = operations
    try {
      if (this.#broken) throw this.#broken
      translate(this.file, () => {
        this.#waitForDisk(!operations.every(({ mayBeLost }) => mayBeLost))
        this.query.begin.run()
        for (const operation of operations) {
          try {
            answers.push(this.#perform(operation))
          } catch (error) {
            if (!isFromSqlite(error)) failing = [operation]
            throw error
          }
        }
        this.query.commit.run()
      })
    } catch (error) {
      this.#undo()
      for (const { reject } of failing) reject(error)
      const others = operations.filter((each) => !failing.includes(each))
      if (others.length > 0) this.#carryOut(others)
      return
    }
    for (const answer of answers) answer()
  }

  /** Whether commits return when they are on disk. A process that is killed loses nothing either way. */
  #waitForDisk(isWaiting: boolean): void {
    if (isWaiting === this.#waitsForDisk) return
    this.db.exec(`PRAGMA synchronous = ${isWaiting ? 'FULL' : 'NORMAL'}`)
    this.#waitsForDisk = isWaiting
  }

  /** A call that is refused has changed nothing: the transaction goes on. */
  #perform({ work, nowMs, resolve, reject }: Operation): () => void {
    try {
      const value = work()
      this.#graph.flush(nowMs)
      return () => resolve(value as never)
    } catch (error) {
      if (isFromSqlite(error) || !this.#graph.isClean) throw error
      this.#items.forget()
      return () => reject(error)
    }
  }

  #undo(): void {
    try {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      this.#restore()
    } catch (error) {
      const advice = 'Close it and open it again: what was recorded is kept.'
      this.#broken = failed(this.file, 'a change could not be undone in memory', advice, error)
    }
  }
}

/** The output as JSON. Throws BAD_VALUE, also for an error that JSON cannot say. */
function outputOf(outcome: Outcome): string | null {
  if (outcome.type === 'done') return json(outcome.output, `The output of item "${outcome.id}"`)
  if (outcome.type === 'fail') json(outcome.error, `The error of item "${outcome.id}"`)
  return null
}
