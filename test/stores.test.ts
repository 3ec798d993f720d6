// Both stores against the suite, against each other, and SQLite against kills, damage and a full disk.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { Outcome } from '../src/core/lease.ts'
import { openMemoryStore } from '../src/stores/memory.ts'
import { openSqliteReader, openSqliteStore } from '../src/stores/sqlite.ts'
import { allItems, type Resolver, type Store } from '../src/stores/store.ts'
import { claim, item, order, testStore } from './store-conformance.ts'
import { orderOf } from './store-properties.ts'

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-stores-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let fileCount = 0
const newFile = () => join(folder, `${++fileCount}.db`)

testStore({ test, name: 'memory', open: async (resolver) => openMemoryStore({ resolver }) })
testStore({ test, name: 'sqlite', open: (resolver) => openSqliteStore({ file: newFile(), resolver }) })

// ── both stores do the same, whatever is asked of them ──

const models = ['a', 'b']

const leadMs = (modelId: string) => (modelId === 'a' ? 20 : 7)

/** Fans out by the number in its source. */
const resolver: Resolver = ({ id, step, source, priority, tenant, deadlineAtMs }, parents) => {
  if (step === 'skip') return { type: 'skip', reason: 'chance' }
  if (step !== 'fan') {
    const from = parents.map(({ id: parentId }) => parentId)
    return { type: 'run', input: { from, priority, tenant, deadlineAtMs } }
  }
  const parts = parents.filter((parent) => parent.id.startsWith(`${id}/`))
  if (parts.length > 0) return { type: 'finish', output: parts.map(({ output }) => output) }
  const items = Array.from({ length: source as number }, (_, index) =>
    item(`${id}/${index}`, [], { modelId: 'b', tenant }),
  )
  return { type: 'expand', items, policy: 'continue' }
}

const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('submit' as const), count: fc.integer({ min: 1, max: 4 }), edges: fc.array(fc.nat(30), { maxLength: 5 }), policy: fc.constantFrom('fail' as const, 'skip' as const, 'continue' as const), priority: fc.integer({ min: -1, max: 9 }), step: fc.constantFrom(null, null, 'run', 'skip', 'fan'), fan: fc.nat(3), tenant: fc.constantFrom(null, null, 'ann', 'bob'), deadlineInMs: fc.option(fc.nat(300), { nil: null }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('claim' as const), model: fc.nat(1), count: fc.integer({ min: 1, max: 4 }), overdueAgeMs: fc.constantFrom(5, 1e9), isUrgent: fc.boolean(), annHasHadMs: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('finish' as const), pick: fc.nat(10), how: fc.constantFrom('done' as const, 'fail' as const, 'release' as const), retryable: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('cancel' as const, 'retry' as const), pick: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('sweep' as const, 'releaseAll' as const, 'reopen' as const), laterMs: fc.nat(300) }) },
) // biome-ignore format: a table

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

test('memory and SQLite answer alike, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
      const options = { file: newFile(), resolver, leadMs }
      const stores = [openMemoryStore(options), await openSqliteStore(options)]
      try {
        let nowMs = 1000
        const known: string[] = []
        const held: { id: string; tokens: string[] }[] = []
        for (const each of actions) {
          nowMs += each.type === 'sweep' ? (each as { laterMs: number }).laterMs : 1
          if (each.type === 'reopen') stores[1] = await reopen(stores[1]!, options)
          const answers = await Promise.all(
            stores.map((store, index) => act(store, index, each, nowMs, known, held)),
          )
          assert.deepEqual(answers[1], answers[0], JSON.stringify(each))
          remember(each, answers[0], known)
          assert.deepEqual(await stores[1]!.queueHeads(), await stores[0]!.queueHeads())
        }
        assert.deepEqual(await view(stores[1]!), await view(stores[0]!))
      } finally {
        await Promise.all(stores.map((store) => store.close()))
      }
    }),
    { numRuns: 150 },
  )
})

/** What is in memory beside the rows is as a reader finds it in the file. */
async function reopen(store: Store, options: { file: string; resolver: Resolver }): Promise<Store> {
  await store.close()
  const opened = await openSqliteStore(options)
  const reader = await openSqliteReader(options.file)
  assert.deepEqual(await reader.queueHeads(), await opened.queueHeads())
  assert.deepEqual(await allItems(reader), await allItems(opened))
  await reader.close()
  return opened
}

async function act(
  store: Store,
  index: number,
  each: Action,
  nowMs: number,
  known: string[],
  held: { id: string; tokens: string[] }[],
): Promise<unknown> {
  if (each.type === 'submit') {
    const items = Array.from({ length: each.count }, (_, place) => {
      const parents = each.edges.flatMap((edge) =>
        known.length > 0 ? [{ id: known[edge % known.length]!, policy: each.policy }] : [],
      )
      const { priority, step, fan: source, tenant, deadlineInMs } = each
      return item(`i${known.length + place}`, parents, {
        modelId: models[place % 2]!,
        priority,
        step,
        source,
        tenant,
        deadlineAtMs: deadlineInMs === null ? null : nowMs + deadlineInMs,
        maxAttempts: 2,
      })
    })
    return store.submit(items, nowMs)
  }
  if (each.type === 'claim') {
    const modelId = models[each.model]!
    const { token, items } = await store.claim(
      {
        modelId,
        maxCount: each.count,
        order: orderOf(each, nowMs - each.overdueAgeMs, nowMs),
        leaseMs: 100,
      },
      nowMs,
    )
    for (const { id } of items) {
      const entry = held.find((one) => one.id === id && one.tokens[index] === undefined) ?? { id, tokens: [] }
      if (!held.includes(entry)) held.push(entry)
      entry.tokens[index] = token
    }
    return items
  }
  if (each.type === 'finish') {
    const holder = held[each.pick % Math.max(1, held.length)]
    if (!holder) return null
    const { id, tokens } = holder
    const error = { code: 'RUN_FAILED', message: 'chance' }
    const outcomes: Record<string, Outcome> = {
      done: { type: 'done', id, output: { of: id } },
      release: { type: 'release', id },
      fail: { type: 'fail', id, error, retryable: each.retryable, retryAtMs: nowMs + 50 },
    }
    return store.finish(tokens[index]!, [outcomes[each.how]!], nowMs)
  }
  // A store that was opened again knows late items as late from its first sweep on.
  if (each.type === 'sweep' || each.type === 'reopen') return store.sweep(nowMs)
  if (each.type === 'releaseAll') return store.releaseAll(nowMs)
  if (known.length === 0) return null
  const id = known[(each as { pick: number }).pick % known.length]!
  return each.type === 'cancel' ? store.cancel([id], nowMs) : store.retry([id], nowMs)
}

function remember(each: Action, answer: unknown, known: string[]): void {
  if (each.type !== 'submit') return
  const { addedCount } = answer as { addedCount: number }
  for (let index = 0; index < addedCount; index++) known.push(`i${known.length}`)
}

async function view(store: Store): Promise<unknown> {
  const items = (await allItems(store)).map(({ dependencies, ...rest }) => rest)
  const { groups } = await store.stats()
  const key = (group: (typeof groups)[number]) => JSON.stringify([group.step, group.modelId, group.state])
  return {
    items,
    groups: groups.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    events: (await store.events(0, 1e6)).length,
  }
}

// ── SQLite ──

test('what was acknowledged is there after kill -9 in a stream of writes, and nothing else is half there', async () => {
  const file = newFile()
  const writer = `
    import { openSqliteStore } from '${import.meta.dirname}/../src/stores/sqlite.ts'
    import { item, order } from '${import.meta.dirname}/store-conformance.ts'
    const store = await openSqliteStore({ file: '${file}' })
    for (let n = 0; ; n++) {
      await store.submit([item('a' + n), item('b' + n, ['a' + n])], n)
      const { token, items } = await store.claim({ modelId: 'm', maxCount: 1, order, leaseMs: 1e9 }, n)
      await store.finish(token, [{ type: 'done', id: items[0].id, output: n }], n)
      process.stdout.write(items[0].id + '\\n')
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  for await (const chunk of child.stdout) {
    told += chunk
    if (told.split('\n').length > 200 && !child.killed) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  const acknowledged = told.split('\n').slice(0, -1)
  const store = await openSqliteStore({ file })
  for (const id of acknowledged) assert.equal((await store.get(id))!.state, 'done', id)
  const items = await allItems(store)
  for (const { id, state } of items.filter((each) => each.id.startsWith('b'))) {
    const parent = items.find((each) => each.id === `a${id.slice(1)}`)!
    assert.equal(state === 'blocked', parent.state !== 'done', `${id} is released with its parent`)
  }
  await store.close()
})

test('refuses a second owner, lets others read, and is free again when the owner closes', async () => {
  const file = newFile()
  const owner = await openSqliteStore({ file })
  await owner.submit([item('a')], 1)
  await assert.rejects(openSqliteStore({ file }), { code: 'STORE_LOCKED', message: /Another process uses/ })
  const reader = await openSqliteReader(file)
  assert.equal((await reader.get('a'))!.state, 'ready')
  assert.deepEqual(await reader.queueHeads(), await owner.queueHeads())
  await reader.close()
  await owner.close()
  await (await openSqliteStore({ file })).close()
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

test('a full disk undoes the whole call, loses nothing, and the store goes on when there is room', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file })
  await store.submit([item('a'), item('b', ['a'])], 1)
  const { token } = await claim(store, 1)
  // The store's own connection must meet the bound: it is reached through a probe that SQLite keeps for the file.
  const database = (store as unknown as { db: DatabaseSync }).db
  const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number }
  database.exec(`PRAGMA max_page_count = ${pages}`)
  const large = 'x'.repeat(100_000)
  await assert.rejects(store.finish(token, [{ type: 'done', id: 'a', output: large }], 20), {
    code: 'STORE_FULL',
  })
  assert.deepEqual([(await store.get('a'))!.state, (await store.get('b'))!.state], ['leased', 'blocked'])
  database.exec('PRAGMA max_page_count = 1000000')
  assert.deepEqual((await store.finish(token, [{ type: 'done', id: 'a', output: large }], 30)).accepted, [
    'a',
  ])
  assert.equal((await store.queueHeads())[0]!.readyCount, 1)
  await store.close()
})

test('a token of an earlier process means nothing to a later one', async () => {
  const file = newFile()
  const first = await openSqliteStore({ file })
  await first.submit([item('a')], 1)
  const old = await claim(first, 1)
  await first.close()
  const second = await openSqliteStore({ file })
  await second.releaseAll(20)
  const { token } = await second.claim({ modelId: 'm', maxCount: 1, order, leaseMs: 100 }, 30)
  assert.notEqual(token, old.token)
  assert.deepEqual((await second.finish(old.token, [{ type: 'done', id: 'a', output: 1 }], 40)).stale, ['a'])
  await second.close()
})
