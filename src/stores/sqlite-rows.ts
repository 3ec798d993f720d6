// Rows and what they mean: every statement of the store by name, and the way from a row to an item. One query, one name.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type ItemError, SchedulerError } from '../core/errors.ts'
import { type ItemId, type ItemState, itemStates, type NewItem } from '../core/work-item.ts'
import type { Group } from './counts.ts'
import { policies, stateNumber } from './sqlite-schema.ts'
import type { StoredItem } from './store.ts'

/** A row of `progress` in memory: what a change of state needs to know of an item. */
export interface ItemRow {
  readonly seq: number
  /** Its names' numbers. */
  readonly model: number
  readonly step: number | null
  readonly priority: number
  /** Its place in `itemStates`. */
  state: number
  attempt: number
  /** Dependencies that have not ended. */
  open: number
  readonly submittedAtMs: number
  /** Its place in the queue: grows with every item that becomes ready. */
  turn: number | null
  readyAtMs: number | null
  /** The moment of the next attempt. */
  untilMs: number | null
  /** Its row in `result`. */
  result: number | null
  /** What it is counted in. */
  readonly group: Group
  // The rest is null where it has not been asked for.
  id: ItemId | null
  maxAttempts: number | null
  /** Since when a claim holds it, or held it in this operation. */
  startedAtMs: number | null
  /** What it waits for, as `item.parents` has it. */
  parents: Parent[] | null
  // What the next flush writes.
  isChanged: boolean
  /** Not in the file yet. */
  fresh: NewRow | null
  outcome: Result | null
}

export type Parent = [seq: number, policy: number]

/** An item with its JSON made, so that what JSON cannot say is refused before anything changes. */
export interface NewRow {
  item: NewItem
  source: string | null
  input: string | null
  /** The fan-out item that made it. */
  makerSeq: number | null
}

/** What an attempt came to, or why an item ended without one. */
export interface Result {
  /** Null: it goes on. */
  endedAtMs: number | null
  /** JSON. */
  output: string | null
  error: ItemError | null
}

/** All that is stored of an item. */
export interface StoredRow {
  seq: number
  id: ItemId
  model: string
  step: string | null
  priority: number
  state: number
  attempt: number
  max_attempts: number
  submitted_at: number
  ready_at: number | null
  started_at: number | null
  ended_at: number | null
  timeout: number | null
  deadline_at: number | null
  maker: number | null
  source_id: string | null
  parents: string | null
  source: string | null
  input: string | null
  output: string | null
  error: string | null
  /** Since when a claim holds it, or null: then the row says all. Only in what is read for callers. */
  leased_at?: number | null
}

/** Of `progress`, in the order in which `toRow` reads them. */
const brief = [
  'seq', 'model', 'step', 'priority', 'state', 'attempt', 'open', 'submitted_at', 'turn', 'ready_at', 'until', 'result',
].map((name) => `progress.${name}`).join(', ') // biome-ignore format: columns
export const briefCount = 12

/** A row as an array, in the order of the query's columns. */
export type Values = (number | null)[]

const { ready, leased, scheduled, blocked } = stateNumber

/** Items that a claim holds; their rows still say `ready`. */
const held = 'SELECT value FROM claim, json_each(claim.items)'
const storedColumns = `item.*, progress.*, model.text AS model, step.text AS step, result.started_at, result.ended_at,
  result.output, result.error`
const storedTables = `item JOIN progress ON progress.seq = item.seq JOIN name AS model ON model.number = progress.model
  LEFT JOIN name AS step ON step.number = progress.step LEFT JOIN result ON result.number = progress.result`
const withLease = `SELECT ${storedColumns}, lease.leased_at FROM ${storedTables}
  LEFT JOIN (SELECT value AS held, claim.at AS leased_at FROM claim, json_each(claim.items)) AS lease ON lease.held = item.seq`

const queries = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  addName: 'INSERT INTO name (text) VALUES (?)',
  names: 'SELECT number, text FROM name',
  addItem: `INSERT INTO item (seq, id, max_attempts, timeout, deadline_at, maker, source_id, parents, source, input)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  addProgress: `INSERT INTO progress (seq, model, step, priority, state, attempt, open, submitted_at, turn, ready_at, until, result)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  addEdge: 'INSERT INTO edge (parent, child, policy) VALUES (?, ?, ?)',
  change:
    'UPDATE progress SET state = ?, attempt = ?, open = ?, turn = ?, ready_at = ?, until = ?, result = ? WHERE seq = ?',
  // What is not said of a start was said before: an item that is given back keeps the start of its last attempt.
  setResult: `INSERT INTO result (number, started_at, ended_at, output, error) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    started_at = coalesce(excluded.started_at, started_at), ended_at = excluded.ended_at, output = excluded.output, error = excluded.error`,
  dropResult: 'DELETE FROM result WHERE number = ?',
  setInput: 'UPDATE item SET input = ? WHERE seq = ?',
  setParents: 'UPDATE item SET parents = ? WHERE seq = ?',
  errorOf: 'SELECT error FROM result WHERE number = ?',
  idOf: 'SELECT id FROM item WHERE seq = ?',
  parentsOf: 'SELECT parents FROM item WHERE seq = ?',
  stored: `SELECT ${storedColumns} FROM ${storedTables} WHERE item.seq = ?`,
  storedById: `${withLease} WHERE item.id = ?`,
  storedParents: `SELECT ${storedColumns} FROM (SELECT key AS place, value ->> 0 AS parent FROM item, json_each(item.parents) WHERE item.seq = ?)
    JOIN ${storedTables} WHERE item.seq = parent ORDER BY place`,
  dependencies: `SELECT parent.id, edge.value ->> 1 AS policy FROM item, json_each(item.parents) AS edge
    JOIN item AS parent ON parent.seq = edge.value ->> 0 WHERE item.seq = ? ORDER BY edge.key`,
  claims: 'SELECT token, at, until, items FROM claim',
  setClaim: 'INSERT OR REPLACE INTO claim (token, at, until, items) VALUES (?, ?, ?, ?)',
  dropClaim: 'DELETE FROM claim WHERE token = ?',
  nextDue: `SELECT min(until) AS until FROM progress WHERE state = ${scheduled}`,
  addEvent: 'INSERT INTO event (first, last, at, items) VALUES (?, ?, ?, ?)',
  // The row that holds the event after the cursor is the last one that begins at or before it.
  events: `SELECT first, at, items FROM event
    WHERE first >= coalesce((SELECT max(first) FROM event WHERE first <= ? + 1), 0) ORDER BY first`,
  maxima: `SELECT (SELECT coalesce(max(seq), 0) FROM item) AS seq, (SELECT coalesce(max(turn), 0) FROM progress) AS turn,
    (SELECT coalesce(max(number), 0) FROM result) AS result,
    (SELECT coalesce(max(last), 0) FROM (SELECT last FROM event ORDER BY first DESC LIMIT 1)) AS event`,
  // The mean, not the sum: of 5,300 real times it is more than the integers that a double holds, and node:sqlite refuses it.
  countItems: `SELECT model.text AS model, step.text AS step, counted.* FROM (
    SELECT model AS m, step AS s, iif(state = ${ready} AND seq IN (${held}), ${leased}, state) AS state, priority, count(*) AS count,
      avg(submitted_at) AS submitted, min(turn) AS turn, ready_at FROM progress GROUP BY 1, 2, 3, 4
    ) AS counted JOIN name AS model ON model.number = m LEFT JOIN name AS step ON step.number = s`,
  countEdges: `SELECT child.text AS child, parent.text AS parent, counted.count FROM (
    SELECT child.model AS c, parent.model AS p, count(*) AS count FROM progress AS parent CROSS JOIN edge ON edge.parent = parent.seq
      JOIN progress AS child ON child.seq = edge.child WHERE child.state = ${blocked} AND parent.state <= ${leased} GROUP BY 1, 2
    ) AS counted JOIN name AS child ON child.number = c JOIN name AS parent ON parent.number = p`,
  open: 'INSERT INTO opening DEFAULT VALUES',
} as const

/** Those that are read most, as arrays (half the cost of objects). Lists of seqs and ids are JSON. */
const rowQueries = {
  rowsBySeq: `SELECT ${brief} FROM json_each(?) AS wanted CROSS JOIN progress ON progress.seq = wanted.value`,
  rowsById: `SELECT ${brief}, wanted.key FROM json_each(?) AS wanted CROSS JOIN item ON item.id = wanted.value
    CROSS JOIN progress ON progress.seq = item.seq`,
  /** Without values of `progress` where it has not been written yet. */
  children: `SELECT ${brief}, edge.parent, edge.child, edge.policy FROM json_each(?) AS wanted
    CROSS JOIN edge ON edge.parent = wanted.value LEFT JOIN progress ON progress.seq = edge.child`,
  made: `SELECT ${brief} FROM item CROSS JOIN progress ON progress.seq = item.seq WHERE maker = ? ORDER BY item.seq`,
  ready: `SELECT model, priority, seq, turn, ready_at FROM progress WHERE state = ${ready} AND seq NOT IN (${held}) ORDER BY turn`,
  due: `SELECT ${brief} FROM progress WHERE state = ${scheduled} AND until <= ? ORDER BY until, seq`,
  taken: `SELECT ${brief}, wanted.key, item.id, max_attempts, input, timeout, source_id FROM json_each(?) AS wanted
    CROSS JOIN progress ON progress.seq = wanted.value CROSS JOIN item ON item.seq = wanted.value`,
} as const

export type Queries = { [Name in keyof (typeof queries & typeof rowQueries)]: StatementSync }

export function prepareQueries(db: DatabaseSync): Queries {
  const prepared = [...Object.entries(queries), ...Object.entries(rowQueries)].map(([name, sql]) => {
    const statement = db.prepare(sql)
    statement.setReturnArrays(name in rowQueries)
    return [name, statement]
  })
  return Object.fromEntries(prepared)
}

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
export function toNewItem(row: StoredRow): NewItem {
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

export function readItem(row: StoredRow, read: Pick<Queries, 'dependencies' | 'idOf'>): StoredItem {
  const parents = row.parents ? all<{ id: string; policy: number }>(read.dependencies, row.seq) : []
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
