// What `status`, `why` and `doctor` say when memory is not as it should be: the real commands over a database
// and the record of a run whose process is this test's, so that it is on.
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decide } from '../../src/core/decide/decide.ts'
import { defineModel } from '../../src/core/model.ts'
import { defaultPolicy } from '../../src/core/policy.ts'
import { apply } from '../../src/core/state/apply.ts'
import type { SchedulerEvent } from '../../src/core/state/events.ts'
import { createState } from '../../src/core/state/state.ts'
import { newItem } from '../../src/core/work/item.ts'
import { runFiles } from '../../src/record/files.ts'
import { JournalWriter } from '../../src/record/journal-writer.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { plimsoll } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'

const gb = 1e9
const batch = { overheadMs: 0, perItemMs: 1000, max: 1 }
const model = (id: string, vram: string) => defineModel({ id, vram, loadMs: 2000, batch })

/** A run of models a (5 GB) and b (4 GB) on 8 GB, with an item of each, at the moment that its events lead
 * to. */
async function recordedRun() {
  const folder = temporaryFolder('status')
  mkdirSync(join(folder, '.plimsoll'))
  const files = runFiles(join(folder, '.plimsoll/small.db'))
  const store = await openSqliteStore({ file: files.database })
  await store.submit([newItem({ id: 'one', modelId: 'a' }), newItem({ id: 'two', modelId: 'b' })], Date.now())
  const heads = await store.queueHeads()
  await store.close()
  const gpu = { id: 'gpu', kind: 'nvidia', capacityBytes: 8 * gb, safetyRatio: 1 }
  const state = createState([model('a', '5GB'), model('b', '4GB')], [gpu], defaultPolicy)
  const startMs = Date.now()
  const journal = new JournalWriter({ file: files.journal, pipeline: 'small', state, atMs: startMs })
  let atMs = startMs
  const tell = (event: SchedulerEvent) => {
    apply(state, event)
    journal.add(event)
  }
  /** Has commands until there are none, each as it is issued. */
  const decideAll = () => {
    for (;;) {
      const { command } = decide(state, atMs)
      if (!command) return
      tell({ type: 'command-issued', atMs, command })
    }
  }
  tell({ type: 'queue-changed', atMs, heads })
  decideAll() // a is loaded
  const [instance] = state.models[0]!.instances
  assert.equal(instance!.id, 'a-1')
  return {
    folder,
    pass: (ms: number) => {
      atMs += ms
    },
    tell: (event: Omit<SchedulerEvent, 'atMs'> & Record<string, unknown>) =>
      tell({ atMs, ...event } as SchedulerEvent),
    decideAll,
    read: (held: Record<string, number>, more = {}) => {
      const reading = { deviceId: 'gpu', capacityBytes: 8 * gb, foreignBytes: 0, bytesByInstance: held }
      tell({ type: 'memory-observed', atMs, ...reading, ...more })
    },
    /** Writes down what is left. */
    end: () => journal.flush(),
  }
}

test('status, why and doctor name memory that does not come back, with its cause', async () => {
  const { folder, tell, pass, decideAll, end } = await recordedRun()
  tell({ type: 'load-failed', instanceId: 'a-1', message: 'the load took longer than 5 min' })
  pass(5500)
  const cause = 'process 4242 (python3), which does not react to KILL'
  tell({ type: 'release-delayed', instanceId: 'a-1', cause })
  decideAll()
  end()
  const quarantine =
    /gpu: 5 GB of a-1 have not come back for \d.*: process 4242 \(python3\), which does not react to KILL/
  const status = plimsoll(folder, 'status')
  assert.match(
    status.stdout,
    /gpu {4}│ {3}8 GB │ {3}5 GB │ {5}0 B │ {8}5 GB │ {5}0 B │ a 5 GB\n/,
    status.stderr,
  )
  assert.match(status.stdout, quarantine)
  assert.match(status.stdout, /a could not be loaded \(the load took longer than 5 min\); the next try is in/)
  const json = JSON.parse(plimsoll(folder, 'status', '--json').stdout)
  assert.deepEqual([json.devices[0].quarantinedBytes, json.devices[0].headroomBytes], [5 * gb, 3 * gb])
  assert.match(json.notes.join('\n'), quarantine)
  const why = plimsoll(folder, 'why', 'two').stdout
  assert.match(why, /b is not resident and needs 4 GB on gpu, which can offer 3 GB at most: 1 GB too little/)
  assert.match(why, quarantine)
  assert.match(plimsoll(folder, 'why', 'one').stdout, /a could not be loaded .*; the next try is in/)
  const doctor = plimsoll(folder, 'doctor')
  assert.equal(doctor.status, 1)
  assert.match(doctor.stdout, /look {2}run \.plimsoll\/small\.db: is on; gpu: 5 GB of a-1 have not come back/)
})

test('status and why name a deficit, foreign use that has grown, and a device that is not well', async () => {
  const deficit = await recordedRun()
  deficit.tell({ type: 'load-finished', instanceId: 'a-1', loadMs: 10, residentBytes: null, maxBatch: null })
  deficit.read({ 'a-1': 8.12 * gb })
  deficit.end()
  const more = /gpu: 120 MB more are held than booked \(a-1 120 MB\); nothing new is loaded/
  const { stdout } = plimsoll(deficit.folder, 'status')
  assert.match(stdout, /gpu {4}│ {3}8 GB │ {3}8 GB │ {2}120 MB │/)
  assert.match(stdout, more)
  assert.match(plimsoll(deficit.folder, 'why', 'two').stdout, more)

  deficit.read({ 'a-1': 5 * gb }, { foreignBytes: 4 * gb })
  deficit.end()
  const grown = /gpu: others hold 4 GB of 8 GB, 4 GB more than when a-1 was loaded/
  assert.match(plimsoll(deficit.folder, 'status').stdout, grown)
  assert.match(plimsoll(deficit.folder, 'why', 'two').stdout, grown)

  deficit.read({}, { fault: 'it has fallen off the bus' })
  deficit.end()
  const fault = /gpu is not well: it has fallen off the bus\./
  const answer = JSON.parse(plimsoll(deficit.folder, 'status', '--json').stdout)
  assert.equal(answer.devices[0].fault, 'it has fallen off the bus')
  assert.equal(answer.etaMs, null, 'nothing can be loaded')
  assert.match(answer.notes.join(), fault)
  assert.match(plimsoll(deficit.folder, 'why', 'two').stdout, fault)
})

test('status reads a journal with lines that make no sense, and refuses one of another version', async () => {
  const { folder, end } = await recordedRun()
  end()
  const { journal } = runFiles(join(folder, '.plimsoll/small.db'))
  const lost = { type: 'memory-released', atMs: Date.now(), instanceId: 'nobody' }
  for (const line of [
    '{"type":"fly","atMs":1}',
    '{"type":"queue-changed","atMs":2}',
    '[1]}',
    JSON.stringify(lost),
  ])
    appendFileSync(journal, `${line}\n`)
  const { status, stdout, stderr } = plimsoll(folder, 'status', '--json')
  assert.equal(status, 0, stderr)
  assert.equal(JSON.parse(stdout).devices[0].bookedBytes, 5 * gb)
  appendFileSync(journal, '{"type":"run","version":3,"atMs":3}\n')
  const refused = plimsoll(folder, 'status')
  assert.equal(refused.status, 2)
  assert.match(refused.stderr, /The journal has version 3; this Plimsoll reads versions 1 and 2/)
})
