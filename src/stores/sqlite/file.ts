// How a file is recognised as one of our databases, and who may write to it. What is in it is described in
// schema.ts.
import { existsSync, realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { openSqlite } from './driver.ts'
import { corrupt, failed, isBusy, translate } from './errors.ts'
import { migrationFrom } from './migrations.ts'
import { schemaVersion, tables } from './schema.ts'

/** "PLIM": says that a file is ours. */
const applicationId = 0x504c494d

/** WAL lets others read while the owner writes; FULL means that what is committed is on disk. A small cache,
 * because a page that is split in the middle of a tree makes the next commit look through all of it: with 64
 * MB 5 % more CPU, with 8 MB 4 % more for reading again, and the system has the pages anyway. The log is
 * brought into the file every 16 MB: with 4 MB, which is SQLite's own, 2 % more. */
export const pragmas =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000'

/** Files up to this size are checked whole when they are opened; larger ones as they are read. */
const checkedBytes = 64e6

/** Opens for writing; makes a new file ours. Throws STORE_CORRUPT for one that is damaged or somebody else's,
 * and leaves it as it is. */
export function openDatabase(file: string): DatabaseSync {
  return translate(file, () => {
    const isNew = !existsSync(file) || statSync(file).size === 0
    if (!isNew) checkFile(file)
    const db = openSqlite(file, { timeout: 5000 })
    try {
      db.exec(pragmas)
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
    return openSqlite(file, { readOnly: true, timeout: 5000 })
  })
}

function checkFile(file: string): void {
  if (statSync(file).isDirectory()) throw failed(file, 'it is a folder', 'Name a file with --db.')
  checkHeader(file)
  if (statSync(file).size > checkedBytes) return
  const db = openSqlite(file, { readOnly: true, timeout: 5000 })
  try {
    const { quick_check: answer } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    if (answer !== 'ok') throw corrupt(file, answer)
  } finally {
    db.close()
  }
}

/** The file's version; 0: made, and its maker was killed before the tables came. */
function checkHeader(file: string): number {
  const db = openSqlite(file, { readOnly: true, timeout: 5000 })
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

/** One owner for each database: an exclusive transaction on a small file beside it, which the kernel ends
 * with the process, however it dies. Readers are not kept out. The lock follows links, so that two names of
 * one file are one. Throws STORE_LOCKED. */
export function lock(file: string): DatabaseSync {
  const ownerFile = `${existsSync(file) ? realpathSync(file) : resolve(file)}-owner`
  const db = translate(ownerFile, () => openSqlite(ownerFile, { timeout: 0 }))
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
