// A first pipeline of one's own: what `plimsoll init` writes runs as it is.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plimsoll } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'

const hasPython = spawnSync('python3', ['--version']).status === 0

for (const [flag, worker] of [
  [[], 'worker.js'],
  [['--node'], 'worker.js'],
  [['--python'], 'worker.py'],
] as const) {
  const skip = worker === 'worker.py' && !hasPython ? 'there is no python3 here' : false
  test(`init ${flag.join(' ')} writes a pipeline that runs as it is`, { skip }, () => {
    const folder = temporaryFolder('init')
    const { status, stdout, all } = plimsoll(folder, 'init', 'first', ...flag)
    assert.equal(status, 0, all)
    assert.match(stdout, /It runs as it is: plimsoll run first\/pipeline\.yaml$/m)
    assert.ok(readdirSync(join(folder, 'first')).includes(worker))
    const run = plimsoll(folder, 'run', 'first/pipeline.yaml', '--json')
    assert.equal(run.status, 0, run.all)
    const results = readFileSync(JSON.parse(run.stdout).results, 'utf8').trim().split('\n')
    const words = results.map((line) => JSON.parse(line).steps.count.words)
    assert.deepEqual(words, [5, 10], results.join('\n'))
  })
}

test('init overwrites nothing: it writes all of it or none', () => {
  const folder = temporaryFolder('init')
  writeFileSync(join(folder, 'worker.js'), 'mine')
  const { status, stderr } = plimsoll(folder, 'init')
  assert.equal(status, 2)
  assert.match(stderr, /^Nothing is written: worker\.js is in \. already\. Name another folder/)
  assert.deepEqual(readdirSync(folder), ['worker.js'])
  assert.equal(plimsoll(folder, 'init', '--node', '--python').status, 2)
  const { files, next } = JSON.parse(plimsoll(folder, 'init', 'a/b', '--json').stdout)
  assert.deepEqual(
    files.sort(),
    ['inputs/sea.txt', 'inputs/ship.txt', 'pipeline.yaml', 'worker.js'].map((name) => `a/b/${name}`),
  )
  assert.equal(next, 'plimsoll run a/b/pipeline.yaml')
})
