// The journal as it is written and read back, over several files, and after a kill at any place. `lines` are
// events of a world in which a model is loaded and batches run, so that a state that was not restored is
// another one.
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/support/folder.ts'
import { decide } from '../core/decide/decide.ts'
import { defineModel } from '../core/model.ts'
import { defaultPolicy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import { snapshotOf } from '../core/state/snapshot.ts'
import { createState, type State } from '../core/state/state.ts'
import { emptyHead } from '../core/work/queue-head.ts'
import { drawTimeline } from '../timeline/timeline.ts'
import { readHistory } from './history.ts'
import { type JournalLine, linesOf, readJournal } from './journal.ts'
import { journalFiles } from './journal-files.ts'
import { type JournalOptions, JournalWriter } from './journal-writer.ts'
import { readLastRun } from './last-run.ts'
import { measureModels } from './measured.ts'
import { replay } from './replay.ts'

const root = temporaryFolder('journal')

let folderCount = 0

function newJournal(): string {
  const folder = join(root, String(++folderCount))
  mkdirSync(folder)
  return join(folder, 'small.journal.jsonl')
}

function newState(): State {
  const gpu = { id: 'gpu', kind: 'nvidia', capacityBytes: 8e9, safetyRatio: 1 }
  const models = ['a', 'b'].map((id) => defineModel({ id, vram: '5GB', loadMs: 1000 }))
  return createState(models, [gpu], defaultPolicy)
}

/** Writes as the daemon does: an event is added, then applied. */
class Writer {
  readonly state = newState()
  readonly journal: JournalWriter
  atMs = 1000

  constructor(file: string, options: Partial<JournalOptions> = {}) {
    this.journal = new JournalWriter({
      file,
      pipeline: 'small',
      state: this.state,
      atMs: this.atMs,
      ...options,
    })
  }

  emit(event: SchedulerEvent): void {
    this.journal.add(event)
    apply(this.state, event)
  }

  /** One more item, and what follows from it: loads, batches, unloads. */
  turn(index: number): void {
    this.atMs += 100
    const { atMs } = this
    const level = { priority: 0, tenant: null, count: 1, submittedMeanMs: atMs, oldestReadyAtMs: atMs }
    const modelId = index % 9 < 5 ? 'a' : 'b'
    const head = { ...emptyHead(modelId), readyCount: 1, levels: [level] }
    this.emit({ type: 'queue-changed', atMs, heads: [head] })
    for (let { command } = decide(this.state, atMs); command; { command } = decide(this.state, atMs)) {
      this.emit({ type: 'command-issued', atMs, command })
      if (command.type === 'start-load') {
        const { instanceId } = command
        this.emit({
          type: 'load-finished',
          atMs,
          instanceId,
          loadMs: 900,
          residentBytes: null,
          maxBatch: null,
        })
      } else if (command.type === 'stop-instance') {
        this.emit({ type: 'memory-released', atMs, instanceId: command.instanceId })
      } else if (command.type === 'run-batch') {
        const { batchId } = command
        this.emit({ type: 'batch-claimed', atMs, batchId, itemCount: 1 })
        this.emit({ type: 'queue-changed', atMs, heads: [emptyHead(command.modelId)] })
        this.emit({ type: 'batch-finished', atMs, batchId, failedCount: 0, runMs: 50, peakBytes: null })
      }
    }
  }

  turns(count: number): void {
    for (let index = 0; index < count; index++) this.turn(index)
    this.journal.flush()
  }
}

function stateText(state: State): string {
  return JSON.stringify(snapshotOf(state))
}

function typesOf(lines: Iterable<JournalLine>): string[] {
  return [...lines].map(({ type }) => type)
}

test('reads back every line of a file that is larger than one reading, whatever characters it has', () => {
  const file = newJournal()
  const names = Array.from({ length: 9000 }, (_, index) => `${'ä€😀'.repeat(30)}${index}`)
  const lines = names.map((message, atMs) => ({ type: 'load-failed', atMs, instanceId: 'x', message }))
  writeFileSync(file, lines.map((each) => `${JSON.stringify(each)}\n`).join(''))
  const read = [...readJournal(file)].map((line) => (line.type === 'load-failed' ? line.message : ''))
  assert.deepEqual(read, names)
})

test('leaves a torn line out, and reads what a later run wrote behind it', () => {
  const file = newJournal()
  new Writer(file, { pipeline: 'first' }).journal.flush()
  appendFileSync(file, '{"type":"timer-fired","atM')
  const second = new Writer(file, { pipeline: 'second' })
  second.emit({ type: 'timer-fired', atMs: 3 })
  second.journal.flush()
  assert.deepEqual(
    [...readJournal(file)].map((line) => (line.type === 'run' ? line.pipeline : line.type)),
    ['first', 'second', 'timer-fired'],
  )
})

test('goes on in a next file when one is full, and reads as if it were one', () => {
  const [one, many] = [newJournal(), newJournal()]
  for (const [file, fileBytes] of [
    [one, 1e9],
    [many, 20_000],
  ] as const)
    new Writer(file, { fileBytes }).turns(200)
  const files = journalFiles(many)
  assert.ok(files.length > 5, `${files.length} files`)
  assert.ok(
    files[0]!.endsWith('small.journal.jsonl') && files[9]!.endsWith('small.journal.10.jsonl'),
    `${files}`,
  )
  assert.deepEqual([...readJournal(many)].slice(1), [...readJournal(one)].slice(1))
  assert.deepEqual(readHistory(readJournal(many)), readHistory(readJournal(one)))
})

test('the last file alone tells what the scheduler knows, at any moment', () => {
  const file = newJournal()
  const writer = new Writer(file, { fileBytes: 5000 })
  const read: string[] = []
  for (let index = 0; index < 100; index++) {
    writer.turn(index)
    writer.journal.flush()
    read.length = 0
    const last = readLastRun({ journal: file }, (files) => {
      read.push(...files)
      return linesOf(files)
    })!
    assert.equal(stateText(last.state), stateText(writer.state))
    assert.deepEqual(read, journalFiles(file).slice(-1))
  }
})

test('after a kill at any byte of a new file the reader knows all that is written', () => {
  const file = newJournal()
  const writer = new Writer(file, { fileBytes: 30_000 })
  while (journalFiles(file).length < 3) writer.turns(1)
  const last = journalFiles(file).at(-1)!
  const whole = readFileSync(last)
  for (let length = 0; length <= whole.length; length += length < 40 ? 1 : 997) {
    writeFileSync(last, whole.subarray(0, length))
    const expected = replay(linesOf(journalFiles(file)))!
    assert.equal(
      stateText(readLastRun({ journal: file })!.state),
      stateText(expected.state),
      `${length} bytes`,
    )
  }
  // The next run writes behind it, and is the present.
  truncateSync(last, 100)
  const next = new Writer(file)
  next.turns(3)
  assert.equal(stateText(readLastRun({ journal: file })!.state), stateText(next.state))
})

test('a snapshot of another version is passed over: the files before tell the same', () => {
  const file = newJournal()
  const writer = new Writer(file, { fileBytes: 30_000 })
  writer.turns(200)
  const last = journalFiles(file).at(-1)!
  writeFileSync(
    last,
    readFileSync(last, 'utf8').replace('"snapshot":{"version":1', '"snapshot":{"version":99'),
  )
  assert.equal(stateText(readLastRun({ journal: file })!.state), stateText(writer.state))
})

test('is bounded: the oldest files go, and what reads the rest says where its knowledge begins', () => {
  const file = newJournal()
  const writer = new Writer(file, { fileBytes: 20_000, totalBytes: 100_000 })
  writer.turns(400)
  const files = journalFiles(file)
  const sumBytes = files.reduce((sum, each) => sum + readFileSync(each).length, 0)
  assert.ok(sumBytes <= 130_000 && files.length >= 2, `${sumBytes} bytes in ${files.length} files`)
  const [run, snapshot] = readJournal(file)
  assert.ok(run?.type === 'run' && run.part! > 1 && run.startedAtMs === 1000)
  assert.equal(snapshot?.type, 'snapshot')
  const history = readHistory(readJournal(file))
  assert.equal(history.knownSinceMs, run.atMs)
  assert.match(drawTimeline(readJournal(file)), /since 1970-01-01 00:00 UTC; what came before is no longer/)
  assert.equal(typesOf(readJournal(file)).filter((type) => type === 'snapshot').length, 1)
  assert.ok(history.devices[0]!.models.some(({ batches }) => batches.length > 0))
  assert.equal(history.devices[0]!.bookedBytes, 0, 'at the end nothing is booked')
  for (const each of measureModels(readJournal(file)).keys())
    assert.match(each, /^[ab]$/, 'a model, no instance')
})

test('what an older Plimsoll wrote, in one file of another name, is read before the rest', () => {
  const file = newJournal()
  new Writer(file, { pipeline: 'older' }).turns(3)
  const older = readFileSync(file, 'utf8').replace('"version":2', '"version":1')
  rmSync(file)
  writeFileSync(file.replace('.journal.', '.record.'), older)
  assert.ok(readLastRun({ journal: file }))
  new Writer(file, { pipeline: 'newer' }).turns(3)
  const runs = [...readJournal(file)].flatMap((line) => (line.type === 'run' ? [line.pipeline] : []))
  assert.deepEqual(runs, ['older', 'newer'])
  assert.equal(
    readFileSync(file.replace('.journal.', '.record.'), 'utf8'),
    older,
    'nothing is written behind it',
  )
})

test('of a million events the present reads those of the last file', () => {
  const file = newJournal()
  const writer = new Writer(file)
  writer.turns(10)
  const { atMs } = writer
  const usual = { deviceId: 'gpu', capacityBytes: 8e9, foreignBytes: 0, bytesByInstance: {} }
  const count = 1_000_000
  for (let index = 0; index < count; index++)
    writer.emit({ type: 'memory-observed', atMs: atMs + index, ...usual, usedBytes: index })
  writer.journal.flush()
  let readCount = 0
  const { state } = readLastRun({ journal: file }, function* (files) {
    for (const line of linesOf(files)) {
      readCount++
      yield line
    }
  })!
  assert.equal(stateText(state), stateText(writer.state))
  assert.ok(journalFiles(file).length > 20)
  assert.ok(readCount < 50_000, `${readCount} lines`)
})
