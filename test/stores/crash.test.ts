// What is left of a SQLite store that is killed between any two of its writes, or whose disk refuses any of
// them: a state that it had between two calls, never part of one, with items, leases, counts, queues and what
// was inherited as in a memory store to which the same calls were made.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import type { Store } from '../../src/stores/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import {
  type Action,
  callsOf,
  leadMs,
  perform,
  resolver,
  serves,
  sweep,
  view,
  type World,
  worldOf,
} from './actions.ts'
import { checkFile } from './rows.ts'

const folder = temporaryFolder('crash')
let fileCount = 0
const newFile = () => join(folder, `${++fileCount}.db`)
const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const open = (file: string) => openSqliteStore({ file, resolver, leadMs, serves })
const inMemory = () => worldOf(openMemoryStore({ resolver, leadMs, serves }))

/** All but the deadlines at the heads: one that has passed is shown again by a store that was opened anew. */
async function lasting(store: Store) {
  const { heads, ...rest } = await view(store)
  return { ...rest, heads: heads.map(({ latestEndAtMs, ...head }) => head) }
}

/** The file is whole, and the store that is opened from it is as expected; answers with it, open. */
async function checkOpened(file: string, expected: unknown, what: string): Promise<Store> {
  const store = await open(file)
  assert.deepEqual(await lasting(store), expected, what)
  await checkFile(worldOf(store), file)
  return store
}

test('cut off after any of its writes, a file has each call whose writes are all there, and nothing of the next', () =>
  fc.assert(
    fc.asyncProperty(seed, async (chosen) => {
      const file = newFile()
      const [memory, sqlite] = [inMemory(), worldOf(await open(file))]
      // A log that is not brought into the file within the test holds all that was written, in order.
      const log = `${file}-wal`
      const states = [{ bytes: statSync(log).size, expected: await lasting(memory.store) }]
      for (const [each, nowMs] of [...callsOf(chosen)].slice(0, 60)) {
        await perform(memory, each, nowMs)
        await perform(sqlite, each, nowMs)
        states.push({ bytes: statSync(log).size, expected: await lasting(memory.store) })
      }
      const [main, written] = [readFileSync(file), readFileSync(log)]
      await sqlite.store.close()
      for (const bytes of cuts(states[0]!.bytes, written.length)) {
        const { expected } = states.findLast((state) => state.bytes <= bytes)!
        const cut = newFile()
        writeFileSync(cut, main)
        writeFileSync(`${cut}-wal`, written.subarray(0, bytes))
        await (await checkOpened(cut, expected, `cut after ${bytes} bytes`)).close()
      }
    }),
    { numRuns: 2, endOnFailure: true },
  ))

/** After each page of the log, and now and then inside one. */
function* cuts(from: number, to: number): Iterable<number> {
  const [headerBytes, frameBytes] = [32, 24 + 4096]
  for (let bytes = headerBytes; bytes <= to; bytes += frameBytes) {
    if (bytes < from) continue
    yield bytes
    if (bytes % 5 === 0 && bytes + 2000 < to) yield bytes + 2000
  }
}

test('after kill -9 among random calls a file has those that were answered, and at most the one under way', async () => {
  for (const told of [3, 40, 150]) {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const file = newFile()
    const answeredCount = await killedAfter(told, file, seed)
    const memory = inMemory()
    const rest = callsOf(seed)[Symbol.iterator]()
    const next = async (world: World) => {
      const [each, nowMs] = rest.next().value as [Action, number]
      await perform(world, each, nowMs)
      return nowMs
    }
    for (let count = 0; count < answeredCount; count++) await next(memory)
    const answered = await lasting(memory.store)
    const store = await open(file)
    const found = await lasting(store)
    if (!isDeepStrictEqual(found, answered)) await next(memory)
    assert.deepEqual(found, await lasting(memory.store), `seed ${seed}, ${answeredCount} answered`)
    await goOn(memory, { ...worldOf(store), ids: [...memory.ids] }, rest, file)
    await store.close()
  }
})

/** Makes the calls of a seed in a process of its own, and kills it once so many were answered. */
async function killedAfter(told: number, file: string, seed: number): Promise<number> {
  const source = `
    import { openSqliteStore } from '${import.meta.dirname}/../../src/stores/sqlite/store.ts'
    import { callsOf, leadMs, perform, resolver, serves, worldOf } from '${import.meta.dirname}/actions.ts'
    const world = worldOf(await openSqliteStore({ file: '${file}', resolver, leadMs, serves }))
    for (const [each, nowMs] of callsOf(${seed})) {
      await perform(world, each, nowMs)
      process.stdout.write('.')
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  let answeredCount = 0
  for await (const chunk of child.stdout) {
    answeredCount += chunk.length
    if (answeredCount >= told) child.kill('SIGKILL')
  }
  await exit
  return answeredCount
}

/** A new owner gives back what was leased; from there on both answer alike. */
async function goOn(
  memory: World,
  sqlite: World,
  rest: Iterator<[Action, number]>,
  file: string,
): Promise<void> {
  memory.held = []
  for (let count = 0; count < 60; count++) {
    const { done, value } = rest.next()
    if (done) return
    const [each, nowMs] = value
    for (const world of count === 0 ? [memory, sqlite] : []) {
      await world.store.releaseAll(nowMs)
      await sweep(world, nowMs)
    }
    assert.deepEqual(
      await perform(sqlite, each, nowMs),
      await perform(memory, each, nowMs),
      JSON.stringify(each),
    )
    assert.deepEqual(await view(sqlite.store), await view(memory.store), JSON.stringify(each))
  }
  await checkFile(sqlite, file)
}

const canLimit = spawnSync('prlimit', ['--version']).status === 0

test(
  'a write that fails, whichever it is, undoes its whole call; made again it answers as if nothing had been',
  {
    skip: canLimit ? false : 'prlimit is not installed',
  },
  () =>
    fc.assert(
      fc.asyncProperty(seed, fc.infiniteStream(fc.nat(60_000)), async (chosen, rooms) => {
        const file = newFile()
        const [memory, sqlite] = [inMemory(), worldOf(await open(file))]
        try {
          for (const [each, nowMs] of [...callsOf(chosen)].slice(0, 60)) {
            const before = await lasting(sqlite.store)
            // The kernel refuses what goes beyond: one of the pages that a commit writes to the log, or none.
            limitFiles(statSync(`${file}-wal`).size + rooms.next().value!)
            const first = await perform(sqlite, each, nowMs).catch((error) => error)
            limitFiles('unlimited')
            if (first instanceof Error) {
              assert.equal((first as Error & { code: string }).code, 'STORE_FAILED', first.message)
              assert.deepEqual(await lasting(sqlite.store), before, JSON.stringify(each))
            }
            const answer = first instanceof Error ? await perform(sqlite, each, nowMs) : first
            assert.deepEqual(answer, await perform(memory, each, nowMs), JSON.stringify(each))
            assert.deepEqual(await view(sqlite.store), await view(memory.store), JSON.stringify(each))
            await checkFile(sqlite, file)
          }
          await (await reopened(sqlite.store, file, await lasting(memory.store))).close()
        } finally {
          limitFiles('unlimited')
          await sqlite.store.close().catch(() => {})
        }
      }),
      { numRuns: 4, endOnFailure: true },
    ),
)

async function reopened(store: Store, file: string, expected: unknown): Promise<Store> {
  await store.close()
  return checkOpened(file, expected, 'opened again')
}

/** The largest size to which this process may write a file. */
function limitFiles(bytes: number | 'unlimited'): void {
  const { status, stderr } = spawnSync('prlimit', [`--pid=${process.pid}`, `--fsize=${bytes}:`])
  assert.equal(status, 0, String(stderr))
}
