// Temporary folders for tests: each is made here, and removed when the tests of its file are over.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

/** `name` says in a listing of the system's folder for such things whose it was. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `plimsoll-${name}-`))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
