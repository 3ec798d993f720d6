// What a result depends on (src/pipelines/identity.ts): a change of any of it makes new items, and no other.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { expandPipeline } from '../../src/pipelines/expand.ts'
import { readPipeline } from '../../src/pipelines/pipeline.ts'
import { plimsoll } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'

const files = {
  'p.yaml': `name: p
gpus: [{ name: ram, kind: host, memory: 1GB }]
models:
  m: { module: m.ts, vram: 100MB, options: { size: 1 }, environment: { MODE: a }, version: 1 }
  c: { command: [python3, c.py], vram: 100MB }
  x: { exec: [sh, x.sh, -v] }
sources: { s: { list: [{ n: 1 }] } }
steps:
  a: { source: s, model: m, input: { n: "\${source.n}" }, when: "\${source.n > 0}", retries: 1, timeout: 5m, priority: 1 }
  b: { source: s, model: c, input: "\${a}", needs: { a: fail } }
  d: { source: s, model: x, forEach: "\${[1, 2]}" }
`,
  'm.ts':
    "import { k } from './lib/k.js'\nexport const load = () => k\nexport const run = (inputs) => inputs\n",
  'k.ts': '',
  'c.py': 'import sys\n',
  'x.sh': 'cat\n',
  'other.txt': 'one\n',
}

function folderOf(): string {
  const folder = temporaryFolder('identity')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  writeFileSync(join(folder, 'm.ts'), files['m.ts'].replace('./lib/k.js', './k'))
  return folder
}

function idsOf(folder: string): Map<string, string> {
  return new Map(expandPipeline(readPipeline(join(folder, 'p.yaml'))).map(({ step, id }) => [step!, id]))
}

/** Which steps have other items after a change of a file. */
function changedBy(name: string, from: string, to: string): string {
  const folder = folderOf()
  const before = idsOf(folder)
  const text = readFileSync(join(folder, name), 'utf8')
  assert.ok(text.includes(from) || from === '', `${name} has ${from}`)
  writeFileSync(join(folder, name), from === '' ? text + to : text.replace(from, to))
  const after = idsOf(folder)
  return [...after].flatMap(([step, id]) => (before.get(step) === id ? [] : step)).join(' ')
}

for (const [what, name, from, to, steps] of [
  ['an input', 'p.yaml', '{ n: "${source.n}" }', '{ n: "${source.n + 1}" }', 'a b'],
  ['a record', 'p.yaml', 'list: [{ n: 1 }]', 'list: [{ n: 2 }]', 'a b d'],
  ['an option', 'p.yaml', 'size: 1', 'size: 2', 'a b'],
  ['the environment', 'p.yaml', 'MODE: a', 'MODE: b', 'a b'],
  ['the version of a model', 'p.yaml', 'version: 1', 'version: 2', 'a b'],
  ['when', 'p.yaml', 'source.n > 0', 'source.n > 1', 'a b'],
  ['forEach', 'p.yaml', '[1, 2]', '[1, 3]', 'd'],
  ['needs', 'p.yaml', '{ a: fail }', '{ a: skip }', 'b'],
  ['a command', 'p.yaml', '[python3, c.py]', '[python3, c.py, -q]', 'b'],
  ['an exec', 'p.yaml', '-v', '-w', 'd'],
  ['a module', 'm.ts', '=> inputs', '=> [...inputs]', 'a b'],
  ['what a module imports', 'k.ts', '', 'export const k = 2\n', 'a b'],
  ['a file that a command names', 'c.py', '', 'print(1)\n', 'b'],
  ['a file that an exec names', 'x.sh', 'cat', 'cat -', 'd'],
  ['a time limit', 'p.yaml', 'timeout: 5m', 'timeout: 6m', ''],
  ['retries', 'p.yaml', 'retries: 1', 'retries: 2', ''],
  ['a priority', 'p.yaml', 'priority: 1', 'priority: 2', ''],
  ['a size', 'p.yaml', 'vram: 100MB', 'vram: 200MB', ''],
  ['a file that nothing names', 'other.txt', 'one', 'two', ''],
] as const) {
  test(`a change of ${what} makes ${steps === '' ? 'nothing new' : `${steps.split(' ').join(' and ')} new`}`, () => {
    assert.equal(changedBy(name, from, to), steps)
  })
}

test('after an edit of what a worker imports its results are those of the edit', () => {
  const folder = temporaryFolder('edited')
  writeFileSync(join(folder, 'lib.ts'), 'export const version = 1\n')
  writeFileSync(
    join(folder, 'w.ts'),
    "import { version } from './lib.ts'\nexport const load = () => 0\nexport const run = (inputs: unknown[]) => inputs.map(() => version)\n",
  )
  writeFileSync(
    join(folder, 'p.yaml'),
    'name: p\ngpus: [{ name: ram, kind: host, memory: 1GB }]\nmodels: { w: { module: w.ts, vram: 100MB } }\nsources: { s: { list: [1] } }\nsteps: { go: { source: s, model: w } }\n',
  )
  const resultOf = () => {
    const { status, all } = plimsoll(folder, 'run', 'p.yaml')
    assert.equal(status, 0, all)
    return JSON.parse(readFileSync(join(folder, '.plimsoll/p.results.jsonl'), 'utf8')).steps.go
  }
  assert.equal(resultOf(), 1)
  writeFileSync(join(folder, 'lib.ts'), 'export const version = 2\n')
  assert.equal(resultOf(), 2)
})
