// Reading a SQLite store: items, events and counts. A reader beside an owner counts from the rows, in one snapshot; the
// owner inherits from it and keeps its counts with every change.
import type { DatabaseSync } from 'node:sqlite'
import type { QueueHead } from '../core/queue-head.ts'
import { type ItemId, itemStates } from '../core/work-item.ts'
import { Counts } from './counts.ts'
import { translate } from './sqlite-errors.ts'
import { all, type FullRow, first, listQuery, prepareQueries, type Queries, readItem } from './sqlite-rows.ts'
import { openReadOnly } from './sqlite-schema.ts'
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

  constructor(file: string, db: DatabaseSync) {
    this.file = file
    this.db = db
    this.query = prepareQueries(db)
  }

  async get(id: ItemId): Promise<StoredItem | null> {
    return this.read(() => {
      const row = first<FullRow>(this.query.storedById, id)
      return row ? readItem(row, this.query) : null
    })
  }

  async list({ state, step, modelId, parentId, after = 0, limit = 1000 }: ListQuery) {
    return this.read(() => {
      const filters: [string, string | undefined][] = [
        ['step = ?', step],
        ['model = ?', modelId],
        ['maker = (SELECT seq FROM item WHERE id = ?)', parentId],
      ]
      const used = filters.filter(([, value]) => value !== undefined)
      const sql = listQuery(state, ['item.seq > ?', ...used.map(([condition]) => condition)])
      const values = [after, ...used.map(([, value]) => value!), limit]
      const rows = all<FullRow>(this.db.prepare(sql), ...values)
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
        const changes = JSON.parse(items) as [seq: number, state: number, attempt: number][]
        for (let index = Math.max(0, afterSequence + 1 - start); index < changes.length; index++) {
          if (events.length >= limit) return events
          const [seq, state, attempt] = changes[index]!
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
    return (
      first<{ ready_at: number }>(this.query.head, modelId, priority)?.ready_at ?? Number.POSITIVE_INFINITY
    )
  }

  /** From the rows. Cost: O(items). */
  protected recount(): void {
    interface Group {
      step: string | null
      model: string
      state: number
      priority: number
      count: number
      submitted: number
      child: string
      parent: string
    }
    this.counts.clear()
    for (const { step, model, state, count } of all<Group>(this.query.countStates)) {
      const name = itemStates[state]!
      this.counts.addState(step, model, name, count)
      if (name === 'blocked' || name === 'scheduled') this.counts.addBlocked(model, count)
    }
    for (const { model, priority, count, submitted } of all<Group>(this.query.countReady))
      this.counts.addReady(model, priority, count, submitted)
    for (const { child, parent, count } of all<Group>(this.query.countEdges))
      this.counts.addEdges(child, parent, count)
  }
}
