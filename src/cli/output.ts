// The two ways to answer: a table for people, or one JSON value with --json. And the ways to the database that a
// command means, and to the files that it writes.
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { SchedulerError } from '../core/errors.ts'
import { findDatabase, type RunFiles } from '../record/files.ts'
import { openSqliteReader, openSqliteStore } from '../stores/sqlite/store.ts'
import type { Store } from '../stores/store.ts'
import { renderTable, type Table } from './table.ts'

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

export function printTable(table: Table): void {
  print(renderTable(table, { width: process.stdout.columns ?? 120 }))
}

/** `1 load`, `3 loads`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** Throws BAD_VALUE where a file cannot be written: before the work is done that ends in it. `flag` names it. */
export function assertWritable(file: string, flag: string): void {
  const refuse = (why: string) => {
    throw new SchedulerError('BAD_VALUE', `${flag} ${file} cannot be written: ${why}.`, { file })
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) refuse('it is a folder; name a file in it')
  const folder = dirname(resolve(file))
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch (error) {
    refuse((error as Error).message)
  }
}

/** A command about a database: `--db` and `--json` are the same on each. */
export function databaseCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option(
      '--db <file>',
      'database of the run (default: the only one in .plimsoll here or one folder below)',
    )
    .option('--json', 'answer in JSON')
}

export type Reader = Pick<Store, 'get' | 'list' | 'events' | 'stats' | 'queueHeads' | 'close'>

/** Reads beside a run that owns the database. */
export async function readDatabase<T>(
  db: string | undefined,
  work: (store: Reader, files: RunFiles) => Promise<T>,
): Promise<T> {
  const files = findDatabase(db)
  const store = await openSqliteReader(files.database)
  return work(store, files).finally(() => store.close())
}

/** Changes a database; refused with STORE_LOCKED while a run owns it. */
export async function changeDatabase<T>(
  db: string | undefined,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await openSqliteStore({ file: findDatabase(db).database })
  return work(store).finally(() => store.close())
}
