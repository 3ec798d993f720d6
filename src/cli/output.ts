// The two ways to answer: a table for people, or one JSON value with --json. And the way to the files that a
// command writes.
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SchedulerError } from '../core/errors.ts'
import { printable } from './cells.ts'
import { renderTable, type Table } from './table.ts'

export function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`)
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export function printTable(table: Table): void {
  print(renderTable(table, { width: process.stdout.columns ?? 120 }))
}

/** `1 load`, `3 loads`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** Throws BAD_VALUE where a file cannot be written: before the work is done that ends in it. `flag` names
 * it. */
export function assertWritable(file: string, flag: string): void {
  const refuse = (why: string) => {
    throw new SchedulerError('BAD_VALUE', `${flag} ${file} cannot be written: ${why}.`, { file })
  }
  if (file === '-') refuse('it is no name of a file; `plimsoll export` writes to standard output')
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) refuse('it is a folder; name a file in it')
  const folder = dirname(resolve(file))
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch (error) {
    refuse((error as Error).message)
  }
}
