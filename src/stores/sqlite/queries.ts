// Every statement of the store, by name: one query, one name. What is read for a change of state comes as
// arrays, which cost half of what objects do; lists of seqs and ids go in as JSON.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { stateNumber } from './schema.ts'
import { Writer } from './writer.ts'

/** Of `progress`, in the order in which rows are read and written. */
const columns = 'seq submitted_at kind state attempt open turn ready_at until run latest_end_at'.split(' ')
const brief = columns.map((name) => `progress.${name}`).join(', ')
export const briefCount = columns.length

/** A row as an array, in the order of the query's columns. */
export type Values = (number | null)[]

const { ready, leased, scheduled, blocked } = stateNumber

/** Items that a claim holds; their rows still say `ready`. */
export const held = 'SELECT value FROM claim, json_each(claim.items)'
const storedColumns = `item.seq, item.id, max_attempts, timeout, deadline_at, maker, source_id, parents, source,
  coalesce(run.input, item.input) AS input, kind.model, kind.step, item.priority, kind.priority AS effective_priority,
  kind.tenant, kind.pipeline, latest_end_at, submitted_at, state, attempt, ready_at,
  started_at, ended_at, output, error`
const storedTables = `item JOIN progress ON progress.seq = item.seq JOIN kind ON kind.number = progress.kind
  LEFT JOIN run ON run.number = progress.run`
/** Items with all that is stored of them. */
export const withLease = `SELECT ${storedColumns}, lease.leased_at FROM ${storedTables}
  LEFT JOIN (SELECT value AS held, claim.at AS leased_at FROM claim, json_each(claim.items)) AS lease ON lease.held = item.seq`

const queries = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  addKind: 'INSERT INTO kind (model, step, priority, tenant, pipeline) VALUES (?, ?, ?, ?, ?)',
  kinds: 'SELECT number, model, step, priority, tenant, pipeline FROM kind',
  dropResult:
    'UPDATE run SET started_at = NULL, ended_at = NULL, output = NULL, error = NULL WHERE number = ?',
  setParents: 'UPDATE item SET parents = ? WHERE seq = ?',
  errorOf: 'SELECT error FROM run WHERE number = ?',
  idOf: 'SELECT id FROM item WHERE seq = ?',
  parentsOf: 'SELECT parents FROM item WHERE seq = ?',
  submitted:
    'SELECT id, priority, max_attempts, timeout, deadline_at, source_id, source, input FROM item WHERE seq = ?',
  storedById: `${withLease} WHERE item.id = ?`,
  endedParents: `SELECT item.seq, item.id, source_id, source, kind.model, kind.step, state, output
    FROM (SELECT key AS place, value ->> 0 AS parent FROM item, json_each(item.parents) WHERE item.seq = ?)
    JOIN ${storedTables} WHERE item.seq = parent ORDER BY place`,
  dependencies: `SELECT parent.id, edge.value ->> 1 AS policy FROM item, json_each(item.parents) AS edge
    JOIN item AS parent ON parent.seq = edge.value ->> 0 WHERE item.seq = ? ORDER BY edge.key`,
  claims: 'SELECT token, at, until, items FROM claim',
  setClaim: 'INSERT OR REPLACE INTO claim (token, at, until, items) VALUES (?, ?, ?, ?)',
  dropClaim: 'DELETE FROM claim WHERE token = ?',
  nextDue: `SELECT min(until) AS until FROM progress WHERE state = ${scheduled}`,
  addEvent: 'INSERT INTO event (first, last, at, items, latest) VALUES (?, ?, ?, ?, ?)',
  // The row that holds the event after the cursor is the last one that begins at or before it.
  events: `SELECT first, at, items FROM event
    WHERE first >= coalesce((SELECT max(first) FROM event WHERE first <= ? + 1), 0) ORDER BY first`,
  maxima: `SELECT (SELECT coalesce(max(seq), 0) FROM item) AS seq, (SELECT coalesce(max(turn), 0) FROM progress) AS turn,
    (SELECT coalesce(max(number), 0) FROM run) AS run,
    (SELECT coalesce(max(last), 0) FROM (SELECT last FROM event ORDER BY first DESC LIMIT 1)) AS event,
    coalesce((SELECT latest FROM event ORDER BY first DESC LIMIT 1), 0) AS latestAtMs`,
  latestAt: 'SELECT latest FROM event ORDER BY first DESC LIMIT 1',
  // The mean, not the sum: of 5,300 real times it is more than the integers that a double holds, and
  // node:sqlite refuses it.
  countItems: `SELECT model, step, priority, tenant, pipeline, counted.* FROM (
    SELECT kind AS k, iif(state = ${ready} AND seq IN (${held}), ${leased}, state) AS state, count(*) AS count,
      avg(submitted_at) AS submitted, min(turn) AS turn, ready_at FROM progress GROUP BY 1, 2
    ) AS counted JOIN kind ON kind.number = k`,
  firstDue: `SELECT model, min(latest_end_at) AS latestEndAtMs FROM progress JOIN kind ON kind.number = progress.kind
    WHERE state = ${ready} AND latest_end_at IS NOT NULL AND seq NOT IN (${held}) GROUP BY model`,
  countEdges: `SELECT child.model, child.pipeline, parent.model AS parent, parent.pipeline AS parentPipeline, counted.count FROM (
    SELECT child.kind AS c, parent.kind AS p, count(*) AS count FROM progress AS parent CROSS JOIN edge ON edge.parent = parent.seq
      JOIN progress AS child ON child.seq = edge.child WHERE child.state = ${blocked} AND parent.state <= ${leased} GROUP BY 1, 2
    ) AS counted JOIN kind AS child ON child.number = c JOIN kind AS parent ON parent.number = p`,
  open: 'INSERT INTO opening DEFAULT VALUES',
} as const

/** Read as arrays. */
const rowQueries = {
  rowsBySeq: `SELECT ${brief} FROM json_each(?) AS wanted CROSS JOIN progress ON progress.seq = wanted.value`,
  rowsById: `SELECT ${brief}, wanted.key FROM json_each(?) AS wanted CROSS JOIN item ON item.id = wanted.value
    CROSS JOIN progress ON progress.seq = item.seq`,
  /** Without values of `progress` where it has not been written yet. */
  children: `SELECT ${brief}, edge.parent, edge.child, edge.policy FROM json_each(?) AS wanted
    CROSS JOIN edge ON edge.parent = wanted.value LEFT JOIN progress ON progress.seq = edge.child`,
  made: `SELECT ${brief} FROM item CROSS JOIN progress ON progress.seq = item.seq WHERE maker = ? ORDER BY item.seq`,
  ready: `SELECT kind, seq, turn, ready_at, latest_end_at FROM progress WHERE state = ${ready} AND seq NOT IN (${held}) ORDER BY turn`,
  /** Nothing holds them back but that their pipeline is not served. */
  heldBack: `SELECT ${brief} FROM progress WHERE state = ${blocked} AND open = 0 ORDER BY seq`,
  due: `SELECT ${brief} FROM progress WHERE state = ${scheduled} AND until <= ? ORDER BY until, seq`,
  taken: `SELECT ${brief}, wanted.key, item.id, max_attempts, coalesce(run.input, item.input), timeout, source_id
    FROM json_each(?) AS wanted CROSS JOIN progress ON progress.seq = wanted.value CROSS JOIN item ON item.seq = wanted.value
    LEFT JOIN run ON run.number = progress.run`,
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

/** What is written row by row; the values come in this order. */
export function prepareWriters(db: DatabaseSync) {
  const writer = (into: string, names: string, otherwise?: string) =>
    new Writer(db, into, names.split(' '), otherwise)
  return {
    item: writer(
      'INSERT INTO item',
      'seq id priority max_attempts timeout deadline_at maker source_id parents source input',
    ),
    progress: writer('INSERT OR REPLACE INTO progress', `${columns.join(' ')} room`),
    edge: writer('INSERT INTO edge', 'parent child policy'),
    input: writer('INSERT INTO run', 'number input', 'ON CONFLICT DO UPDATE SET input = excluded.input'),
    // Where no start is said the old one stands: an item that is given back keeps that of its last attempt.
    result: writer(
      'INSERT INTO run',
      'number started_at ended_at output error',
      `ON CONFLICT DO UPDATE SET
      started_at = coalesce(excluded.started_at, started_at), ended_at = excluded.ended_at, output = excluded.output, error = excluded.error`,
    ),
  }
}

/** One row, or undefined; the type is the caller's word for the query's columns. */
export function first<Row>(query: StatementSync, ...values: (string | number | null)[]): Row | undefined {
  return query.get(...values) as Row | undefined
}

export function all<Row>(query: StatementSync, ...values: (string | number | null)[]): Row[] {
  return query.all(...values) as Row[]
}
