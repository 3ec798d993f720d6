// Where a running daemon listens: a Unix socket beside its database, by the same name. Both sides find it by
// the database alone.
//
// The path of a socket may have 107 bytes (sun_path of Linux; 103 elsewhere), and a project may lie deeper.
// Then the folder is opened, and the socket named through the open folder, `/proc/self/fd/7/archive.sock`:
// short, and the same file. Where there is no /proc, a path that is short from the working folder is taken. A
// name that is too long by itself is hashed.
import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'

const maxPathBytes = process.platform === 'linux' ? 107 : 103
const maxNameBytes = 80

/** The socket of a database, in full. */
export function socketFile(database: string): string {
  const path = resolve(database)
  const name = `${basename(path).replace(/\.(db|sqlite)$/, '')}.sock`
  if (Buffer.byteLength(name) <= maxNameBytes) return join(dirname(path), name)
  const { createHash } = process.getBuiltinModule('node:crypto') // which nearly nobody needs, and takes time to load
  return join(dirname(path), `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.sock`)
}

export interface ShortPath {
  path: string
  /** To be called when the path is needed no longer. */
  close(): void
}

/** A name for this file that a socket can have; null: there is none on this system. */
export function shortPath(file: string): ShortPath | null {
  const fits = (path: string) => Buffer.byteLength(path) <= maxPathBytes
  const fromHere = relative(process.cwd(), file)
  for (const path of [file, fromHere]) if (fits(path)) return { path, close: () => {} }
  if (!existsSync('/proc/self/fd')) return null
  const folder = openSync(dirname(file), constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${folder}/${basename(file)}`, close: () => closeSync(folder) }
}
