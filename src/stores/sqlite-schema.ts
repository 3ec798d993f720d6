// The tables, how a file is recognised as ours, and who may write to it. One row for each item, one for each dependency;
// events are rows of many, since a claim or a release changes many items at once. Partial indexes hold only what is looked
// for: ready items in claim order, and due ones.
//
// A lease does not touch its items: a claim is one row that names them, and a row that says `ready` and is named by a claim
// is leased. The items of a batch lie far apart: writing them for the lease as well as for the end would almost double the
// pages that a batch writes, and pages are what a commit costs.
import { existsSync, realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type EdgePolicy, type ItemState, itemStates } from '../core/work-item.ts'
import { corrupt, failed, isBusy, translate } from './sqlite-errors.ts'

/** "PLIM": says that a file is ours. */
const applicationId = 0x504c494d
const schemaVersion = 3

/** States and policies are stored by their place in these lists: append only. */
export const stateNumber = Object.fromEntries(itemStates.map((state, index) => [state, index])) as Record<
  ItemState,
  number
>
export const policies: readonly EdgePolicy[] = ['fail', 'skip', 'continue']

const tables = `
CREATE TABLE item (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  model TEXT NOT NULL,
  priority INTEGER NOT NULL,
  state INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  open INTEGER NOT NULL,
  submitted_at INTEGER NOT NULL,
  ready_at INTEGER,
  turn INTEGER,
  started_at INTEGER,
  ended_at INTEGER,
  until INTEGER,
  timeout INTEGER,
  deadline_at INTEGER,
  maker INTEGER,
  is_expanded INTEGER NOT NULL DEFAULT 0,
  step TEXT,
  source_id TEXT,
  source TEXT,
  input TEXT,
  output TEXT,
  error TEXT
) STRICT;
CREATE INDEX item_ready ON item (model, priority, turn) WHERE state = ${stateNumber.ready};
CREATE INDEX item_due ON item (until) WHERE state = ${stateNumber.scheduled};
CREATE INDEX item_maker ON item (maker) WHERE maker IS NOT NULL;
CREATE TABLE claim (
  token TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  items TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE edge (
  parent INTEGER NOT NULL,
  child INTEGER NOT NULL,
  place INTEGER NOT NULL,
  policy INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_child ON edge (child, place);
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
}

/** Files up to this size are checked whole when they are opened; larger ones as they are read. */
const checkedBytes = 64e6

/** Opens for writing; makes a new file ours. Throws STORE_CORRUPT for one that is damaged or somebody else's, and leaves
 * it as it is. */
export function openDatabase(file: string): DatabaseSync {
  return translate(file, () => {
    const isNew = !existsSync(file) || statSync(file).size === 0
    if (!isNew) checkFile(file)
    const db = new DatabaseSync(file, { timeout: 5000 })
    try {
      db.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536',
      )
      const { id, version } = readStamp(db)
      if (id !== applicationId) stamp(db, tables)
      else if (version < schemaVersion) stamp(db, migrationFrom(version))
      return db
    } catch (error) {
      db.close()
      throw error
    }
  })
}

function migrationFrom(version: number): string {
  return Object.entries(migrations)
    .filter(([from]) => Number(from) >= version)
    .map(([, sql]) => sql)
    .join('')
}

function stamp(db: DatabaseSync, sql: string): void {
  db.exec(
    `BEGIN IMMEDIATE; ${sql} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`,
  )
}

function readStamp(db: DatabaseSync) {
  const { application_id: id } = db.prepare('PRAGMA application_id').get() as { application_id: number }
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  return { id, version }
}

/** Opens for reading, beside an owner. */
export function openReadOnly(file: string): DatabaseSync {
  return translate(file, () => {
    const version = checkHeader(file)
    if (version === 0) throw failed(file, 'its owner is only just making it', 'Look again in a moment.')
    if (version < schemaVersion)
      throw failed(
        file,
        `it has the older version ${version}`,
        'The next `plimsoll run` brings it up to date.',
      )
    return new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  })
}

function checkFile(file: string): void {
  if (statSync(file).isDirectory()) throw failed(file, 'it is a folder', 'Name a file with --db.')
  checkHeader(file)
  if (statSync(file).size > checkedBytes) return
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  try {
    const { quick_check: answer } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    if (answer !== 'ok') throw corrupt(file, answer)
  } finally {
    db.close()
  }
}

/** The file's version; 0: made, and its maker was killed before the tables came. */
function checkHeader(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  try {
    const { id, version } = readStamp(db)
    const { count } = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number }
    if (id === 0 && count === 0) return 0
    if (id !== applicationId) throw corrupt(file, 'it belongs to another program')
    if (version < 1 || version > schemaVersion)
      throw corrupt(file, `it has version ${version}, this Plimsoll reads ${schemaVersion}`)
    return version
  } finally {
    db.close()
  }
}

/** One owner for each database: an exclusive transaction on a small file beside it, which the kernel ends with the
 * process, however it dies. Readers are not kept out. The lock follows links, so that two names of one file are one.
 * Throws STORE_LOCKED. */
export function lock(file: string): DatabaseSync {
  const ownerFile = `${existsSync(file) ? realpathSync(file) : resolve(file)}-owner`
  const db = translate(ownerFile, () => new DatabaseSync(ownerFile, { timeout: 0 }))
  try {
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db.close()
    return translate(isBusy(error) ? file : ownerFile, () => {
      throw error
    })
  }
}
