// What SQLite and the file system refuse becomes an error of ours that says what to do. An error that is ours
// already passes as it is.
import { type ErrorCode, SchedulerError } from '../../core/errors.ts'

// SQLite's result codes: https://sqlite.org/rescode.html
const codes: Record<number, ErrorCode> = {
  5: 'STORE_LOCKED',
  6: 'STORE_LOCKED',
  11: 'STORE_CORRUPT',
  13: 'STORE_FULL',
  26: 'STORE_CORRUPT',
}
const cannotOpen = 14

/** Runs, and turns what SQLite throws into an error of ours. */
export function translate<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw toSchedulerError(file, error)
  }
}

/** SQLite itself refused: it may have undone the whole transaction. */
export function isFromSqlite(error: unknown): boolean {
  return (error as { errcode?: number }).errcode !== undefined
}

export function isBusy(error: unknown): boolean {
  return codes[((error as { errcode?: number }).errcode ?? 0) & 255] === 'STORE_LOCKED'
}

function toSchedulerError(file: string, error: unknown): unknown {
  const { errcode, code: nodeCode, message } = error as { errcode?: number; code?: string; message: string }
  if (nodeCode === 'ERR_INVALID_STATE') return failed(file, 'it is closed', 'Open it again.', error)
  if (nodeCode === 'ENOSPC') return full(file, error)
  if (errcode === undefined) return error
  const code = codes[errcode & 255] ?? 'STORE_FAILED'
  if (code === 'STORE_CORRUPT') return corrupt(file, message, error)
  if (code === 'STORE_FULL') return full(file, error)
  if (code === 'STORE_LOCKED') return locked(file, error)
  const advice =
    (errcode & 255) === cannotOpen
      ? 'Check that its folder exists and that it may be read and written.'
      : 'Check the disk and the rights to the file, then run again: what was recorded is kept.'
  return failed(file, message, advice, error)
}

export function failed(file: string, why: string, advice: string, cause?: unknown): SchedulerError {
  return new SchedulerError(
    'STORE_FAILED',
    `The database ${file} cannot be used: ${why}. ${advice}`,
    { file },
    cause,
  )
}

export function corrupt(file: string, why: string, cause?: unknown): SchedulerError {
  const advice = 'It was left as it is. Move it away, or name another with --db.'
  return new SchedulerError(
    'STORE_CORRUPT',
    `The database ${file} cannot be used: ${why}. ${advice}`,
    { file },
    cause,
  )
}

function locked(file: string, cause: unknown): SchedulerError {
  return new SchedulerError(
    'STORE_LOCKED',
    `Another process uses ${file}. Wait until it ends, or name another database with --db.`,
    { file },
    cause,
  )
}

function full(file: string, cause: unknown): SchedulerError {
  return new SchedulerError(
    'STORE_FULL',
    `The disk of ${file} is full; nothing of the last step was recorded. Make room and run again.`,
    { file },
    cause,
  )
}
