// The tables. How those of an earlier version become these is in migrations.ts.
//
//   kind      a model, a step, a priority, a tenant and a pipeline: once for all items that have them
//   item      what was submitted, and whom it waits for; only a fan-out adds to that later
//   progress  how far an item is: a narrow row, since it alone is written again and again
//   run       what an item was given to run, and how that ended; by a number that grows
//   edge      who waits for an item: item.parents the other way round
//   claim     the items that are leased together
//   event     what changed; one row for each call
//
// The life of an item in the file, each line one transaction with an event:
//
//   submitted   + item, + progress (blocked, or at once ready), + an edge for each that it waits for
//   inherits    progress: the kind of a higher priority, an earlier latest end; in the transaction of what
//               waits for it
//   released    progress: ready, with its turn      + run: the input that the resolver made
//   leased      + claim: names it; its progress goes on saying ready
//   ended       progress: done, with its run        + run: output, error and times        - claim: with its
//               last item
//
// What a commit costs is the pages that it changed: one of 4 KB takes the CPU of five rows, in the log and
// once more in its place. The items of a batch lie far apart, since others were submitted between them.
// Therefore what is written again is narrow (a hundred rows of progress on a page), what comes later is
// appended, what can be said once for many is one row, and the order of the queues is kept in memory
// (queue.ts), not in an index.
import { type EdgePolicy, type ItemState, itemStates } from '../../core/work/item.ts'

export const schemaVersion = 5

/** States and policies are stored by their place in these lists: append only. */
export const stateNumber = Object.fromEntries(itemStates.map((state, index) => [state, index])) as Record<
  ItemState,
  number
>
/** Dots that a row of `progress` carries for what will come: state, turn and moment of a blocked one, the run
 * of a ready one. A row that grows splits its page, which is full; so this one never does. 4 % of the CPU. */
export function roomOf(state: number): string | null {
  if (state === stateNumber.blocked) return '.............'
  return state === stateNumber.ready ? '...' : null
}

export const policies: readonly EdgePolicy[] = ['fail', 'skip', 'continue']

/** Numbers of each change in `event.items`, one after the other: seq, state, attempt. */
export const eventWidth = 3

export const tables = `
CREATE TABLE kind (
  number INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  step TEXT,
  priority INTEGER NOT NULL, -- in the queue: an item's own, or one that it inherited
  tenant TEXT,
  pipeline TEXT
) STRICT;
CREATE TABLE item (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  priority INTEGER NOT NULL, -- its own
  max_attempts INTEGER NOT NULL,
  timeout INTEGER,
  deadline_at INTEGER, -- its own
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
CREATE TABLE claim (
  token TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  items TEXT NOT NULL -- [seq, ...]
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  at INTEGER NOT NULL,
  latest INTEGER NOT NULL, -- the latest of these moments so far: a clock may go backwards
  items TEXT NOT NULL -- [seq, state, attempt, seq, ...]
) STRICT;
CREATE TABLE opening (number INTEGER PRIMARY KEY) STRICT; -- a token begins with it
`
