// `plimsoll why`, `status` and `doctor` beside a run that is on, and after it: a real run in a process of its
// own, held by a worker that waits to be told to go on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StoredItem } from '../../src/core/work/item.ts'
import { journaled, plimsoll, startPlimsoll } from '../support/command.ts'
import { held, project } from '../support/project.ts'

/** Of the two models only one has room in 900 MB. */
const models = `  first: { module: echo.js, vram: 600MB, loadTime: 100ms, batch: { max: 1 } }
  second: { module: echo.js, vram: 500MB, loadTime: 100ms, batch: { max: 1 } }
`
const input = 'input: { name: "${source.name}" }'
const steps = `  main: { source: texts, model: first, ${input} }
  low: { source: texts, model: first, ${input}, priority: -1 }
  other: { source: texts, model: second, ${input} }
  next: { source: texts, model: second, input: "\${main}" }
`
const isOneRunning = /"batch-claimed"/

/** The first item of a step in a state. */
function itemOf(folder: string, step: string, state: string): StoredItem {
  const { stdout } = plimsoll(folder, 'items', '--step', step, '--state', state, '--json')
  return (JSON.parse(stdout) as StoredItem[])[0]!
}

function why(folder: string, id: string): string {
  const { status, stdout, stderr } = plimsoll(folder, 'why', id)
  assert.equal(status, 0, stderr)
  return stdout
}

test('why names what each item of a run that is on waits for, and when it starts', async (test) => {
  const folder = project({ models, steps, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  const running = itemOf(folder, 'main', 'leased')
  const next = itemOf(folder, 'next', 'blocked')
  const parent = next.dependencies[0]!.id

  assert.match(why(folder, running.id), /is leased\.\n- It does not wait: it runs now\./)
  const blocked = why(folder, next.id)
  assert.match(blocked, new RegExp(`- It waits for "${parent}" of first, which is (running|ready)\\.\n`))
  assert.match(blocked, /- By a simulation of what is left it starts (in about|within a second)/)
  const low = why(folder, itemOf(folder, 'low', 'ready').id)
  assert.match(low, /- It is ready: 2 of higher priority go before it; 3 of its priority wait for first/)
  assert.match(low, /- first is resident on ram; ram runs 1 of first; a running batch is not interrupted\./)
  const other = why(folder, itemOf(folder, 'other', 'ready').id)
  assert.match(
    other,
    /- second is not resident and needs 500 MB on ram: 200 MB are missing\. On ram are first 600 MB \(runs a batch; its visit has about .* of compute left\)\./,
  )
  assert.match(other, /- It has waited .*; in 4 min .* it is overdue and goes before/)
  const json = JSON.parse(plimsoll(folder, 'why', next.id, '--json').stdout)
  assert.deepEqual([json.id, json.state, json.reasons.length], [next.id, 'blocked', 1])
  assert.ok(json.startsInMs > 0)

  run.kill('SIGKILL')
  await once(run, 'exit')
  const after = /No run of this database is on; `plimsoll run PIPELINE` starts or continues it\./
  assert.match(why(folder, running.id), /It was running when its run was killed.*\n- No run/)
  assert.match(why(folder, next.id), new RegExp(`It waits for 1 other item: "${parent}" of first\\.`))
  const ready = why(folder, itemOf(folder, 'other', 'ready').id)
  assert.match(ready, after)
  assert.doesNotMatch(ready, /resident/, 'nothing is any more')
  assert.match(plimsoll(folder, 'doctor').stdout, /run \.plimsoll\/small\.db: is over, and left no process/)

  writeFileSync(join(folder, 'go'), '')
  assert.equal(plimsoll(folder, 'run', 'pipeline.yaml').status, 0)
  assert.match(why(folder, next.id), /is done\.\n- It does not wait: it is done\./)
})

test('why says of an item that is overdue that it is, and which rule puts it first', async (test) => {
  const folder = project({ models, steps, worker: held })
  const settings = ['--set', 'policy.maxWait=1s', '--set', 'policy.backlogFactor=0']
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml', ...settings)
  await journaled(run, folder, isOneRunning)
  const { id } = itemOf(folder, 'other', 'ready')
  let text = why(folder, id)
  while (!text.includes('overdue: longest wait first')) text = why(folder, id) // its second has not passed
  assert.match(text, /- It has waited .* and is overdue: longest wait first\./)
})

test('status of a run that is on has a table of its devices, and how long the rest takes', async (test) => {
  const folder = project({ models, steps, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  const { stdout } = plimsoll(folder, 'status')
  assert.match(stdout, /device │ budget │ booked │ deficit │ quarantined │ foreign │ holds\n/)
  assert.match(stdout, /ram {4}│ 900 MB │ 600 MB │ {5}0 B │ {9}0 B │ .* │ first 600 MB\n/)
  assert.match(stdout, /about .* left\n$/)
  const { isRunning, etaMs, devices } = JSON.parse(plimsoll(folder, 'status', '--json').stdout)
  assert.equal(isRunning, true)
  assert.ok(etaMs > 0)
  const { bookedBytes, budgetBytes, instances } = devices[0]
  assert.deepEqual([bookedBytes, budgetBytes, instances[0].modelId], [600e6, 900e6, 'first'])
  assert.match(plimsoll(folder, 'doctor').stdout, /ok {4}run \.plimsoll\/small\.db: is on/)

  writeFileSync(join(folder, 'go'), '')
  await once(run, 'exit')
  const after = JSON.parse(plimsoll(folder, 'status', '--json').stdout)
  assert.deepEqual([after.isRunning, after.etaMs, after.devices], [false, null, []])
})

test('why refuses an item that is not there, and the beginning of several', async (test) => {
  const folder = project({ models, steps, worker: held })
  const nothing = plimsoll(folder, 'why', 'nobody')
  assert.equal(nothing.status, 2)
  assert.match(nothing.stderr, /Which database\? none was found here.*`plimsoll run PIPELINE` makes one/)
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  const unknown = plimsoll(folder, 'why', 'nobody')
  assert.equal(unknown.status, 2)
  assert.match(unknown.stderr, /No item is called "nobody"\. `plimsoll items` lists them\./)
  const several = plimsoll(folder, 'why', 'one.txt')
  assert.equal(several.status, 2)
  assert.match(several.stderr, /4 items begin with "one\.txt": one\.txt_.*Write more of it\./)
  const missing = plimsoll(folder, 'why', 'one', '--db', 'elsewhere.db', '--json')
  assert.equal(missing.status, 2)
  assert.match(JSON.parse(missing.stdout).error.message, /There is no database "elsewhere\.db"/)
})
