// Rows and what they mean: every statement of the store by name, and the way from a row to an item. One query, one name.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { ItemError } from '../core/errors.ts'
import { itemStates, type NewItem } from '../core/work-item.ts'
import { policies, stateNumber } from './sqlite-schema.ts'
import type { StoredItem } from './store.ts'

/** What a change of state needs to know of an item. */
export interface ItemRow {
  seq: number
  id: string
  model: string
  priority: number
  state: number
  attempt: number
  max_attempts: number
  open: number
  submitted_at: number
  turn: number | null
  ready_at: number | null
  token: string | null
  maker: number | null
  is_expanded: number
  step: string | null
}

interface FullRow extends ItemRow {
  started_at: number | null
  ended_at: number | null
  timeout: number | null
  deadline_at: number | null
  source_id: string | null
  source: string | null
  input: string | null
  output: string | null
  error: string | null
}

const brief =
  'seq, id, model, priority, state, attempt, max_attempts, open, submitted_at, turn, ready_at, token, maker, is_expanded, step'
const { ready, leased, scheduled, blocked } = stateNumber

const queries = {
  add: `INSERT INTO item (seq, id, model, priority, state, attempt, max_attempts, open, submitted_at, ready_at, turn, timeout,
    deadline_at, maker, step, source_id, source, input) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  addEdge: 'INSERT OR IGNORE INTO edge (parent, child, place, policy) VALUES (?, ?, ?, ?)',
  briefById: `SELECT ${brief} FROM item WHERE id = ?`,
  briefBySeq: `SELECT ${brief} FROM item WHERE seq = ?`,
  fullById: 'SELECT * FROM item WHERE id = ?',
  fullBySeq: 'SELECT * FROM item WHERE seq = ?',
  children: 'SELECT child, policy FROM edge WHERE parent = ? ORDER BY child',
  closeEdge: `UPDATE item SET open = open - 1 WHERE seq = ? AND state = ${blocked} RETURNING ${brief}`,
  parents:
    'SELECT item.*, edge.policy FROM edge JOIN item ON item.seq = edge.parent WHERE edge.child = ? ORDER BY edge.place',
  parentStates:
    'SELECT item.seq, item.state, item.model, item.id, item.error, edge.policy FROM edge JOIN item ON item.seq = edge.parent WHERE edge.child = ? ORDER BY edge.place',
  parentModels:
    'SELECT item.model FROM edge JOIN item ON item.seq = edge.parent WHERE edge.child = ? AND item.state <= ?',
  made: 'SELECT seq FROM item WHERE maker = ? ORDER BY seq',
  setOpen: 'UPDATE item SET open = ? WHERE seq = ?',
  expand: 'UPDATE item SET open = ?, is_expanded = 1 WHERE seq = ?',
  setReady: `UPDATE item SET state = ${ready}, ready_at = ?, turn = ?, token = NULL, until = NULL WHERE seq = ?`,
  setInput: 'UPDATE item SET input = ? WHERE seq = ?',
  giveBack: `UPDATE item SET state = ${ready}, attempt = ?, token = NULL, until = NULL WHERE seq = ?`,
  lease: `UPDATE item SET state = ${leased}, attempt = attempt + 1, token = ?, until = ?, started_at = ? WHERE seq = ?`,
  prolong: `UPDATE item SET until = ? WHERE token = ? AND state = ${leased}`,
  schedule: `UPDATE item SET state = ${scheduled}, until = ?, token = NULL, error = ? WHERE seq = ?`,
  end: 'UPDATE item SET state = ?, output = ?, error = ?, ended_at = ?, token = NULL, until = NULL WHERE seq = ?',
  renew: `UPDATE item SET state = ${blocked}, attempt = 0, open = ?, output = NULL, error = NULL, ended_at = NULL,
    started_at = NULL, ready_at = NULL, until = NULL WHERE seq = ?`,
  head: `SELECT ready_at FROM item WHERE state = ${ready} AND model = ? AND priority = ? ORDER BY turn LIMIT 1`,
  queue: `SELECT ${brief}, input, timeout, source_id FROM item WHERE state = ${ready} AND model = ? AND priority = ? ORDER BY turn LIMIT ?`,
  leased: `SELECT ${brief}, until FROM item WHERE state = ${leased} ORDER BY turn`,
  due: `SELECT ${brief} FROM item WHERE state = ${scheduled} AND until <= ? ORDER BY until, seq`,
  nextDue: `SELECT min(until) AS until FROM item WHERE state = ${scheduled}`,
  addEvent: 'INSERT INTO event (first, last, at, state, items) VALUES (?, ?, ?, ?, ?)',
  events: 'SELECT first, last, at, state, items FROM event WHERE last > ? ORDER BY first LIMIT ?',
  idOf: 'SELECT id FROM item WHERE seq = ?',
  maxima: `SELECT (SELECT coalesce(max(seq), 0) FROM item) AS seq, (SELECT coalesce(max(turn), 0) FROM item) AS turn,
    (SELECT coalesce(max(last), 0) FROM event) AS event`,
  countStates: 'SELECT step, model, state, count(*) AS count FROM item GROUP BY step, model, state',
  countReady: `SELECT model, priority, count(*) AS count, avg(submitted_at) AS submitted FROM item WHERE state = ${ready} GROUP BY model, priority`,
  countEdges: `SELECT child.model AS child, parent.model AS parent, count(*) AS count FROM edge JOIN item child ON child.seq = edge.child
    JOIN item parent ON parent.seq = edge.parent WHERE child.state = ${blocked} AND parent.state <= ${leased} GROUP BY 1, 2`,
  open: 'INSERT INTO opening DEFAULT VALUES',
} as const

export type Queries = { [Name in keyof typeof queries]: StatementSync }

export function prepareQueries(db: DatabaseSync): Queries {
  return Object.fromEntries(Object.entries(queries).map(([name, sql]) => [name, db.prepare(sql)])) as Queries
}

/** One row, or undefined; the type is the caller's word for the query's columns. */
export function first<Row>(query: StatementSync, ...values: (string | number | null)[]): Row | undefined {
  return query.get(...values) as Row | undefined
}

export function all<Row>(query: StatementSync, ...values: (string | number | null)[]): Row[] {
  return query.all(...values) as Row[]
}

export function json(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value)
}

export function parse<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T)
}

/** The item as it was submitted; without its dependencies, which only `get` reads. */
export function toNewItem(row: FullRow): NewItem {
  return {
    id: row.id,
    modelId: row.model,
    input: parse(row.input),
    priority: row.priority,
    dependencies: [],
    step: row.step,
    sourceId: row.source_id,
    source: parse(row.source),
    maxAttempts: row.max_attempts,
    timeoutMs: row.timeout,
    deadlineAtMs: row.deadline_at,
  }
}

export function readItem(row: FullRow, read: Pick<Queries, 'parentStates' | 'idOf'>): StoredItem {
  const parents = all<{ id: string; policy: number }>(read.parentStates, row.seq)
  return {
    ...toNewItem(row),
    dependencies: parents.map(({ id, policy }) => ({ id, policy: policies[policy]! })),
    sequence: row.seq,
    state: itemStates[row.state]!,
    parentId: row.maker === null ? null : first<{ id: string }>(read.idOf, row.maker)!.id,
    output: parse(row.output),
    error: parse<ItemError>(row.error),
    attempt: row.attempt,
    submittedAtMs: row.submitted_at,
    readyAtMs: row.ready_at,
    startedAtMs: row.started_at,
    endedAtMs: row.ended_at,
  }
}

export type { FullRow }
