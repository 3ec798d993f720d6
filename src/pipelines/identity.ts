// What the result of an item depends on, in one place. An id ends in a hash of it, so what has changed makes
// new items, and what has not is known from before:
//
//   the step       its name, and its input, when, forEach and needs as they are written
//   the model      its name, module, command or exec, options, environment and `version`
//   its files      a module and the files that it imports; files that command or exec name
//   the record     a file by its path, size and time of change; anything else as it is
//   the items that it needs, by their ids
//
// Not seen are packages, what a Python file imports, and what a worker opens by itself, such as weights:
// `version` of the model is for those. Limits (timeout, retries, priority, deadline) change no result.
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { RunnerSpec } from '../runners/runner.ts'

/** Larger files are known by their size and time of change: weights would take minutes to read. */
const mostReadBytes = 10e6

/** Files of one module that are followed. Chosen, not measured. */
const mostFiles = 1000

const endings = ['', '.ts', '.js', '.mts', '.mjs', '.cts', '.cjs', '.json', '/index.ts', '/index.js']

/** `./x` and `../x` in imports, exports and require. */
const importedPath = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g

/** A hash of the files that a model is run by; '' where there are none. */
export function hashOfFiles(spec: RunnerSpec): string {
  const files =
    spec.kind === 'module' ? withImports(spec.file) : spec.argv.map((each) => resolve(spec.cwd, each))
  const known = [...files].flatMap((file) => contentOf(file) ?? [])
  return known.length === 0 ? '' : hash(known.map((content) => hash(content)).join(' '))
}

/** The module and all that it imports by a path, over any number of files, in the order of finding. */
function withImports(module: string): Set<string> {
  const files = new Set([module])
  for (const file of files) {
    if (files.size > mostFiles || !/\.[cm]?[jt]s$/.test(file)) continue
    const text = contentOf(file)?.toString() ?? ''
    for (const [, path] of text.matchAll(importedPath)) {
      const found = endings.map((end) => resolve(dirname(file), `${path}${end}`)).find(isFile)
      if (found !== undefined) files.add(found)
    }
  }
  return files
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/** null: it is no file. */
function contentOf(path: string): Buffer | null {
  try {
    const { size, mtimeMs } = statSync(path)
    return size > mostReadBytes ? Buffer.from(`${size} ${Math.round(mtimeMs)}`) : readFileSync(path)
  } catch {
    return null
  }
}

export function hash(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
