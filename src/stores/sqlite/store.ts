// The store in one SQLite file, through Node's own driver. Calls that are made in one turn of the event loop
// share a transaction (group commit), and are answered when it is on disk (WAL, synchronous FULL). Leases are
// the exception: they are answered when they are in the file, and may be lost with the machine
// (docs/adr/0006).
//
// A call checks all that it may refuse before it changes anything: a refusal leaves the other calls of its
// transaction alone. One process owns a database; others may read beside it (reader.ts). How items change
// state is in core/work/transitions.ts, what they look like in the file in schema.ts.
import type { DatabaseSync } from 'node:sqlite'
import { type ItemError, SchedulerError } from '../../core/errors.ts'
import type { ItemId, NewItem } from '../../core/work/item.ts'
import { Transitions } from '../../core/work/transitions.ts'
import type { Claim, ClaimRequest, Outcome, RetryQuery, Store, StoreOptions, StoreStats } from '../store.ts'
import { Claims } from './claims.ts'
import { failed, isFromSqlite, translate } from './errors.ts'
import { lock, openDatabase } from './file.ts'
import { Kinds } from './kinds.ts'
import { pageQuery } from './pages.ts'
import { all } from './queries.ts'
import { Queues } from './queues.ts'
import { SqliteReader } from './reader.ts'
import { type BriefRow, type ItemRow, json, parse } from './rows.ts'
import { SqliteWorkingSet } from './working-set.ts'

export { openSqliteReader } from './open-reader.ts'

/**
 * How a store in a file is opened.
 *
 * @beta
 * @example
 * ```ts
 * const options: SqliteOptions = { file: 'options.db' }
 * const store = await openSqliteStore(options)
 * await store.close()
 * ```
 */
export interface SqliteOptions extends StoreOptions {
  /** It is made where there is none. */
  file: string
}

/**
 * A store in one SQLite file, which one process owns. What it has answered survives `kill -9`. Rejects with
 * STORE_LOCKED, STORE_CORRUPT, STORE_FULL, STORE_FAILED, OLD_NODE.
 *
 * @param options - the file, and how items with a step are resolved
 * @beta
 * @example
 * ```ts
 * const store = await openSqliteStore({ file: 'items.db' })
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * await openSqliteStore({ file: 'items.db' }) // rejects STORE_LOCKED
 * await store.close()
 * ```
 */
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

type Asked<T> = Pick<Operation, 'nowMs' | 'mayBeLost'> & { work: () => T }

class SqliteStore extends SqliteReader implements Store {
  readonly supports = { durable: true, shared: false }
  readonly #owner: DatabaseSync
  readonly #kinds: Kinds
  readonly #claims: Claims
  readonly #queues = new Queues()
  readonly #set: SqliteWorkingSet
  readonly #transitions: Transitions<ItemRow>
  #waitsForDisk = true
  #operations: Operation[] = []
  /** Why counts and rows may differ: what was undone could not be read again. */
  #broken: unknown = null

  constructor(file: string, db: DatabaseSync, owner: DatabaseSync, options: StoreOptions) {
    super(file, db, options.serves)
    this.#owner = owner
    const { query, counts } = this
    this.#claims = new Claims(query)
    this.#kinds = new Kinds(query, counts, this.#queues)
    const beside = { query, counts, queues: this.#queues, kinds: this.#kinds, claims: this.#claims }
    this.#set = new SqliteWorkingSet(db, beside)
    this.#transitions = new Transitions(this.#set, options)
    translate(file, () => {
      this.#restore()
      this.#claims.open()
    })
  }

  /** What is kept beside the rows, from the rows. Cost: O(items). */
  #restore(): void {
    this.recount()
    this.#queues.clear()
    this.#kinds.reload()
    this.#transitions.reset()
    this.#set.reload()
    for (const values of this.query.ready.iterate()) {
      const [kind, sequence, turn, readyAtMs, latestEndAtMs] = values as unknown as number[]
      const item = { sequence: sequence!, turn: turn!, readyAtMs: readyAtMs!, latestEndAtMs: latestEndAtMs! }
      this.#kinds.of(kind!).level.add(item)
    }
  }

  /** One connection and no pause: what it reads is one snapshot. */
  protected override read<T>(work: () => T): T {
    return translate(this.file, work)
  }

  submit(items: NewItem[], nowMs: number) {
    return this.#write(nowMs, () => this.#transitions.submit(items, nowMs))
  }

  override async queueHeads() {
    return this.read(() => this.counts.heads())
  }

  override async stats(): Promise<StoreStats> {
    return this.counts.stats()
  }

  /** A lease is answered before it is on disk (docs/adr/0006). */
  #lease<T>(nowMs: number, work: () => T): Promise<T> {
    return this.#ask({ nowMs, work, mayBeLost: true })
  }

  claim(request: ClaimRequest, nowMs: number): Promise<Claim> {
    return this.#lease(nowMs, () => {
      const taken = this.#set.takeReady(request)
      const rows = taken.map(({ row }) => row)
      const token = this.#transitions.lease(rows, request.leaseMs, nowMs)
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
      const packed = outcomes.map(pack)
      this.#set.prefetchChildren(outcomes.flatMap(({ id }) => this.#set.heldBy(token, id) ?? []))
      return this.#transitions.finish(token, packed, nowMs)
    })
  }

  cancel(
    ids: ItemId[],
    nowMs: number,
    cause: ItemError = { code: 'CANCELLED', message: 'it was cancelled' },
  ) {
    return this.#write(nowMs, () => {
      const rows = this.#rowsOf(ids)
      json(cause, 'The cause')
      return { cancelledCount: this.#transitions.cancel(rows, cause, nowMs) }
    })
  }

  retry(which: ItemId[] | RetryQuery, nowMs: number) {
    return this.#write(nowMs, () => {
      const rows = this.#rowsOf(Array.isArray(which) ? which : this.#retryable(which))
      return { retriedCount: this.#transitions.retry(rows, nowMs) }
    })
  }

  adopt(ids: ItemId[], pipeline: string, nowMs: number) {
    return this.#write(nowMs, () => ({
      adoptedCount: this.#transitions.adopt(this.#rowsOf(ids), pipeline, nowMs),
    }))
  }

  #retryable({ state, pipeline, errorCode }: RetryQuery): ItemId[] {
    const { sql, values } = pageQuery('brief', { state, pipeline, limit: -1 })
    const rows = all<BriefRow>(this.db.prepare(sql), ...values)
    return rows.filter(({ code }) => errorCode === undefined || code === errorCode).map(({ id }) => id)
  }

  #rowsOf(ids: ItemId[]): ItemRow[] {
    this.#set.prefetch(new Set(ids))
    return ids.map((id) => {
      const row = this.#set.find(id)
      if (row) return row
      throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}". \`plimsoll items\` lists them.`, {
        id,
      })
    })
  }

  sweep(nowMs: number) {
    return this.#write(nowMs, () => this.#transitions.sweep(nowMs))
  }

  releaseAll(nowMs: number): Promise<number> {
    return this.#write(nowMs, () => this.#transitions.releaseAll(nowMs))
  }

  override async close(): Promise<void> {
    this.#flush()
    translate(this.file, () => this.db.close())
    this.#owner.close()
  }

  #write<T>(nowMs: number, work: () => T): Promise<T> {
    return this.#ask({ nowMs, work, mayBeLost: false })
  }

  #ask<T>({ nowMs, work, mayBeLost }: Asked<T>): Promise<T> {
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

  /** Answers go out after the commit. What SQLite refuses (a full disk) fails all; what breaks one call fails
   * it alone, and the others are carried out anew. */
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
      this.#set.write(nowMs)
      return () => resolve(value as never)
    } catch (error) {
      if (isFromSqlite(error) || !this.#set.isClean) throw error
      this.#set.forget()
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

/** With its output as JSON. Throws BAD_VALUE, also for an error that JSON cannot say. */
function pack(outcome: Outcome): Outcome {
  if (outcome.type === 'done') {
    const { type, id, output } = outcome
    return { type, id, output: json(output, `The output of item "${id}"`) }
  }
  if (outcome.type === 'fail') json(outcome.error, `The error of item "${outcome.id}"`)
  return outcome
}
