// The tables, and how a file is recognised as ours. One row for each item, one for each dependency; events are rows of
// many, since a claim or a release changes many items at once. Partial indexes hold only what is looked for: ready items
// in claim order, leased ones, due ones.
import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type ErrorCode, SchedulerError } from '../core/errors.ts'
import { type EdgePolicy, type ItemState, itemStates } from '../core/work-item.ts'

/** "PLIM": says that a file is ours. */
const applicationId = 0x504c494d
const schemaVersion = 1

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
  token TEXT,
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
CREATE INDEX item_leased ON item (token) WHERE state = ${stateNumber.leased};
CREATE INDEX item_due ON item (until) WHERE state = ${stateNumber.scheduled};
CREATE INDEX item_maker ON item (maker) WHERE maker IS NOT NULL;
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
  state INTEGER NOT NULL,
  items TEXT NOT NULL
) STRICT;
CREATE TABLE opening (number INTEGER PRIMARY KEY) STRICT;
`

/** Files up to this size are checked whole when they are opened; larger ones as they are read. */
const checkedBytes = 64e6

/** Opens for writing; makes a new file ours. Throws STORE_CORRUPT for one that is damaged or somebody else's, and leaves
 * it as it is. */
export function openDatabase(file: string): DatabaseSync {
  return translate(file, () => {
    const isNew = !existsSync(file) || statSync(file).size === 0
    if (!isNew) checkFile(file)
    const db = new DatabaseSync(file, { timeout: 5000 })
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16000',
    )
    const { application_id: id } = db.prepare('PRAGMA application_id').get() as { application_id: number }
    if (id !== applicationId) {
      db.exec(
        `BEGIN IMMEDIATE; ${tables} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`,
      )
    }
    return db
  })
}

/** Opens for reading, beside an owner. */
export function openReadOnly(file: string): DatabaseSync {
  return translate(file, () => {
    checkHeader(file)
    return new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  })
}

function checkFile(file: string): void {
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

function checkHeader(file: string): void {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  try {
    const { application_id: id } = db.prepare('PRAGMA application_id').get() as { application_id: number }
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    const { count } = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number }
    if (id === 0 && count === 0) return // made, and killed before the tables came
    if (id !== applicationId) throw corrupt(file, 'it belongs to another program')
    if (version !== schemaVersion)
      throw corrupt(file, `it has version ${version}, this Plimsoll reads ${schemaVersion}`)
  } finally {
    db.close()
  }
}

function corrupt(file: string, why: string, cause?: unknown): SchedulerError {
  const advice = 'It was left as it is. Move it away, or name another with --db.'
  return new SchedulerError(
    'STORE_CORRUPT',
    `The database ${file} cannot be used: ${why}. ${advice}`,
    { file },
    cause,
  )
}

/** Runs, and turns what SQLite throws into an error of ours. */
export function translate<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw toSchedulerError(file, error)
  }
}

// SQLite's result codes: https://sqlite.org/rescode.html
const codes: Record<number, ErrorCode> = {
  5: 'STORE_LOCKED',
  6: 'STORE_LOCKED',
  11: 'STORE_CORRUPT',
  13: 'STORE_FULL',
  26: 'STORE_CORRUPT',
}

function toSchedulerError(file: string, error: unknown): unknown {
  const { errcode, message } = error as { errcode?: number; message: string }
  if (errcode === undefined) return error
  const code = codes[errcode & 255] ?? 'STORE_FAILED'
  if (code === 'STORE_CORRUPT') return corrupt(file, message, error)
  if (code === 'STORE_FULL') {
    return new SchedulerError(
      code,
      `The disk of ${file} is full; nothing of the last step was recorded. Make room and run again.`,
      { file },
      error,
    )
  }
  if (code === 'STORE_LOCKED') return lockedError(file, error)
  return new SchedulerError(code, `The database ${file} refused: ${message}.`, { file, errcode }, error)
}

function lockedError(file: string, cause?: unknown): SchedulerError {
  return new SchedulerError(
    'STORE_LOCKED',
    `Another process uses ${file}. Wait until it ends, or name another database with --db.`,
    { file },
    cause,
  )
}

/** One owner for each database: an exclusive transaction on a small file beside it, which the kernel ends with the
 * process, however it dies. Readers are not kept out. Throws STORE_LOCKED. */
export function lock(file: string): DatabaseSync {
  const db = new DatabaseSync(`${file}-owner`, { timeout: 0 })
  try {
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db.close()
    throw lockedError(file, error)
  }
}
