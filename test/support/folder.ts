// Temporary folders for tests: all of a file's lie in one, which is removed when its
// tests are over, whoever asked for them: a test, a hook or the file itself.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

const root = mkdtempSync(join(tmpdir(), 'plimsoll-test-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** `name` tells it from the others of the file. */
export function temporaryFolder(name: string): string {
  return mkdtempSync(join(root, `${name}-`))
}
