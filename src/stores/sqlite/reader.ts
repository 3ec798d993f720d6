// Reading a SQLite store: items, events and counts. A reader beside an owner counts from the rows, in one
// snapshot. The owner inherits from it, and keeps its counts with every change instead.
import type { DatabaseSync } from 'node:sqlite'
import { type ItemId, itemStates } from '../../core/work/item.ts'
import type { QueueHead } from '../../core/work/queue-head.ts'
import type { ItemBrief, ListQuery, StoredItem, StoreEvent, StoreStats } from '../store.ts'
import { Counts, type LevelCounts } from './counts.ts'
import { translate } from './errors.ts'
import { pageQuery } from './pages.ts'
import { all, first, prepareQueries, type Queries } from './queries.ts'
import { type BriefRow, readBrief, readItem, type StoredRow } from './rows.ts'
import { eventWidth, stateNumber } from './schema.ts'

export class SqliteReader {
  protected readonly file: string
  protected readonly db: DatabaseSync
  protected readonly query: Queries
  protected readonly counts: Counts

  /** `serves`: see `StoreOptions`; one that only reads sees all. */
  constructor(file: string, db: DatabaseSync, serves: (pipeline: string | null) => boolean = () => true) {
    this.counts = new Counts(serves)
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

  async list(query: ListQuery) {
    return this.#page<StoredRow, StoredItem>(pageQuery('whole', query), (row) => readItem(row, this.query))
  }

  async briefs(query: ListQuery) {
    return this.#page<BriefRow, ItemBrief>(pageQuery('brief', query), readBrief)
  }

  #page<Row extends { seq: number }, Item>(
    { sql, values, limit }: ReturnType<typeof pageQuery>,
    show: (row: Row) => Item,
  ) {
    return this.read(() => {
      const rows = all<Row>(this.db.prepare(sql), ...values)
      return { items: rows.map(show), cursor: rows.length < limit ? null : (rows.at(-1)?.seq ?? null) }
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

  async latestAtMs(): Promise<number> {
    return this.read(() => first<{ latest: number }>(this.query.latestAt)?.latest ?? 0)
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
      const { model, state, count, submitted, turn, ready_at: readyAtMs } = row
      const counted = counts.of({ ...row, modelId: model })
      const level = counted.counts
      counts.add(counted, state, count, submitted)
      if (state !== stateNumber.ready || turn > (firstTurns.get(level) ?? Number.POSITIVE_INFINITY)) continue
      firstTurns.set(level, turn)
      level.queue = { readyAtMs }
    }
    for (const { model, pipeline, parent, parentPipeline, count } of all<CountedEdges>(query.countEdges))
      counts.addEdges(counts.model(model, pipeline), counts.model(parent, parentPipeline), count)
  }

  /** One that has passed may still be shown: a reader has no clock. */
  #readDue(): void {
    for (const { model, latestEndAtMs } of all<{ model: string; latestEndAtMs: number }>(this.query.firstDue))
      this.counts.model(model, null).due = { latestEndAtMs }
  }
}

/** Open dependencies of items of a model and pipeline on others. */
interface CountedEdges {
  model: string
  pipeline: string | null
  parent: string
  parentPipeline: string | null
  count: number
}

/** Items of one kind and state. */
interface CountedRow {
  model: string
  step: string | null
  priority: number
  tenant: string | null
  pipeline: string | null
  state: number
  count: number
  /** The mean of their submission times. */
  submitted: number
  /** The least of their turns, and since when that one is ready. */
  turn: number
  ready_at: number
}
