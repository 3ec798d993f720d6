// Reading a SQLite store: items, events and counts. A reader beside an owner counts from the rows, in one snapshot; the
// owner inherits from it and keeps its counts with every change.
import type { DatabaseSync } from 'node:sqlite'
import type { QueueHead } from '../core/queue-head.ts'
import { type ItemId, itemStates } from '../core/work-item.ts'
import { Counts } from './counts.ts'
import { translate } from './sqlite-errors.ts'
import { openReadOnly } from './sqlite-file.ts'
import { all, first, listQuery, prepareQueries, type Queries } from './sqlite-queries.ts'
import { readItem, type StoredRow } from './sqlite-rows.ts'
import { eventWidth, stateNumber } from './sqlite-schema.ts'
import type { ListQuery, Store, StoredItem, StoreEvent, StoreStats } from './store.ts'

export type StoreReader = Pick<Store, 'get' | 'list' | 'events' | 'stats' | 'queueHeads' | 'close'>

/** Reads a database that another process may own. Throws STORE_CORRUPT, STORE_FAILED. */
export async function openSqliteReader(file: string): Promise<StoreReader> {
  const db = openReadOnly(file)
  try {
    return translate(file, () => new SqliteReader(file, db))
  } catch (error) {
    db.close()
    throw error
  }
}

export class SqliteReader {
  protected readonly file: string
  protected readonly db: DatabaseSync
  protected readonly query: Queries
  protected readonly counts = new Counts()
  /** The first ready item by priority and model, when the rows were counted. */
  readonly #firstReady = new Map<string, { turn: number; readyAtMs: number }>()

  constructor(file: string, db: DatabaseSync) {
    this.file = file
    this.db = db
    this.query = prepareQueries(db)
  }

  async get(id: ItemId): Promise<StoredItem | null> {
    return this.read(() => {
      const row = first<StoredRow>(this.query.storedById, id)
      return row ? readItem(row, this.query) : null
    })
  }

  async list({ state, step, modelId, parentId, after = 0, limit = 1000 }: ListQuery) {
    return this.read(() => {
      const filters: [string, string | undefined][] = [
        ['kind.step = ?', step],
        ['kind.model = ?', modelId],
        ['maker = (SELECT seq FROM item WHERE id = ?)', parentId],
      ]
      const used = filters.filter(([, value]) => value !== undefined)
      const sql = listQuery(state, ['item.seq > ?', ...used.map(([condition]) => condition)])
      const values = [after, ...used.map(([, value]) => value!), limit]
      const rows = all<StoredRow>(this.db.prepare(sql), ...values)
      const cursor = rows.length < limit ? null : (rows.at(-1)?.seq ?? null)
      return { items: rows.map((row) => readItem(row, this.query)), cursor }
    })
  }

  /** Cost: O(limit), wherever the cursor is. */
  async events(afterSequence: number, limit: number): Promise<StoreEvent[]> {
    return this.read(() => {
      const events: StoreEvent[] = []
      for (const row of this.query.events.iterate(afterSequence)) {
        const { first: start, at: atMs, items } = row as { first: number; at: number; items: string }
        const changes = JSON.parse(items) as number[]
        for (
          let index = Math.max(0, afterSequence + 1 - start);
          index * eventWidth < changes.length;
          index++
        ) {
          if (events.length >= limit) return events
          const at = index * eventWidth
          const [seq, state, attempt] = changes.slice(at, at + eventWidth) as [number, number, number]
          const itemId = first<{ id: string }>(this.query.idOf, seq)!.id
          events.push({ sequence: start + index, atMs, itemId, state: itemStates[state]!, attempt })
        }
      }
      return events
    })
  }

  async stats(): Promise<StoreStats> {
    return this.read(() => {
      this.recount()
      return this.counts.stats()
    })
  }

  async queueHeads(): Promise<QueueHead[]> {
    return this.read(() => {
      this.recount()
      return this.heads()
    })
  }

  async close(): Promise<void> {
    translate(this.file, () => this.db.close())
  }

  /** In one snapshot, whatever the owner writes meanwhile. */
  protected read<T>(work: () => T): T {
    return translate(this.file, () => {
      this.db.exec('BEGIN')
      try {
        return work()
      } finally {
        this.db.exec('COMMIT')
      }
    })
  }

  protected heads(): QueueHead[] {
    return this.counts.heads((modelId, priority) => this.headReadyAt(modelId, priority))
  }

  /** When the first item of a level became ready. */
  protected headReadyAt(modelId: string, priority: number): number {
    return this.#firstReady.get(`${priority} ${modelId}`)!.readyAtMs
  }

  /** From the rows. Cost: O(items). */
  protected recount(): void {
    const { counts, query } = this
    counts.clear()
    this.#firstReady.clear()
    for (const { model, step, state, count, priority, submitted, turn, ready_at } of all<Counted>(
      query.countItems,
    )) {
      counts.add(counts.group(model, step), state, count, priority, submitted)
      const level = `${priority} ${model}`
      if (
        state === stateNumber.ready &&
        turn < (this.#firstReady.get(level)?.turn ?? Number.POSITIVE_INFINITY)
      )
        this.#firstReady.set(level, { turn, readyAtMs: ready_at })
    }
    for (const { child, parent, count } of all<{ child: string; parent: string; count: number }>(
      query.countEdges,
    ))
      counts.addEdges(counts.group(child, null), counts.group(parent, null), count)
  }
}

/** Items of one model, step, priority and state. */
interface Counted {
  model: string
  step: string | null
  priority: number
  state: number
  count: number
  /** The mean of their submission times. */
  submitted: number
  /** The least of their turns, and since when that one is ready. */
  turn: number
  ready_at: number
}
