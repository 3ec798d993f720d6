import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { defaultPolicy } from '../core/policy.ts'
import { createState } from '../core/state/state.ts'
import { Journal, readJournal } from './journal.ts'

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-record-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('reads back every line of a record that is larger than one reading, whatever characters it has', () => {
  const file = join(folder, 'large.jsonl')
  const names = Array.from({ length: 9000 }, (_, index) => `${'ä€😀'.repeat(30)}${index}`)
  writeFileSync(
    file,
    names
      .map((message, atMs) => `${JSON.stringify({ type: 'load-failed', atMs, instanceId: 'x', message })}\n`)
      .join(''),
  )
  const read = [...readJournal(file)].map((line) => (line.type === 'load-failed' ? line.message : ''))
  assert.deepEqual(read, names)
})

test('leaves a torn line out, and reads what a later run wrote behind it', () => {
  const file = join(folder, 'torn.jsonl')
  const state = createState([], [], defaultPolicy)
  new Journal(file, 'first', state, 1).flush()
  appendFileSync(file, '{"type":"timer-fired","atM')
  const second = new Journal(file, 'second', state, 2)
  second.add({ type: 'timer-fired', atMs: 3 })
  second.flush()
  assert.deepEqual(
    [...readJournal(file)].map((line) => (line.type === 'run' ? line.pipeline : line.type)),
    ['first', 'second', 'timer-fired'],
  )
})
