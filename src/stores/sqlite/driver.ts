// Node's own SQLite, loaded when a file is opened and not before: all else works on an older Node, which has
// none, and in a program that keeps its items elsewhere.
import type { DatabaseSync, DatabaseSyncOptions } from 'node:sqlite'
import { oldNode, runNode } from '../../core/errors.ts'

/** Throws OLD_NODE. */
export function openSqlite(file: string, options: DatabaseSyncOptions = {}): DatabaseSync {
  const met = process.versions.node
  const driver = isOld(met) ? undefined : process.getBuiltinModule('node:sqlite')
  if (!driver) throw oldNode('A database', met)
  return new driver.DatabaseSync(file, options)
}

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = runNode.split('.').map(Number)
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor)
}
