import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { temporaryFolder } from '../../test/support/folder.ts'
import { readWorkload } from './workload-folder.ts'

const models = JSON.stringify([
  { name: 'a', vram: '1GB', loadMs: 10, batch: { perItemMs: 1, overheadMs: 0, max: 2 } },
])
const items = '{"id":"1","model":"a","atMs":0}\n{"id":"2","model":"a","atMs":5}'

function folderWith(files: Record<string, string | Buffer>): string {
  const folder = temporaryFolder('workload')
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}

test('reads items as they are or packed', () => {
  const plain = folderWith({ 'models.json': models, 'items.jsonl': items })
  const packed = folderWith({ 'models.json': models, 'items.jsonl.gz': gzipSync(items) })
  for (const folder of [plain, packed])
    assert.deepEqual(
      readWorkload(folder).items.map(({ id }) => id),
      ['1', '2'],
    )
})

test('says which files are missing or not what they should be', () => {
  assert.throws(() => readWorkload(folderWith({})), /models.json is not there.*\n.*items.jsonl/)
  const folder = folderWith({ 'models.json': models, 'items.jsonl.gz': 'plain' })
  assert.throws(() => readWorkload(folder), /items.jsonl.gz is not a gzip file/)
})
