// What file a SQLite store takes: which it refuses, with what reason, and that it leaves those as they are.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openSqliteReader, openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { item } from './conformance.ts'

const folder = temporaryFolder('file')
let fileCount = 0
const newFile = () => join(folder, `${++fileCount}.db`)

test('a link to the file is the same database, with the same owner', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file })
  symlinkSync(file, `${file}.link`)
  await assert.rejects(openSqliteStore({ file: `${file}.link` }), { code: 'STORE_LOCKED' })
  await store.close()
})

test('refuses a file whose pages were overwritten, and leaves it as it is', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file })
  await store.submit(
    Array.from({ length: 6000 }, (_, index) => item(`i${index}`)),
    1,
  )
  await store.close()
  const bytes = readFileSync(file)
  for (let at = 4096; at < bytes.length; at += 4096) bytes.fill(0xa7, at, at + 64)
  writeFileSync(file, bytes)
  await assert.rejects(openSqliteStore({ file }), {
    code: 'STORE_CORRUPT',
    message: /was left as it is.*Move it away/,
  })
  assert.deepEqual(readFileSync(file), bytes)
})

test('refuses a damaged file, a text, and the database of another program, with its name', async () => {
  const damaged = newFile()
  const store = await openSqliteStore({ file: damaged })
  await store.submit(
    Array.from({ length: 200 }, (_, index) => item(`item-${index}`)),
    1,
  )
  await store.close()
  truncateSync(damaged, 9000)
  const text = newFile()
  writeFileSync(text, 'Dear aunt, '.repeat(1000))
  const foreign = newFile()
  const other = new DatabaseSync(foreign)
  other.exec('CREATE TABLE aunt (name TEXT)')
  other.close()
  for (const file of [damaged, text, foreign]) {
    await assert.rejects(
      openSqliteStore({ file }),
      (error: Error & { code: string }) => error.code === 'STORE_CORRUPT' && error.message.includes(file),
    )
  }
})

test('says what is wrong with a path, not that somebody else uses it', async () => {
  const missing = join(folder, 'no-such-folder', 'a.db')
  await assert.rejects(openSqliteStore({ file: missing }), { code: 'STORE_FAILED', message: /folder exists/ })
  await assert.rejects(openSqliteReader(missing), { code: 'STORE_FAILED', message: /folder exists/ })
  const directory = newFile()
  mkdirSync(directory)
  await assert.rejects(openSqliteStore({ file: directory }), {
    code: 'STORE_FAILED',
    message: /it is a folder/,
  })
  const file = newFile()
  writeFileSync(`${file}-owner`, 'Dear aunt, '.repeat(1000))
  await assert.rejects(openSqliteStore({ file }), { code: 'STORE_CORRUPT', message: /-owner/ })
})

test('refuses a file of a later version', async () => {
  const file = newFile()
  await (await openSqliteStore({ file })).close()
  const db = new DatabaseSync(file)
  db.exec('PRAGMA user_version = 99')
  db.close()
  await assert.rejects(openSqliteStore({ file }), { code: 'STORE_CORRUPT', message: /version 99/ })
})
