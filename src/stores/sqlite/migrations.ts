// How the tables of an earlier version become those of the next one, and so on to the present tables
// (schema.ts). What stands here is never changed.
import { stateNumber } from './schema.ts'

/** Those that version 4 brought. */
const itemTables = `
CREATE TABLE kind (
  number INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  step TEXT,
  priority INTEGER NOT NULL,
  tenant TEXT
) STRICT;
CREATE TABLE item (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  priority INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  timeout INTEGER,
  deadline_at INTEGER,
  maker INTEGER, -- the seq of the fan-out item that made it
  source_id TEXT,
  parents TEXT, -- [[seq, policy], ...] in the order of its dependencies; null: none
  source TEXT,
  input TEXT
) STRICT;
CREATE INDEX item_maker ON item (maker) WHERE maker IS NOT NULL;
CREATE TABLE progress (
  seq INTEGER PRIMARY KEY,
  submitted_at INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  open INTEGER NOT NULL, -- parents that have not ended
  turn INTEGER, -- its place in the queue, which grows with every item that becomes ready
  ready_at INTEGER,
  until INTEGER, -- scheduled: the moment of the next attempt
  run INTEGER,
  latest_end_at INTEGER, -- by which it must have ended, for itself or for what waits for it; null: no deadline
  room TEXT -- keeps its length, see roomOf
) STRICT;
CREATE INDEX progress_due ON progress (until) WHERE state = ${stateNumber.scheduled};
CREATE TABLE run (
  number INTEGER PRIMARY KEY,
  input TEXT, -- null: that of the item
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
  // An item was one wide row, its edges stood in a table and in an index, and a change in an event was a
  // list.
  3: `
DROP INDEX item_maker;
ALTER TABLE item RENAME TO wide;
ALTER TABLE edge RENAME TO wide_edge;
${itemTables}
INSERT INTO kind (model, step, priority) SELECT DISTINCT model, step, priority FROM wide;
INSERT INTO item SELECT seq, id, priority, max_attempts, timeout, deadline_at, maker, source_id,
  (SELECT nullif(json_group_array(json_array(parent, policy) ORDER BY place), '[]') FROM wide_edge WHERE child = seq),
  source, input FROM wide;
INSERT INTO run SELECT seq, NULL, started_at, ended_at, output, error FROM wide
  WHERE coalesce(started_at, ended_at, output, error) IS NOT NULL;
INSERT INTO progress SELECT wide.seq, submitted_at, kind.number, state, attempt, open, turn, ready_at, until, run.number,
  deadline_at, NULL
  FROM wide JOIN kind ON kind.model = wide.model AND kind.step IS wide.step AND kind.priority = wide.priority
  LEFT JOIN run ON run.number = wide.seq;
INSERT INTO edge SELECT parent, child, policy FROM wide_edge;
DROP TABLE wide;
DROP TABLE wide_edge;
UPDATE event SET items = '[' || replace(replace(items, '[', ''), ']', '') || ']';
`,
  // Items were of one pipeline, and the latest moment was looked for in all of them.
  4: `
ALTER TABLE kind ADD COLUMN pipeline TEXT;
ALTER TABLE event ADD COLUMN latest INTEGER NOT NULL DEFAULT 0;
UPDATE event SET latest = (SELECT max(at) FROM event) WHERE first = (SELECT max(first) FROM event);
`,
}

/** SQL for a file of an earlier version. */
export function migrationFrom(version: number): string {
  return Object.entries(migrations)
    .filter(([from]) => Number(from) >= version)
    .map(([, sql]) => sql)
    .join('')
}
