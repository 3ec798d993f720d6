// Commands beside a run that is on: they ask its daemon through the socket beside the database, and read the
// database where nobody listens there or nobody answers. Real runs, in processes of their own, held by a
// worker that waits.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StoredItem } from '../../src/core/work/item.ts'
import { askDaemon } from '../../src/http/client.ts'
import { journaled, plimsoll, startPlimsoll } from '../support/command.ts'
import { held, project } from '../support/project.ts'

const models = '  echo: { module: echo.js, vram: 200MB, loadTime: 100ms, batch: { max: 1 } }\n'
const steps = '  say: { source: texts, model: echo, input: { name: "${source.name}" }, retries: 0 }\n'
const isOneRunning = /"batch-claimed"/

function json(folder: string, ...args: string[]) {
  const { stdout, stderr } = plimsoll(folder, ...args, '--json')
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout)
}

function itemsOf(folder: string, state: string): StoredItem[] {
  return json(folder, 'items', '--state', state)
}

const socketOf = (folder: string) => join(folder, '.plimsoll/small.sock')

test('the daemon of a run answers from its memory: the journal is not read', async (test) => {
  const folder = project({ models, steps, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  rmSync(join(folder, '.plimsoll/small.journal.jsonl'))
  let status = json(folder, 'status')
  assert.deepEqual([status.isRunning, status.devices[0].instances[0].modelId], [true, 'echo'])
  // A machine that others fill may have no room for the rest for a moment: then it is not known.
  for (let count = 0; status.etaMs === null && count < 50; count++) status = json(folder, 'status')
  assert.ok(status.etaMs > 0, `${status.etaMs}`)
  const [{ id }] = itemsOf(folder, 'ready') as [StoredItem]
  assert.match(plimsoll(folder, 'why', id).stdout, /echo is resident on ram; ram runs 1 of echo/)
  assert.equal(json(folder, 'result', id).id, id)
  const [model] = json(folder, 'models', 'pipeline.yaml')
  assert.deepEqual([model.id, model.measured.loads], ['echo', 1])
  const unknown = plimsoll(folder, 'result', 'nobody')
  assert.equal(unknown.status, 2)
  assert.match(unknown.stderr, /No item is called "nobody"/, 'errors come over the socket as they are')
})

test('only the user of the run may ask, and the socket goes with the run', async (test) => {
  const folder = project({ models, steps, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  assert.equal(statSync(socketOf(folder)).mode & 0o777, 0o600)
  writeFileSync(join(folder, 'go'), '')
  await once(run, 'exit')
  assert.equal(run.exitCode, 0)
  assert.equal(existsSync(socketOf(folder)), false)
})

test('what is cancelled beside a run never runs, and the run ends without it', async (test) => {
  const folder = project({ models, steps, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  const ready = itemsOf(folder, 'ready')
  assert.equal(ready.length, 2)
  const { stdout } = plimsoll(folder, 'cancel', ...ready.map(({ id }) => id))
  assert.equal(stdout, '2 cancelled, with what depends on them.\n')
  writeFileSync(join(folder, 'go'), '')
  await once(run, 'exit')
  assert.equal(run.exitCode, 0)
  assert.deepEqual(
    [itemsOf(folder, 'done').length, itemsOf(folder, 'cancelled').map(({ attempt }) => attempt)],
    [1, [0, 0]],
  )
})

test('what is retried beside a run is run by it', async (test) => {
  const failing = `import { existsSync } from 'node:fs'
export async function load() {}
export async function run([input]) {
  if (input.name === 'one.txt' && !existsSync('mended')) throw new Error('one is broken')
  while (!existsSync('go')) await new Promise((wake) => setTimeout(wake, 20))
  return [input]
}
`
  const folder = project({ models, steps, worker: failing })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, /"batch-finished"/)
  writeFileSync(join(folder, 'mended'), '')
  assert.match(plimsoll(folder, 'retry').stdout, /^1 will be tried again by the run that is on/)
  assert.deepEqual(itemsOf(folder, 'failed'), [])
  writeFileSync(join(folder, 'go'), '')
  await once(run, 'exit')
  assert.equal(run.exitCode, 0)
  assert.equal(itemsOf(folder, 'done').length, 3)
})

test('the socket that a killed run has left is passed over, and replaced by the next run', async (test) => {
  const folder = project({ models, steps, worker: held })
  const killed = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(killed, folder, isOneRunning)
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  assert.ok(existsSync(socketOf(folder)), 'it is left')
  const { status, stdout, stderr } = plimsoll(folder, 'status')
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /\nnot running; /)
  const [{ id }] = itemsOf(folder, 'ready') as [StoredItem]
  assert.match(plimsoll(folder, 'cancel', id).stdout, /1 cancelled/, 'at rest the database is changed')
  rmSync(join(folder, '.plimsoll/small.journal.jsonl'))
  const next = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(next, folder, isOneRunning)
  assert.equal(json(folder, 'status').isRunning, true)
})

test('a project may lie deeper than the path of a socket can be long', async (test) => {
  const shallow = project({ models, steps, worker: held })
  const folder = join(shallow, 'd'.repeat(120), 'e'.repeat(120))
  const parts = readdirSync(shallow)
  mkdirSync(folder, { recursive: true })
  for (const each of parts) renameSync(join(shallow, each), join(folder, each))
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  assert.equal(statSync(socketOf(folder)).mode & 0o777, 0o600)
  rmSync(join(folder, '.plimsoll/small.journal.jsonl'))
  assert.equal(json(folder, 'status').isRunning, true)
  const fromElsewhere = plimsoll('/', 'status', '--json', '--db', join(folder, '.plimsoll/small.db'))
  assert.equal(JSON.parse(fromElsewhere.stdout).isRunning, true)
  writeFileSync(join(folder, 'go'), '')
  await once(run, 'exit')
  assert.equal(existsSync(socketOf(folder)), false)
})

test('where a run does not answer, that is said, with its process; what only reads asks the database', async (test) => {
  const folder = project({ models, steps, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  const [{ id }] = itemsOf(folder, 'ready') as [StoredItem]
  run.kill('SIGSTOP')
  const who = new RegExp(`The run of .*small\\.db \\(process ${run.pid}\\) does not answer`)
  const status = plimsoll(folder, 'status')
  assert.equal(status.status, 0)
  assert.match(status.stderr, who)
  assert.match(status.stdout, /say {2}│ {5}2 │ {6}1\n/)
  const cancel = plimsoll(folder, 'cancel', id)
  assert.equal(cancel.status, 1)
  assert.match(cancel.stderr, who)
  run.kill('SIGCONT')
  assert.equal(json(folder, 'status').isRunning, true)
})

test('clients that go away, send rubbish or too much, or come by the hundred do the run no harm', async (test) => {
  const folder = project({ models, steps, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, isOneRunning)
  const talk = async (text: string | Buffer): Promise<Socket> => {
    const socket = createConnection(socketOf(folder))
    socket.on('error', () => {}).resume()
    await once(socket, 'connect')
    socket.write(text)
    return socket
  }
  const head = (bytes: number) =>
    `POST /api/v1/status HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes}\r\n\r\n`
  const gone = await talk(`${head(2)}{}`)
  gone.destroy()
  const half = await talk(`${head(1000)}{"a`)
  const rubbish = await talk('\u0000\u0001 what?\r\n\r\n')
  await once(rubbish, 'close')
  const huge = await talk(head(1e9))
  const isCutOff = new Promise((resolve) => huge.once('close', resolve))
  for (let sent = 0; sent < 20 && !huge.destroyed; sent++) huge.write(Buffer.alloc(1 << 20, 32))
  await isCutOff
  const database = join(folder, '.plimsoll/small.db')
  const replies = await Promise.all(Array.from({ length: 100 }, () => askDaemon(database, 'status', {})))
  assert.ok(replies.every(({ type }) => type === 'answer'))
  writeFileSync(join(folder, 'go'), '')
  await once(run, 'exit')
  assert.equal(run.exitCode, 0)
  half.destroy()
})
