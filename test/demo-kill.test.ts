// The demo with real models, killed with -9 at ten random moments, each followed by the
// same command. The seed of the moments is printed; PLIMSOLL_SEED=<seed> repeats them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { openSqliteReader } from '../src/stores/sqlite/store.ts'
import type { StoreEvent } from '../src/stores/store.ts'
import { temporaryFolder } from './support/folder.ts'

const root = resolve(import.meta.dirname, '..')
const pipeline = join(root, 'examples/archive/pipeline.yaml')
const folder = temporaryFolder('kill')

const killCount = 10
const seed = Number(process.env.PLIMSOLL_SEED ?? Date.now() % 1_000_000)

/** Park and Miller's generator: only to choose the moments. */
function chances(start: number): () => number {
  let value = (start % 2147483646) + 1
  return () => {
    value = (value * 48271) % 2147483647
    return value / 2147483647
  }
}

function start(database: string) {
  const args = ['run', pipeline, '--db', database, '--json']
  return spawn(join(root, 'bin/plimsoll'), args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
}

async function finish(
  child: ReturnType<typeof start>,
): Promise<{ code: number; answer: Record<string, unknown> }> {
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(errors, '')
  return { code, answer: JSON.parse(output) }
}

test(`the demo killed ${killCount} times ends with the results of an undisturbed run (seed ${seed})`, async (t) => {
  const calm = await finish(start(join(folder, 'calm.db')))
  assert.equal(calm.code, 0)
  assert.ok((calm.answer.evictions as number) > 0, 'the budget does not hold all models at once')

  const chance = chances(seed)
  const database = join(folder, 'killed.db')
  const moments: number[] = []
  for (let kill = 0; kill < killCount; kill++) {
    const child = start(database)
    const afterMs = Math.round(200 + chance() * 3800)
    moments.push(afterMs)
    const exited = once(child, 'exit')
    await Promise.race([exited, new Promise((wake) => setTimeout(wake, afterMs))])
    // The child is the shell of bin/plimsoll or, by exec, Node itself: the pid is the same.
    if (child.exitCode === null) process.kill(child.pid!, 'SIGKILL')
    await exited
  }
  t.diagnostic(`killed after ${moments.join(', ')} ms`)
  const last = await finish(start(database))
  assert.equal(last.code, 0)

  assert.deepEqual(resultsOf('killed'), resultsOf('calm'), 'the same results')
  const events = await eventsOf(database)
  assert.deepEqual(recordedTwice(events), [], 'no result is recorded twice')
  assert.deepEqual(ranAfterItsResult(events), [], 'no item runs again after its result was recorded')
  assert.deepEqual(workersLeft(), [], 'no process is left')
  assert.ok((last.answer.peakBookedBytes as number) <= (last.answer.budgetBytes as number))
})

function resultsOf(name: string): unknown[] {
  const lines = readFileSync(join(folder, `${name}.results.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => JSON.parse(line))
}

async function eventsOf(database: string): Promise<StoreEvent[]> {
  const store = await openSqliteReader(database)
  try {
    return await store.events(0, 1_000_000)
  } finally {
    await store.close()
  }
}

function recordedTwice(events: StoreEvent[]): string[] {
  const done = events.filter(({ state }) => state === 'done').map(({ itemId }) => itemId)
  return done.filter((id, index) => done.indexOf(id) !== index)
}

function ranAfterItsResult(events: StoreEvent[]): string[] {
  const done = new Set<string>()
  return events.flatMap(({ itemId, state }) => {
    if (state === 'done') done.add(itemId)
    return state === 'leased' && done.has(itemId) ? [itemId] : []
  })
}

/** Processes whose command line or folder is the demo's. */
function workersLeft(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return command.includes(join(root, 'examples/archive/workers')) || command.includes(folder)
        ? [`${pid} ${command}`]
        : []
    } catch {
      return []
    }
  })
}
