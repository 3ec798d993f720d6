// What the commands say to what cannot be done: a sentence with what is wrong and what to do, and no stack.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { before, test } from 'node:test'
import { bin, journaled, plimsoll, startPlimsoll } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'
import { held, project, ranProject } from '../support/project.ts'

const models = '  echo: { module: echo.js, vram: 200MB, loadTime: 100ms, batch: { max: 1 } }\n'
const steps = '  say: { source: texts, model: echo, input: { name: "${source.name}" } }\n'
const db = '.plimsoll/small.db'
let folder: string

before(() => {
  folder = ranProject({ models, steps })
  mkdirSync(join(folder, 'a-folder'))
  writeFileSync(join(folder, 'letter.db'), 'This is a letter to my aunt.')
  writeFileSync(join(folder, 'nothing.yaml'), '')
})

const letter = /letter\.db cannot be used: file is not a database\. .*name another with --db/
const nobody = /No item is called "nobody"\. `plimsoll items` lists them/

const refused: [string, string, RegExp][] = [
  ['nothing to run', 'run', /missing required argument 'pipeline'\nRun `plimsoll run --help`/],
  [
    'a flag that there is not',
    'run pipeline.yaml --fast',
    /unknown option '--fast'\nRun `plimsoll run --help`/,
  ],
  [
    'a folder for a pipeline',
    'run texts',
    /The pipeline texts cannot be read: it is a folder; name the file in it/,
  ],
  [
    'an empty file',
    'run nothing.yaml',
    /nothing\.yaml:1:1 a pipeline is a map with the keys name, .* is empty/,
  ],
  [
    'a size without a unit',
    'run pipeline.yaml --gpu 8',
    /--gpu 8 is a card of 8 B; give its memory with a unit/,
  ],
  [
    'results in a folder',
    'run pipeline.yaml --out a-folder',
    /--out a-folder cannot be written: it is a folder/,
  ],
  ['a letter to run in', 'run pipeline.yaml --db letter.db', letter],
  ['a letter to look at', 'status --db letter.db', letter],
  ['a letter to list', 'items --db letter.db', letter],
  ['a letter to export', 'export --db letter.db', letter],
  ['a letter to change', 'retry --db letter.db', letter],
  ['a letter to plan by', 'plan pipeline.yaml --db letter.db', letter],
  ['a step that there is not', 'items --step sing', /No items are of a step "sing"\. Steps: say\./],
  ['a limit of nothing', 'items --limit 0', /--limit is "0"; it must be a whole number from 1/],
  ['a result of nobody', 'result nobody', nobody],
  ['an end of nobody', 'cancel nobody', nobody],
  ['a new try of nobody', 'retry nobody', nobody],
  ['an export to a folder', 'export --out a-folder', /--out a-folder cannot be written: it is a folder/],
  ['models of no pipeline', 'models elsewhere.yaml', /elsewhere\.yaml cannot be read: there is no such file/],
  ['a check of no kind', 'doctor --gpu-check cpu', /--gpu-check cpu: write host for RAM/],
  [
    'a picture in a folder',
    `simulate --from ${db} --timeline a-folder`,
    /--timeline a-folder cannot be written/,
  ],
]

for (const [what, args, message] of refused) {
  test(`refuses ${what}`, () => {
    const { status, stdout, stderr } = plimsoll(folder, ...args.split(' '))
    assert.equal(status, 2, stdout + stderr)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack')
  })
}

test('every command has a group, help with two examples, and its line in docs/commands.md', () => {
  const help = plimsoll(folder, '--help').stdout
  const groups = [...help.matchAll(/^(\w+):\n((?: {2}.*\n)+)/gm)].map(([, title, lines]) => [title!, lines!])
  assert.deepEqual(
    groups.map(([title]) => title),
    ['Options', 'Run', 'Look', 'Steer', 'Plan', 'Check', 'Commands'],
  )
  const names = groups.slice(1, -1).flatMap(([, lines]) => [...lines!.matchAll(/^ {2}([a-z]+)/gm)])
  assert.ok(names.length >= 13)
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/commands.md'), 'utf8')
  for (const [, name] of names) {
    assert.match(page, new RegExp(`^\\| \`${name}[ \`]`, 'm'))
    const own = plimsoll(folder, name!, '--help').stdout
    assert.equal(own.match(new RegExp(`^ {2}\\$ plimsoll ${name}\\b`, 'gm'))?.length, 2, own)
  }
})

test('says of items that have ended that they stay as they are', () => {
  assert.equal(
    plimsoll(folder, 'cancel', 'one').stdout,
    'Nothing is cancelled: what has ended stays as it is.\n',
  )
  assert.match(plimsoll(folder, 'retry', 'one').stdout, /^Nothing is tried again: only items that failed/)
  assert.equal(plimsoll(folder, 'retry').stdout, 'Nothing has failed.\n')
  assert.match(plimsoll(folder, 'status').stdout, /\nnot running; nothing is left\n$/)
})

test('asks which of several databases is meant', () => {
  const other = temporaryFolder('two')
  mkdirSync(join(other, '.plimsoll'))
  for (const name of ['a', 'b']) writeFileSync(join(other, `.plimsoll/${name}.db`), '')
  const { status, stderr } = plimsoll(other, 'status')
  assert.equal(status, 2)
  assert.match(
    stderr,
    /Which database\? there are 2: \.plimsoll\/a\.db, \.plimsoll\/b\.db\. Name it with --db FILE/,
  )
})

test('a run leaves alone a database that another run owns, and an item that waits says where to ask', async (test) => {
  const busy = project({ models, steps, worker: held })
  const run = startPlimsoll(test, busy, 'run', 'pipeline.yaml')
  await journaled(run, busy, /"batch-claimed"/)
  const { status, stderr } = plimsoll(busy, 'run', 'pipeline.yaml')
  assert.equal(status, 2, stderr)
  assert.match(
    stderr,
    /Another process uses .*small\.db\. Wait until it ends, or name another database with --db/,
  )
  const [{ id }] = JSON.parse(plimsoll(busy, 'items', '--state', 'ready', '--json').stdout)
  assert.match(
    plimsoll(busy, 'result', id).stdout,
    new RegExp(`It has not ended; \`plimsoll why ${id}\` says`),
  )
  run.kill('SIGKILL')
  await once(run, 'exit')
  assert.match(
    plimsoll(busy, 'status').stdout,
    /\nnot running; about .* of work are left, `plimsoll run PIPELINE` continues\n$/,
  )
})

test('ends quietly when nobody reads on', () => {
  const { stderr, stdout } = spawnSync('sh', ['-c', `"${bin}" export | head -c 5`], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.deepEqual([stdout, stderr], ['{"id"', ''])
})
