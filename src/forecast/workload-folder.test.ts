import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readWorkload } from './workload-folder.ts'

const models = JSON.stringify([
  { name: 'a', vram: '1GB', loadMs: 10, batch: { perItemMs: 1, overheadMs: 0, max: 2 } },
])
const items = '{"id":"1","model":"a","atMs":0}\n{"id":"2","model":"a","atMs":5}'

function inFolder(files: Record<string, string | Buffer>, look: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-workload-'))
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    look(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('reads items as they are or packed', () => {
  inFolder({ 'models.json': models, 'items.jsonl': items }, (folder) => {
    assert.equal(readWorkload(folder).items.length, 2)
  })
  inFolder({ 'models.json': models, 'items.jsonl.gz': gzipSync(items) }, (folder) => {
    assert.deepEqual(
      readWorkload(folder).items.map(({ id }) => id),
      ['1', '2'],
    )
  })
})

test('says which files are missing or not what they should be', () => {
  inFolder({}, (folder) => {
    assert.throws(() => readWorkload(folder), /models.json is not there.*\n.*items.jsonl/)
  })
  inFolder({ 'models.json': models, 'items.jsonl.gz': 'plain' }, (folder) => {
    assert.throws(() => readWorkload(folder), /items.jsonl.gz is not a gzip file/)
  })
})
