// Reading a SQLite store: items, events and counts. A reader beside an owner counts from the rows, in one snapshot; the
// owner inherits from it and keeps its counts with every change.
import type { DatabaseSync } from 'node:sqlite'
import { type ItemId, itemStates } from '../../core/work/item.ts'
import type { QueueHead } from '../../core/work/queue-head.ts'
import type { ListQuery, Store, StoredItem, StoreEvent, StoreStats } from '../store.ts'
import { Counts, type LevelCounts } from './counts.ts'
import { translate } from './errors.ts'
import { openReadOnly } from './file.ts'
import { all, first, listQuery, prepareQueries, type Queries } from './queries.ts'
import { readItem, type StoredRow } from './rows.ts'
import { eventWidth, stateNumber } from './schema.ts'

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
      this.#readDue()
      return this.counts.heads()
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

  /** From the rows. Cost: O(items). */
  protected recount(): void {
    const { counts, query } = this
    counts.clear()
    const firstTurns = new Map<LevelCounts, number>()
    for (const row of all<CountedRow>(query.countItems)) {
      const { model, step, priority, tenant, state, count, submitted, turn, ready_at: readyAtMs } = row
      const level = counts.level(model, priority, tenant)
      counts.add({ group: counts.group(model, step), counts: level }, state, count, submitted)
      if (state !== stateNumber.ready || turn > (firstTurns.get(level) ?? Number.POSITIVE_INFINITY)) continue
      firstTurns.set(level, turn)
      level.queue = { readyAtMs }
    }
    for (const { child, parent, count } of all<{ child: string; parent: string; count: number }>(
      query.countEdges,
    ))
      counts.addEdges(counts.group(child, null), counts.group(parent, null), count)
  }

  /** One that has passed may still be shown: a reader has no clock. */
  #readDue(): void {
    for (const { model, latestEndAtMs } of all<{ model: string; latestEndAtMs: number }>(this.query.firstDue))
      this.counts.group(model, null).model.due = { latestEndAtMs }
  }
}

/** Items of one kind and state. */
interface CountedRow {
  model: string
  step: string | null
  priority: number
  tenant: string | null
  state: number
  count: number
  /** The mean of their submission times. */
  submitted: number
  /** The least of their turns, and since when that one is ready. */
  turn: number
  ready_at: number
}
