// Rows and what they mean: every statement of the store by name, and the way from a row to an item. One query, one name.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type ItemError, SchedulerError } from '../core/errors.ts'
import { type ItemState, itemStates, type NewItem } from '../core/work-item.ts'
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
  /** Dependencies that have not ended. */
  open: number
  submitted_at: number
  /** Its place in the queue: grows with every item that becomes ready. */
  turn: number | null
  ready_at: number | null
  started_at: number | null
  ended_at: number | null
  /** The moment of the next attempt. */
  until: number | null
  /** The fan-out item that made it. */
  maker: number | null
  is_expanded: number
  step: string | null
}

export interface FullRow extends ItemRow {
  /** Since when a claim holds it, or null: then the row says all. Only in what is read for callers. */
  leased_at?: number | null
  timeout: number | null
  deadline_at: number | null
  source_id: string | null
  source: string | null
  input: string | null
  output: string | null
  error: string | null
}

/** A row at one end of an edge: null where it has not been written yet. */
export type EdgeRow = { other: number; policy: number } & (ItemRow | { seq: null })

const names = [
  'seq', 'id', 'model', 'priority', 'state', 'attempt', 'max_attempts', 'open', 'submitted_at', 'turn', 'ready_at',
  'started_at', 'ended_at', 'until', 'maker', 'is_expanded', 'step',
] // biome-ignore format: columns
const brief = names.join(', ')
const briefItem = names.map((name) => `item.${name}`).join(', ')
const { ready, leased, scheduled, blocked } = stateNumber

/** Items that a claim holds; their rows still say `ready`. */
const held = 'SELECT value FROM claim, json_each(claim.items)'
const withLease = `SELECT item.*, lease.leased_at FROM item
  LEFT JOIN (SELECT value AS held, claim.at AS leased_at FROM claim, json_each(claim.items)) lease ON lease.held = item.seq`

const queries = {
  add: `INSERT INTO item (seq, id, model, priority, state, attempt, max_attempts, open, submitted_at, turn, ready_at, ended_at,
    timeout, deadline_at, maker, is_expanded, step, source_id, source, input)
    VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  change: `UPDATE item SET state = ?, attempt = ?, open = ?, turn = ?, ready_at = ?, started_at = ?, ended_at = ?,
    until = ?, is_expanded = ? WHERE seq = ?`,
  changeOpen: 'UPDATE item SET open = ? WHERE seq = ?',
  setResult: `UPDATE item SET state = ?, attempt = ?, open = ?, turn = ?, ready_at = ?, started_at = ?, ended_at = ?,
    until = ?, is_expanded = ?, output = ?, error = ? WHERE seq = ?`,
  setInput: 'UPDATE item SET input = ? WHERE seq = ?',
  addEdge: 'INSERT OR IGNORE INTO edge (parent, child, place, policy) VALUES (?, ?, ?, ?)',
  isKnown: 'SELECT 1 FROM item WHERE id = ?',
  briefById: `SELECT ${brief} FROM item WHERE id = ?`,
  briefBySeq: `SELECT ${brief} FROM item WHERE seq = ?`,
  storedById: `${withLease} WHERE item.id = ?`,
  fullBySeq: 'SELECT * FROM item WHERE seq = ?',
  errorOf: 'SELECT error FROM item WHERE seq = ?',
  idOf: 'SELECT id FROM item WHERE seq = ?',
  children: `SELECT edge.child AS other, edge.policy, ${briefItem} FROM edge LEFT JOIN item ON item.seq = edge.child
    WHERE edge.parent = ? ORDER BY edge.child`,
  parents: `SELECT edge.parent AS other, edge.policy, ${briefItem} FROM edge LEFT JOIN item ON item.seq = edge.parent
    WHERE edge.child = ? ORDER BY edge.place`,
  fullParents:
    'SELECT item.* FROM edge JOIN item ON item.seq = edge.parent WHERE edge.child = ? ORDER BY edge.place',
  dependencies:
    'SELECT item.id, edge.policy FROM edge JOIN item ON item.seq = edge.parent WHERE edge.child = ? ORDER BY edge.place',
  made: `SELECT ${brief} FROM item WHERE maker = ? ORDER BY seq`,
  head: `SELECT ready_at FROM item WHERE state = ${ready} AND model = ? AND priority = ? AND seq NOT IN (${held})
    ORDER BY turn LIMIT 1`,
  front: `SELECT seq, turn, ready_at FROM item
    WHERE state = ${ready} AND model = ? AND priority = ? AND turn >= ? ORDER BY turn LIMIT ?`,
  queue: `SELECT ${brief}, input, timeout, source_id FROM item
    WHERE state = ${ready} AND model = ? AND priority = ? AND turn >= ? ORDER BY turn LIMIT ?`,
  claims: 'SELECT token, at, until, items FROM claim',
  setClaim: 'INSERT OR REPLACE INTO claim (token, at, until, items) VALUES (?, ?, ?, ?)',
  dropClaim: 'DELETE FROM claim WHERE token = ?',
  due: `SELECT ${brief} FROM item WHERE state = ${scheduled} AND until <= ? ORDER BY until, seq`,
  nextDue: `SELECT min(until) AS until FROM item WHERE state = ${scheduled}`,
  addEvent: 'INSERT INTO event (first, last, at, items) VALUES (?, ?, ?, ?)',
  // The row that holds the event after the cursor is the last one that begins at or before it.
  events: `SELECT first, at, items FROM event
    WHERE first >= coalesce((SELECT max(first) FROM event WHERE first <= ? + 1), 0) ORDER BY first`,
  maxima: `SELECT (SELECT coalesce(max(seq), 0) FROM item) AS seq, (SELECT coalesce(max(turn), 0) FROM item) AS turn,
    (SELECT coalesce(max(last), 0) FROM (SELECT last FROM event ORDER BY first DESC LIMIT 1)) AS event`,
  countStates: `SELECT step, model, iif(state = ${ready} AND seq IN (${held}), ${leased}, state) AS state, count(*) AS count
    FROM item GROUP BY 1, 2, 3`,
  // The mean, not the sum: of 5,300 real times it is more than the integers that a double holds, and node:sqlite refuses it.
  countReady: `SELECT model, priority, count(*) AS count, avg(submitted_at) AS submitted FROM item
    WHERE state = ${ready} AND seq NOT IN (${held}) GROUP BY model, priority`,
  countEdges: `SELECT child.model AS child, parent.model AS parent, count(*) AS count FROM item child CROSS JOIN edge ON edge.child = child.seq
    JOIN item parent ON parent.seq = edge.parent WHERE child.state = ${blocked} AND parent.state <= ${leased} GROUP BY 1, 2`,
  open: 'INSERT INTO opening DEFAULT VALUES',
} as const

export type Queries = { [Name in keyof typeof queries]: StatementSync }

/** The items of a page, by conditions on their columns. */
export function listQuery(state: ItemState | undefined, conditions: readonly string[]): string {
  const isHeld = `item.seq IN (${held})`
  const byState = {
    ready: `state = ${ready} AND NOT ${isHeld}`,
    leased: isHeld,
  }[state as string]
  const where = [...conditions, ...(state ? [byState ?? `state = ${stateNumber[state]}`] : [])]
  return `${withLease} WHERE ${where.join(' AND ')} ORDER BY item.seq LIMIT ?`
}

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

/** Throws BAD_VALUE for what JSON cannot say; `what` names it. */
export function json(value: unknown, what: string): string | null {
  if (value === null || value === undefined) return null
  try {
    return JSON.stringify(value) ?? null
  } catch (error) {
    const { message } = error as Error
    throw new SchedulerError('BAD_VALUE', `${what} is not JSON: ${message}`, { what }, error)
  }
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
    tenant: null,
  }
}

export function readItem(row: FullRow, read: Pick<Queries, 'dependencies' | 'idOf'>): StoredItem {
  const parents = all<{ id: string; policy: number }>(read.dependencies, row.seq)
  const isLeased = (row.leased_at ?? null) !== null
  return {
    ...toNewItem(row),
    dependencies: parents.map(({ id, policy }) => ({ id, policy: policies[policy]! })),
    sequence: row.seq,
    state: isLeased ? 'leased' : itemStates[row.state]!,
    parentId: row.maker === null ? null : first<{ id: string }>(read.idOf, row.maker)!.id,
    output: parse(row.output),
    error: parse<ItemError>(row.error),
    attempt: row.attempt + (isLeased ? 1 : 0),
    submittedAtMs: row.submitted_at,
    readyAtMs: row.ready_at,
    startedAtMs: row.leased_at ?? row.started_at,
    endedAtMs: row.ended_at,
  }
}
