// The tables, and how those of an earlier version become these.
//
//   kind      a model, step and priority in use: items have its number
//   item      what was submitted: id, input, and what it waits for, as [[seq, policy], …] in its order
//   progress  how far it is: what changes when it is released and when it ends
//   result    how its last attempt ended, by a number that grows with each
//   edge      who waits for an item: item.parents the other way round
//   claim     the items that are leased together
//   event     what happened; a row for each call, since a call changes many items
//
// The life of an item in the file:
//
//   submitted   + item, + progress (blocked or ready), + edge for each that it waits for
//   released    progress: ready, its turn in the queue
//   leased      + claim, which names its items: their rows go on saying ready
//   ended       + result; progress: done and the result's number; - claim, with its last item
//
// A page of 4 KB that changed is what a commit costs, about as much CPU as ten rows: it goes to the log and later to its
// place. The items of a batch lie far apart, since others were submitted between them. So what changes is narrow and
// lies alone (a hundred rows of progress fit on a page, with the pages of their dependents often the same), what comes
// is written at the end of its table, and what can be said once for many is one row.
import { type EdgePolicy, type ItemState, itemStates } from '../core/work-item.ts'

export const schemaVersion = 4

/** States and policies are stored by their place in these lists: append only. */
export const stateNumber = Object.fromEntries(itemStates.map((state, index) => [state, index])) as Record<
  ItemState,
  number
>
export const policies: readonly EdgePolicy[] = ['fail', 'skip', 'continue']

/** Numbers of each change in `event.items`, one after the other: seq, state, attempt. */
export const eventWidth = 3

/** Those that version 4 brought. */
const itemTables = `
CREATE TABLE kind (
  number INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  step TEXT,
  priority INTEGER NOT NULL
) STRICT;
CREATE TABLE item (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  max_attempts INTEGER NOT NULL,
  timeout INTEGER,
  deadline_at INTEGER,
  maker INTEGER,
  source_id TEXT,
  parents TEXT,
  source TEXT,
  input TEXT
) STRICT;
CREATE INDEX item_maker ON item (maker) WHERE maker IS NOT NULL;
CREATE TABLE progress (
  seq INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  submitted_at INTEGER NOT NULL,
  state INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  open INTEGER NOT NULL,
  turn INTEGER,
  ready_at INTEGER,
  until INTEGER,
  run INTEGER
) STRICT;
CREATE INDEX progress_due ON progress (until) WHERE state = ${stateNumber.scheduled};
CREATE TABLE run (
  number INTEGER PRIMARY KEY,
  input TEXT,
  started_at INTEGER,
  ended_at INTEGER,
  output TEXT,
  error TEXT
) STRICT;
CREATE TABLE edge (
  parent INTEGER NOT NULL,
  child INTEGER NOT NULL,
  policy INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
`

export const tables = `${itemTables}
CREATE TABLE claim (
  token TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  items TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  at INTEGER NOT NULL,
  items TEXT NOT NULL
) STRICT;
CREATE TABLE opening (number INTEGER PRIMARY KEY) STRICT;
`

/** What leads from each version to the next. */
const migrations: Record<number, string> = {
  // An event's row had one state for all its items.
  1: `
DROP INDEX item_leased;
UPDATE event SET items = (SELECT json_group_array(json_array(value -> 0, event.state, value -> 1)) FROM json_each(event.items));
ALTER TABLE event DROP COLUMN state;
`,
  // A lease was written into each of its items.
  2: `
CREATE TABLE claim (token TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL, items TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO claim SELECT token, max(started_at), max(until), json_group_array(seq) FROM item WHERE state = ${stateNumber.leased} GROUP BY token;
UPDATE item SET state = ${stateNumber.ready}, attempt = attempt - 1, until = NULL WHERE state = ${stateNumber.leased};
ALTER TABLE item DROP COLUMN token;
`,
  // An item was one wide row, its edges stood in a table and in an index, and a change in an event was a list.
  3: `
DROP INDEX item_maker;
ALTER TABLE item RENAME TO wide;
ALTER TABLE edge RENAME TO wide_edge;
${itemTables}
INSERT INTO kind (model, step, priority) SELECT DISTINCT model, step, priority FROM wide;
INSERT INTO item SELECT seq, id, max_attempts, timeout, deadline_at, maker, source_id,
  (SELECT nullif(json_group_array(json_array(parent, policy) ORDER BY place), '[]') FROM wide_edge WHERE child = seq),
  source, input FROM wide;
INSERT INTO run SELECT seq, NULL, started_at, ended_at, output, error FROM wide
  WHERE coalesce(started_at, ended_at, output, error) IS NOT NULL;
INSERT INTO progress SELECT wide.seq, kind.number, submitted_at, state, attempt, open, turn, ready_at, until, run.number
  FROM wide JOIN kind ON kind.model = wide.model AND kind.step IS wide.step AND kind.priority = wide.priority
  LEFT JOIN run ON run.number = wide.seq;
INSERT INTO edge SELECT parent, child, policy FROM wide_edge;
DROP TABLE wide;
DROP TABLE wide_edge;
UPDATE event SET items = '[' || replace(replace(items, '[', ''), ']', '') || ']';
`,
}

/** SQL for a file of an earlier version. */
export function migrationFrom(version: number): string {
  return Object.entries(migrations)
    .filter(([from]) => Number(from) >= version)
    .map(([, sql]) => sql)
    .join('')
}
