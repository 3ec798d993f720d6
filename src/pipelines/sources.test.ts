// Records of sources: which files a source takes, in which order, and what names them.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/support/folder.ts'
import { definePipeline } from './pipeline.ts'
import type { PipelineFile } from './pipeline-file.ts'
import { type Inputs, readSources } from './sources.ts'

const folder = temporaryFolder('sources')
mkdirSync(join(folder, 'in/deep'), { recursive: true })
for (const name of ['in/b.txt', 'in/a.txt', 'in/deep/c.txt', 'in/x=y.txt', 'in/other.md'])
  writeFileSync(join(folder, name), name)
symlinkSync(join(folder, 'nowhere'), join(folder, 'in/lost.txt'))

function read(source: PipelineFile['sources'][string], inputs: Inputs = {}) {
  const gpus = [{ name: 'g', kind: 'host' as const, memory: '1GB' }]
  const pipeline = definePipeline(
    { name: 'p', gpus, models: {}, sources: { s: source }, steps: {} },
    { folder },
  )
  return readSources(pipeline, inputs).get('s')!
}

const pathsOf = (records: { value: unknown }[]) =>
  records.map(({ value }) => (value as { path: string }).path)
const top = ['in/a.txt', 'in/b.txt', 'in/x=y.txt']

test('files are sorted, each once, without folders and without links that lead nowhere', () => {
  assert.deepEqual(pathsOf(read({ files: ['in/b.txt', 'in/*'] })), [
    'in/a.txt',
    'in/b.txt',
    'in/other.md',
    'in/x=y.txt',
  ])
  assert.deepEqual(read({ files: 'in/a.txt' })[0]!.value, { path: 'in/a.txt', name: 'a.txt', sizeBytes: 8 })
})

test('a glob may be absolute, in the file and as an input', () => {
  assert.deepEqual(pathsOf(read({ files: join(folder, 'in/*.txt') })), top)
  assert.deepEqual(pathsOf(read({ files: 'none/*' }, { inputs: [join(folder, 'in/*.txt')] })), top)
})

test('inputs replace the source, each file once, and a folder gives what the source would take', () => {
  const inputs = (...names: string[]) => ({ inputs: names.map((name) => join(folder, name)) })
  assert.deepEqual(pathsOf(read({ files: 'x/*.txt' }, inputs('in'))), top)
  assert.deepEqual(pathsOf(read({ files: 'x/**/*.txt' }, inputs('in'))), [
    ...top.slice(0, 2),
    'in/deep/c.txt',
    top[2],
  ])
  assert.deepEqual(pathsOf(read({ files: 'x/*' }, inputs('in/b.txt', 'in/a.txt', 'in/*.txt'))), [
    'in/b.txt',
    'in/a.txt',
    'in/x=y.txt',
  ])
  assert.deepEqual(pathsOf(read({ files: 'x/*' }, { inputs: [`s=${join(folder, 'in/a.txt')}`] })), [
    'in/a.txt',
  ])
})

test('values are named by their id or their number, and the same value again is another record', () => {
  const records = read({ list: [{ id: 'one' }, { id: 2 }, { id: 'one' }, 'text', 'text'] })
  assert.deepEqual(
    records.map(({ id }) => id),
    ['one', '2', 'one-2', 's-4', 's-5'],
  )
  assert.equal(new Set(records.map(({ fingerprint }) => fingerprint)).size, 5)
})

test('standard input is JSON lines or lines of text, with or without a byte order mark', () => {
  const stdin = '\uFEFF{"a":1}\r\n\r\n{"a":2}'
  const valuesOf = (records: { value: unknown }[]) => records.map(({ value }) => value)
  assert.deepEqual(valuesOf(read({ stdin: 'jsonl' }, { stdin })), [{ a: 1 }, { a: 2 }])
  assert.deepEqual(valuesOf(read({ stdin: 'lines' }, { stdin: 'a\n\nb' })), [{ text: 'a' }, { text: 'b' }])
})
