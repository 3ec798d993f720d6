// Node's own SQLite, loaded when a file is opened and not before: all else works on an older Node, which has
// none, and in a program that keeps its items elsewhere.
import type { DatabaseSync, DatabaseSyncOptions } from 'node:sqlite'
import { oldNode } from '../../core/errors.ts'

/** It is there without a flag since 22.13, and waits for a file that is in use (`timeout`) since 22.16;
 * workers in TypeScript need no flag since this. */
const oldest = { major: 22, minor: 18 }

/** Throws OLD_NODE. */
export function openSqlite(file: string, options: DatabaseSyncOptions = {}): DatabaseSync {
  const met = process.versions.node
  const [major = 0, minor = 0] = met.split('.').map(Number)
  const isOld = major < oldest.major || (major === oldest.major && minor < oldest.minor)
  const driver = isOld ? undefined : process.getBuiltinModule('node:sqlite')
  if (!driver) throw oldNode('A database', { needed: `${oldest.major}.${oldest.minor}`, met })
  return new driver.DatabaseSync(file, options)
}
