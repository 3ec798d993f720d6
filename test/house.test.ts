// The house stays one that can be walked through: no folder is a heap, no file a book, and comments fit on
// the screen that the code fits on.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const files = globSync('{src,test}/**/*.ts', { cwd: root }).sort()

const mostFiles = 20
const mostLines = 400
/** Of biome.json. */
const mostColumns = 110

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

test(`comments in src fit in ${mostColumns} columns`, () => {
  const wide = files
    .filter((path) => path.startsWith('src/'))
    .flatMap((path) =>
      linesOf(path).flatMap((line, index) =>
        /^\s*(\/\/|\/\*|\*)/.test(line) && [...line].length > mostColumns ? [`${path}:${index + 1}`] : [],
      ),
    )
  assert.deepEqual(wide, [])
})

/** Where the package is entered: the command, the library, and the two processes that it starts. */
const entries = ['src/cli/main.ts', 'src/index.ts', 'src/devices/nvml-host.ts', 'src/runners/module-host.ts']

test('src has no file that only tests and benches import: the package would carry it', () => {
  const reached = new Set<string>()
  const reach = (path: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    for (const [, target] of linesOf(path)
      .join('\n')
      .matchAll(/(?:from|import\() ?'(\.[^']+\.ts)'/g))
      reach(normalize(join(dirname(path), target!)))
  }
  entries.forEach(reach)
  const source = files.filter((path) => path.startsWith('src/') && !path.endsWith('.test.ts'))
  assert.deepEqual(
    source.filter((path) => !reached.has(path)),
    [],
  )
  assert.deepEqual(
    [...reached].filter((path) => !path.startsWith('src/')),
    [],
  )
})

test('the columns are those of the formatter', () => {
  const { formatter } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
  assert.equal(formatter.lineWidth, mostColumns)
})
