// Where a run keeps its files: a database, and beside it, by the same name, everything else.
//
//   .plimsoll/archive.db             items, results (SQLite)
//   .plimsoll/archive.runners.jsonl  processes that were started, so that the next start reaps what a kill -9
//                                    left
//   .plimsoll/archive.journal.jsonl  events and decisions; further ones in archive.journal.2.jsonl and so on,
//                                    256 MB in all
//   .plimsoll/archive.profiles.json   what was learned of the models: memory, times
//   .plimsoll/archive.results.jsonl  results, one source a line
//   .plimsoll/archive.timeline.svg   the picture
//   .plimsoll/archive.logs/          what each worker printed, if anything
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { SchedulerError } from '../core/errors.ts'

/**
 * Where a run keeps its files: beside its database, by the same name. Paths are absolute.
 *
 * @beta
 * @example
 * ```ts
 * const files: RunFiles = runFiles('shout.db')
 * files.results.endsWith('/shout.results.jsonl') // => true
 * ```
 */
export interface RunFiles {
  /** Items and results. */
  database: string
  /** Processes that were started. */
  runners: string
  /** The first file of the events and decisions. */
  journal: string
  /** What was learned of the models. */
  profiles: string
  /** Results, one record a line. */
  results: string
  /** The picture of the run, SVG. */
  timeline: string
  /** A folder: what each worker printed. */
  logs: string
}

/**
 * The files of a run, by its database. Nothing is made. Never throws.
 *
 * @beta
 * @example
 * ```ts
 * runFiles('shout.db').database.endsWith('/shout.db') // => true
 * ```
 */
export function runFiles(database: string): RunFiles {
  const stem = join(dirname(resolve(database)), basename(database).replace(/\.(db|sqlite)$/, ''))
  return {
    database: resolve(database),
    runners: `${stem}.runners.jsonl`,
    journal: `${stem}.journal.jsonl`,
    profiles: `${stem}.profiles.json`,
    results: `${stem}.results.jsonl`,
    timeline: `${stem}.timeline.svg`,
    logs: `${stem}.logs`,
  }
}

/**
 * The database of a pipeline: `.plimsoll/<name>.db` in its folder. Nothing is made. Never throws.
 *
 * @beta
 * @example
 * ```ts
 * databaseOf('/data', 'shout') // => '/data/.plimsoll/shout.db'
 * ```
 */
export function databaseOf(folder: string, pipelineName: string): string {
  return join(folder, '.plimsoll', `${pipelineName}.db`)
}

/** Databases under `.plimsoll` here or one level of folders below, and of the examples. */
export function databasesHere(): string[] {
  const homes = ['.', ...foldersOf('.'), ...foldersOf('examples')].map((folder) => join(folder, '.plimsoll'))
  return homes
    .flatMap((home) => namesIn(home).map(({ name }) => join(home, name)))
    .filter((path) => path.endsWith('.db'))
    .sort()
}

function foldersOf(folder: string): string[] {
  return namesIn(folder)
    .filter((each) => !each.isFile() && !each.name.startsWith('.'))
    .map(({ name }) => join(folder, name))
}

/** Empty where there is no such folder. */
function namesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

/** The database that a command means: `--db`, or the only one under `.plimsoll` here or one level of folders
 * below. */
export function findDatabase(db: string | undefined): RunFiles {
  if (db !== undefined) {
    if (!existsSync(db))
      throw new SchedulerError(
        'BAD_VALUE',
        `There is no database "${db}". \`plimsoll run PIPELINE\` makes one.`,
      )
    return runFiles(db)
  }
  const found = databasesHere()
  if (found.length === 1) return runFiles(found[0]!)
  const choice = found.length === 0 ? 'none was found here' : `there are ${found.length}: ${found.join(', ')}`
  throw new SchedulerError(
    'BAD_VALUE',
    `Which database? ${choice}. Name it with --db FILE; \`plimsoll run PIPELINE\` makes one beside the pipeline.`,
  )
}
