// The house stays one that can be walked through: no folder is a heap, and no file is a book.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const files = globSync('{src,test}/**/*.ts', { cwd: root }).sort()

const mostFiles = 20
const mostLines = 400

const linesOf = (path: string) => readFileSync(join(root, path), 'utf8').trimEnd().split('\n')

test(`no folder of src and test has more than ${mostFiles} files`, () => {
  const counts = new Map<string, number>()
  for (const path of files) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
  assert.deepEqual(
    [...counts].filter(([, count]) => count > mostFiles),
    [],
  )
})

test(`no file has more than ${mostLines} lines`, () => {
  const long = files.map((path): [string, number] => [path, linesOf(path).length])
  assert.deepEqual(
    long.filter(([, count]) => count > mostLines),
    [],
  )
})
