// What is SQLite's own: owners that are killed, readers beside them, transactions of many calls. The rules
// that it shares with other stores are in conformance.ts (run for both in stores.test.ts), what a file may be
// in sqlite-file.test.ts, crashes and refusals at every write in crash.test.ts and refused.test.ts.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { NewItem } from '../../src/core/work/item.ts'
import { openSqliteReader, openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { allItems, type Resolver, type Store } from '../../src/stores/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { worldOf } from './actions.ts'
import { claim, item } from './conformance.ts'
import { checkFile } from './rows.ts'

const folder = temporaryFolder('sqlite')
let fileCount = 0
const newFile = () => join(folder, `${++fileCount}.db`)

/** A moment in 2026. */
const nowAtMs = 1_790_000_000_000

async function withStore(body: (store: Store, file: string) => Promise<void>, resolver?: Resolver) {
  const file = newFile()
  const store = await openSqliteStore({ file, resolver })
  try {
    await body(store, file)
  } finally {
    await store.close()
  }
}

async function states(store: Pick<Store, 'list'>): Promise<Record<string, string>> {
  return Object.fromEntries((await allItems(store)).map(({ id, state }) => [id, state]))
}

/** Runs a module that may use `store`, `item` and `claim`, until it is killed or ends. */
function startOwner(file: string, body: string, serves = 'undefined'): ChildProcess {
  const source = `
    import { openSqliteStore } from '${import.meta.dirname}/../../src/stores/sqlite/store.ts'
    import { claim, item } from '${import.meta.dirname}/conformance.ts'
    const store = await openSqliteStore({ file: '${file}', serves: ${serves} })
    const tell = (line) => process.stdout.write(line + '\\n')
    ${body}`
  return spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Kills the process after it told that many lines, and gives back all that it told. */
async function killAfter(child: ChildProcess, lineCount: number): Promise<string[]> {
  const exit = once(child, 'exit')
  let told = ''
  for await (const chunk of child.stdout!) {
    told += chunk
    if (told.split('\n').length > lineCount) child.kill('SIGKILL')
  }
  await exit
  return told.split('\n').slice(0, -1)
}

const largeArchive = Array.from({ length: 6000 }, (_, index) => item(`i${index}`))

// ── kills and owners ──

test('after kill -9 in a stream of results every acknowledged one is kept, and each item ends once', async () => {
  const file = newFile()
  const first = await openSqliteStore({ file })
  const chains = Array.from({ length: 300 }, (_, index) => [
    item(`a${index}`),
    item(`b${index}`, [`a${index}`]),
  ])
  await first.submit(chains.flat(), nowAtMs)
  await first.close()
  let acknowledged: string[] = []
  for (const lineCount of [1, 20, 60]) {
    const child = startOwner(
      file,
      `await store.releaseAll(${nowAtMs})
      for (;;) {
        const { token, items } = await claim(store, 5, ${nowAtMs})
        if (items.length === 0) break
        const finish = ({ id }) => store.finish(token, [{ type: 'done', id, output: id }], ${nowAtMs}).then(() => tell(id))
        await finish(items[0])
        await Promise.all(items.slice(1).map(finish))
      }`,
    )
    acknowledged = [...acknowledged, ...(await killAfter(child, lineCount))]
  }
  assert.equal(new Set(acknowledged).size, acknowledged.length, 'no result was acknowledged twice')
  const store = await openSqliteStore({ file })
  for (const id of acknowledged) assert.equal((await store.get(id))!.state, 'done', id)
  await store.releaseAll(nowAtMs)
  for (let batch = await claim(store, 50); batch.items.length > 0; batch = await claim(store, 50)) {
    const outcomes = batch.items.map(({ id, attempt }) => {
      assert.equal(attempt, 1, `${id} was given back without using up an attempt`)
      return { type: 'done' as const, id, output: id }
    })
    assert.deepEqual((await store.finish(batch.token, outcomes, nowAtMs)).stale, [])
  }
  const ends = (await store.events(0, 1e6)).filter(({ state }) => state === 'done')
  assert.equal(ends.length, 600)
  assert.equal(new Set(ends.map(({ itemId }) => itemId)).size, 600)
  await store.close()
})

test('kill -9 of a run of another pipeline leaves the items of the first as they were', async () => {
  const file = newFile()
  const serving = (name: string) => openSqliteStore({ file, serves: (pipeline) => pipeline === name })
  const first = await serving('a')
  const named = (id: string, dependencies: string[] = []) => item(id, dependencies, { pipeline: 'a' })
  await first.submit([named('a1'), named('a2', ['a1']), named('a3')], nowAtMs)
  const before = await allItems(first)
  await first.close()
  const body = `
    await store.releaseAll(${nowAtMs})
    for (let index = 0; ; index++) {
      await store.submit([item('b' + index, [], { pipeline: 'b' })], ${nowAtMs})
      const { token, items } = await claim(store, 5, ${nowAtMs})
      await store.finish(token, items.map(({ id }) => ({ type: 'done', id, output: id })), ${nowAtMs})
      tell(items.map(({ id }) => id).join(' '))
    }`
  const ran = await killAfter(startOwner(file, body, "(pipeline) => pipeline === 'b'"), 20)
  const expected = ran.map((_, index) => `b${index}`)
  assert.deepEqual(ran, expected, 'each claim took the one item of its own pipeline')
  const again = await serving('a')
  await again.releaseAll(nowAtMs)
  assert.deepEqual(await allItems(again, { pipeline: 'a' }), before)
  for (const id of ['a1', 'a3', 'a2']) {
    const { token, items } = await claim(again, 1, nowAtMs)
    const { accepted } = await again.finish(token, [{ type: 'done', id, output: 1 }], nowAtMs)
    assert.deepEqual([accepted, items[0]!.attempt], [[id], 1])
  }
  await again.close()
})

test('another process is refused while an owner lives, and let in when it was killed', async () => {
  const file = newFile()
  const child = startOwner(file, "tell('open'); setInterval(() => {}, 1000)")
  await once(child.stdout!, 'data')
  await assert.rejects(openSqliteStore({ file }), {
    code: 'STORE_LOCKED',
    message: /Another process uses .*Wait/,
  })
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  await (await openSqliteStore({ file })).close()
})

test('opens again with thousands of ready items whose times add up beyond exact integers', async () => {
  const file = newFile()
  const first = await openSqliteStore({ file })
  await first.submit(largeArchive, nowAtMs)
  const heads = await first.queueHeads()
  const reader = await openSqliteReader(file)
  assert.deepEqual(await reader.queueHeads(), heads)
  await reader.close()
  await first.close()
  const second = await openSqliteStore({ file })
  assert.deepEqual(await second.queueHeads(), heads)
  await second.close()
})

test('a reader beside the owner sees each committed state whole: items, leases, counts and events', () =>
  withStore(async (store, file) => {
    await store.submit([item('a'), item('b', ['a']), item('c'), item('d')], 1)
    const reader = await openSqliteReader(file)
    const same = async () => {
      assert.deepEqual(await allItems(reader), await allItems(store))
      for (const state of ['ready', 'leased', 'done'] as const)
        assert.deepEqual(await reader.list({ state }), await store.list({ state }), state)
      assert.deepEqual(await reader.get('a'), await store.get('a'))
      assert.deepEqual(await reader.queueHeads(), await store.queueHeads())
      assert.deepEqual(await reader.events(0, 100), await store.events(0, 100))
      const sorted = async (each: Pick<Store, 'stats'>) =>
        (await each.stats()).groups.map((group) => JSON.stringify(group)).sort()
      assert.deepEqual(await sorted(reader), await sorted(store))
    }
    await same()
    const { token } = await claim(store, 2, 10)
    await same()
    await store.finish(token, [{ type: 'release', id: 'c' }], 11)
    await same()
    await store.finish(token, [{ type: 'done', id: 'a', output: { text: 'ä' } }], 12)
    await same()
    await reader.close()
  }))

// ── transactions ──

test('a full disk fails every call of its transaction, keeps what was there, and passes', () =>
  withStore(async (store) => {
    await store.submit([item('a'), item('b', ['a']), item('c')], 1)
    const { token } = await claim(store, 2)
    const before = [await allItems(store), await store.queueHeads(), await store.events(0, 100)]
    // The bound must be set on the store's own connection: SQLite keeps it there, not in the file.
    const { db } = store as unknown as { db: DatabaseSync }
    const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number }
    db.exec(`PRAGMA max_page_count = ${pages}`)
    const write = () =>
      Promise.allSettled([
        store.finish(token, [{ type: 'done', id: 'c', output: 1 }], 20),
        store.finish(token, [{ type: 'done', id: 'a', output: 'x'.repeat(100_000) }], 20),
      ])
    for (const answer of await write()) {
      assert.equal(answer.status === 'rejected' && answer.reason.code, 'STORE_FULL')
    }
    assert.deepEqual([await allItems(store), await store.queueHeads(), await store.events(0, 100)], before)
    db.exec('PRAGMA max_page_count = 1000000')
    for (const answer of await write()) assert.equal(answer.status, 'fulfilled')
    assert.deepEqual(await states(store), { a: 'done', b: 'ready', c: 'done' })
  }))

test('only leases are not waited for: whatever is committed with them, or after them, is on disk', () =>
  withStore(async (store) => {
    const { db } = store as unknown as { db: DatabaseSync }
    const waits = () => (db.prepare('PRAGMA synchronous').get() as { synchronous: number }).synchronous === 2
    await store.submit([item('a'), item('b'), item('c')], 1)
    assert.ok(waits())
    const { token } = await claim(store, 1)
    assert.ok(!waits())
    await Promise.all([claim(store, 1), store.finish(token, [{ type: 'done', id: 'a', output: 1 }], 20)])
    assert.ok(waits(), 'a result in the same commit')
    await Promise.all([claim(store, 1), store.heartbeat(token, 100, 20)])
    assert.ok(!waits())
    await store.sweep(30)
    assert.ok(waits())
  }))

test('a call that is refused leaves the others of its transaction alone', () =>
  withStore(async (store) => {
    await store.submit([item('a'), item('b')], 1)
    const { token } = await claim(store, 2)
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const answers = await Promise.allSettled([
      store.finish(token, [{ type: 'done', id: 'a', output: circle }], 20),
      store.submit([item('x', ['nobody'])], 20),
      store.finish(token, [{ type: 'done', id: 'b', output: 1 }], 20),
      store.submit([item('y', ['b'], { input: 1n })], 20),
      store.submit([item('z', ['b'])], 20),
    ])
    assert.deepEqual(
      answers.map((each) => (each.status === 'rejected' ? each.reason.code : 'fine')),
      ['BAD_VALUE', 'UNKNOWN_DEPENDENCY', 'fine', 'BAD_VALUE', 'fine'],
    )
    assert.deepEqual(await states(store), { a: 'leased', b: 'done', z: 'ready' })
  }))

test('a call after the end is refused with a sentence', async () => {
  const store = await openSqliteStore({ file: newFile() })
  await store.close()
  await assert.rejects(store.submit([item('a')], 1), { code: 'STORE_FAILED', message: /is closed/ })
})

test('events are found by cursor inside a row of many', () =>
  withStore(async (store) => {
    await store.submit(largeArchive, 1)
    const page = await store.events(7000, 3)
    assert.deepEqual(
      page.map(({ sequence }) => sequence),
      [7001, 7002, 7003],
    )
    assert.deepEqual(await store.events(12_000, 3), [])
    await claim(store, 2, 20)
    assert.deepEqual(
      (await store.events(11_999, 9)).map(({ sequence, state }) => [sequence, state]),
      [
        [12_000, 'ready'],
        [12_001, 'leased'],
        [12_002, 'leased'],
      ],
    )
  }))

// ── what a resolver says wrong ──

const resolver: Resolver = ({ step, source }) => {
  if (step === 'again') return { type: 'expand', items: source as NewItem[], policy: 'fail' }
  return { type: 'run', input: step === 'bad' ? 1n : null }
}

test('an input that is not JSON fails its item alone, not the result that released it', () =>
  withStore(async (store) => {
    await store.submit([item('a'), item('bad', ['a'], { step: 'bad' })], 1)
    const { token } = await claim(store, 1)
    assert.deepEqual((await store.finish(token, [{ type: 'done', id: 'a', output: 1 }], 20)).accepted, ['a'])
    assert.equal((await store.get('bad'))!.error!.code, 'BAD_VALUE')
    assert.deepEqual(await states(store), { a: 'done', bad: 'failed' })
  }, resolver))

test('a call that breaks in the middle is undone, and the others of its transaction are carried out', () =>
  withStore(async (store, file) => {
    await store.submit([item('a'), item('b'), item('breaks', ['a'], { step: 'again', source: [null] })], 1)
    const { token } = await claim(store, 2)
    const answers = await Promise.allSettled([
      store.submit([item('x')], 20),
      store.finish(token, [{ type: 'done', id: 'a', output: 1 }], 20),
      store.finish(token, [{ type: 'done', id: 'b', output: 1 }], 20),
    ])
    assert.deepEqual(
      answers.map((each) => (each.status === 'rejected' ? each.reason.constructor : each.value)),
      [{ addedCount: 1, knownCount: 0 }, TypeError, { accepted: ['b'], stale: [] }],
    )
    assert.deepEqual(await states(store), { a: 'leased', b: 'done', breaks: 'blocked', x: 'ready' })
    assert.deepEqual(
      (await claim(store, 9)).items.map(({ id }) => id),
      ['x'],
    )
    await checkFile(worldOf(store), file)
  }, resolver))
