// What people bring as inputs, in kinds that went wrong: numbers that a double does not hold, texts with half of
// a sign, links that lead nowhere, limits that a bare number leaves open.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { expandPipeline } from '../../src/pipelines/expand.ts'
import { readPipeline } from '../../src/pipelines/pipeline.ts'
import { plimsoll } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'
import { echo } from '../support/project.ts'

function folderOf(source: string, files: Record<string, string> = {}): string {
  const folder = temporaryFolder('inputs')
  for (const [name, text] of Object.entries({ 'echo.js': echo, ...files }))
    writeFileSync(join(folder, name), text)
  writeFileSync(
    join(folder, 'p.yaml'),
    `name: p\ngpus: [{ name: ram, kind: host, memory: 1GB }]\nmodels: { m: { module: echo.js, vram: 100MB } }
sources: { s: ${source} }\nsteps: { go: { source: s, model: m } }\n`,
  )
  return folder
}

const expand = (folder: string) => expandPipeline(readPipeline(join(folder, 'p.yaml')))

test('a number that a double does not hold is refused with its line, in JSON lines and in YAML', () => {
  for (const number of ['9007199254740993', '-9007199254740993', '1e400', '1610521604143693841']) {
    const lines = folderOf('{ jsonl: l.jsonl }', { 'l.jsonl': `{"n": 1}\n{"n": [${number}]}\n` })
    assert.throws(() => expand(lines), {
      code: 'BAD_VALUE',
      message: new RegExp(`^l\\.jsonl:2 has the number ${number}, .*write it as text`),
    })
  }
  for (const number of ['9007199254740993', '1e400', '.inf', '-.inf', '.nan'])
    assert.throws(() => expand(folderOf(`{ list: [{ n: ${number} }] }`)), {
      code: 'BAD_PIPELINE',
      message: new RegExp(
        `p\\.yaml:4:\\d+ the number ${number.replaceAll('.', '\\.')} cannot be kept as it is`,
      ),
    })
  const kept = '9007199254740992, 1152921504606846976, -0.1, 1e300, 0.30000000000000004, "9007199254740993"'
  assert.equal(expand(folderOf(`{ list: [{ n: [${kept}] }] }`)).length, 1)
  assert.equal(expand(folderOf('{ jsonl: l.jsonl }', { 'l.jsonl': `[${kept}]` })).length, 1)
})

test('an item whose name holds half of a sign is run, reported and tried again like any other', () => {
  const worker = 'export async function load() {}\nexport const run = () => { throw new Error("boom") }\n'
  const long = `${'x'.repeat(199)}😀`
  const folder = folderOf('{ jsonl: l.jsonl }', {
    'l.jsonl': `{"id": "half \\ud83d"}\n{"id": ${JSON.stringify(long)}}\n`,
    'echo.js': worker,
  })
  const first = plimsoll(folder, 'run', 'p.yaml', '--json')
  assert.equal(first.status, 1, first.all)
  assert.equal(JSON.parse(first.stdout).failedCount, 2)
  assert.match(plimsoll(folder, 'retry').stdout, /^2 will be tried again/)
  const second = JSON.parse(plimsoll(folder, 'run', 'p.yaml', '--json').stdout)
  assert.deepEqual([second.itemCount, second.failedCount], [2, 2])
})

test('links that lead nowhere or to themselves, and names that are too long, stop no run', () => {
  const folder = folderOf('{ files: "in/*.txt" }')
  mkdirSync(join(folder, 'in'))
  writeFileSync(join(folder, 'in/a.txt'), 'a')
  symlinkSync('loop.txt', join(folder, 'in/loop.txt'))
  symlinkSync('nowhere', join(folder, 'in/broken.txt'))
  assert.deepEqual(
    expand(folder).map(({ sourceId }) => sourceId),
    ['a.txt'],
  )
  const { status, stderr } = plimsoll(folder, 'run', 'p.yaml', 'y'.repeat(300))
  assert.equal(status, 2)
  assert.match(stderr, /matches no file here/)
})

test('a hundred thousand records are expanded one after the other, not each with all before it', () => {
  const lines = Array.from({ length: 100_000 }, (_, n) => `{"n":${n}}`).join('\n')
  assert.equal(expand(folderOf('{ jsonl: l.jsonl }', { 'l.jsonl': lines })).length, 100_000)
})

test('a field may be called as people like, in records, outputs and expressions', () => {
  const fields = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'prototype', 'valueOf']
  for (const field of fields) {
    const folder = folderOf('{ jsonl: l.jsonl }', {
      'l.jsonl': `{"${field}": "x", "n": [{"${field}": {"m": 1}}]}\n`,
    })
    const { status, all } = plimsoll(folder, 'run', 'p.yaml')
    assert.equal(status, 0, `${field}: ${all}`)
    const [item] = JSON.parse(plimsoll(folder, 'items', '--json').stdout)
    assert.equal(JSON.stringify(item.output), `{"${field}":"x","n":[{"${field}":{"m":1}}]}`)
  }
})

test('a step or a model may not be what every object has', () => {
  for (const name of ['constructor', 'toString', '__proto__']) {
    const folder = folderOf('{ list: [1] }')
    const yaml = `name: p\ngpus: [{ name: ram, kind: host, memory: 1GB }]\nmodels: { m: { module: echo.js, vram: 100MB } }
sources: { s: { list: [1] } }\nsteps: { ${name}: { source: s, model: m }, next: { source: s, model: m, input: "\${${name}}" } }\n`
    writeFileSync(join(folder, 'p.yaml'), yaml)
    const { status, all } = plimsoll(folder, 'run', 'p.yaml')
    assert.ok(status === 0 || status === 2, `${name}: ${all}`)
    assert.doesNotMatch(all, /fault of Plimsoll|call stack/, name)
  }
})
