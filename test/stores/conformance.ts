// What every store must do, as tests that an author of another store can run too: `testStore({ test, name,
// open })`. Time is given; nothing waits.

import assert from 'node:assert/strict'
import { type NewItemOptions, newItem } from '../../src/core/work/item.ts'
import { plainOrder } from '../../src/core/work/queue-head.ts'
import type { Store, StoreOptions } from '../../src/stores/store.ts'
import { allItems } from '../../src/stores/store.ts'
import { testDurableStore } from './durable.ts'
import { testStoreOrder } from './order.ts'
import { testStorePipelines } from './pipelines.ts'
import { testStoreProperties } from './properties.ts'
import { testStoreReading } from './reading.ts'
import { testStoreSteps } from './steps.ts'

export interface StoreUnderTest {
  test: (title: string, body: (context: { skip(reason: string): void }) => Promise<void>) => unknown
  name: string
  /** A new, empty store. */
  open: (options?: StoreOptions) => Promise<Store>
  /** The store that another one is, opened once more; for a store that supports `durable`. */
  openAgain?: (store: Store, options?: StoreOptions) => Promise<Store>
}

export const order = { ...plainOrder, interactiveFrom: 8 }

export function item(
  id: string,
  dependencies: NewItemOptions['dependencies'] = [],
  rest: Partial<NewItemOptions> = {},
) {
  return newItem({ id, modelId: 'm', dependencies, ...rest })
}

export async function claim(store: Store, maxCount = 10, nowMs = 10, modelId = 'm', leaseMs = 100) {
  return store.claim({ modelId, maxCount, order, leaseMs }, nowMs)
}

/** Ids of what a claim got, in order. */
export function idsOf({ items }: { items: { id: string }[] }): string[] {
  return items.map(({ id }) => id)
}

export async function states(store: Pick<Store, 'list'>): Promise<Record<string, string>> {
  return Object.fromEntries((await allItems(store)).map(({ id, state }) => [id, state]))
}

export const broken = { code: 'RUN_FAILED', message: 'broken' }

/** Claims one item and ends it. */
export async function end(store: Store, how: 'done' | 'fail', nowMs = 10): Promise<string> {
  const { token, items } = await claim(store, 1, nowMs)
  const { id } = items[0]!
  const outcome =
    how === 'done'
      ? { type: how, id, output: id }
      : { type: how, id, error: broken, retryable: false, retryAtMs: 0 }
  assert.deepEqual(await store.finish(token, [outcome], nowMs), { accepted: [id], stale: [] })
  return id
}

/** Runs a test on a new store. */
export function checker({ test, name, open }: StoreUnderTest, options?: StoreOptions) {
  return (title: string, body: (store: Store) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const store = await open(options)
      try {
        await body(store)
      } finally {
        await store.close()
      }
    })
}

/** Runs a test on a new store that outlives its process, `reopen` closes it and opens it with other options.
 * Where it does not, the test is skipped. */
export function durableChecker({ test, name, open, openAgain }: StoreUnderTest, options?: StoreOptions) {
  return (title: string, body: (store: Store, reopen: Reopen) => Promise<void>) =>
    test(`${name}: ${title}`, async (context) => {
      let store = await open(options)
      try {
        if (!store.supports.durable) return context.skip('it does not outlive its process')
        await body(store, async (others) => {
          await store.close()
          store = await openAgain!(store, others)
          return store
        })
      } finally {
        await store.close()
      }
    })
}

type Reopen = (options?: StoreOptions) => Promise<Store>

export function testStore(under: StoreUnderTest): void {
  const check = checker(under)

  check(
    'releases a diamond when its last parent is done, with many parents and late submission',
    async (store) => {
      await store.submit(
        [item('top'), item('left', ['top']), item('right', ['top']), item('bottom', ['left', 'right'])],
        1,
      )
      assert.equal(await end(store, 'done'), 'top')
      assert.equal(await end(store, 'done'), 'left')
      assert.equal((await store.get('bottom'))!.state, 'blocked')
      assert.equal(await end(store, 'done'), 'right')
      assert.equal(await end(store, 'done'), 'bottom')
      await store.submit([item('late', ['bottom', 'top'])], 20)
      assert.equal((await store.get('late'))!.state, 'ready')
    },
  )

  check('takes dependencies that come later in the same call, and one named twice', async (store) => {
    await store.submit([item('child', ['parent', 'parent']), item('parent')], 1)
    assert.equal(await end(store, 'done'), 'parent')
    assert.deepEqual(await states(store), { child: 'ready', parent: 'done' })
  })

  check('any text is an id: a call made twice changes nothing', async (store) => {
    const ids = ['a\0b', 'half \ud800', '"[', 'ünï 🚢']
    const items = ids.map((id) => item(id))
    assert.deepEqual(await store.submit(items, 1), { addedCount: 4, knownCount: 0 })
    assert.deepEqual(await store.submit([...items, item('last', ids)], 2), { addedCount: 1, knownCount: 4 })
    for (const id of ids) assert.equal((await store.get(id))!.state, 'ready', id)
    assert.deepEqual(await store.cancel(ids, 3), { cancelledCount: 5 })
  })

  check('changes nothing when the same items are submitted again', async (store) => {
    const items = [item('a'), item('b', ['a'])]
    assert.deepEqual(await store.submit(items, 1), { addedCount: 2, knownCount: 0 })
    await end(store, 'done')
    assert.deepEqual(await store.submit([...items, item('c')], 2), { addedCount: 1, knownCount: 2 })
    assert.deepEqual(await states(store), { a: 'done', b: 'ready', c: 'ready' })
  })

  check('refuses unknown dependencies and cycles with the path, and adds nothing', async (store) => {
    await assert.rejects(store.submit([item('fine'), item('a', ['nobody'])], 1), {
      code: 'UNKNOWN_DEPENDENCY',
      message: /"a" waits for "nobody"/,
    })
    await assert.rejects(store.submit([item('a', ['b']), item('b', ['c']), item('c', ['a'])], 1), {
      code: 'CYCLE',
      message: /a → b → c → a/,
    })
    await assert.rejects(store.submit([item('self', ['self'])], 1), { code: 'CYCLE' })
    assert.deepEqual(await states(store), {})
    assert.deepEqual(await store.queueHeads(), [])
  })

  check('passes a failure on by the policy of each edge, also to items that come later', async (store) => {
    const after = (policy: 'fail' | 'skip' | 'continue') => [{ id: 'bad', policy }]
    await store.submit(
      [
        item('bad', [], { priority: 1 }),
        item('fails', after('fail')),
        item('skips', after('skip')),
        item('goes', after('continue')),
      ],
      1,
    )
    await store.submit([item('fails2', ['fails']), item('after-skip', ['skips'])], 1)
    await end(store, 'fail')
    await store.submit([item('late', after('fail')), item('late-goes', after('continue'))], 2)
    assert.deepEqual(await states(store), {
      bad: 'failed',
      fails: 'failed',
      skips: 'skipped',
      goes: 'ready',
      fails2: 'failed',
      'after-skip': 'ready',
      late: 'failed',
      'late-goes': 'ready',
    })
    const { error } = (await store.get('fails2'))!
    assert.equal(error!.code, 'DEPENDENCY_FAILED')
    assert.match(error!.message, /"fails".*"bad".*broken/)
  })

  check(
    'an item that waits for one which has failed is not released by another end of its call',
    async (store) => {
      await store.submit([item('failed')], 1)
      await end(store, 'fail')
      const skipped = item('skipped', [{ id: 'failed', policy: 'skip' }])
      await store.submit([skipped, item('last', ['skipped', 'failed'])], 2)
      assert.deepEqual(await states(store), { failed: 'failed', skipped: 'skipped', last: 'failed' })
    },
  )

  check('gives an item to one claimer only, and believes only the current token', async (store) => {
    await store.submit([item('a'), item('b')], 1)
    const [first, second] = await Promise.all([claim(store, 2), claim(store, 2)])
    assert.equal(first.items.length + second.items.length, 2)
    const holder = first.items.length > 0 ? first : second
    assert.deepEqual(await store.finish('no token', [{ type: 'done', id: 'a', output: 1 }], 11), {
      accepted: [],
      stale: ['a'],
    })
    assert.deepEqual(await store.finish(holder.token, [{ type: 'done', id: 'a', output: 1 }], 11), {
      accepted: ['a'],
      stale: [],
    })
    assert.deepEqual(await store.finish(holder.token, [{ type: 'done', id: 'a', output: 2 }], 12), {
      accepted: [],
      stale: ['a'],
    })
    assert.equal((await store.get('a'))!.output, 1, 'the first answer stands')
  })

  check('returns items whose lease ended, uses up the attempt, and keeps the dead', async (store) => {
    await store.submit([item('a', [], { maxAttempts: 2 })], 1)
    const first = await claim(store, 1, 10)
    assert.equal(await store.heartbeat(first.token, 100, 50), true)
    assert.deepEqual(await store.sweep(120), { changedCount: 0, nextAtMs: 150 })
    assert.equal((await store.sweep(150)).changedCount, 1)
    assert.equal(await store.heartbeat(first.token, 100, 160), false)
    const second = await claim(store, 1, 200)
    assert.equal(second.items[0]!.attempt, 2)
    assert.deepEqual(await store.finish(first.token, [{ type: 'done', id: 'a', output: 1 }], 210), {
      accepted: [],
      stale: ['a'],
    })
    await store.sweep(1000)
    const dead = (await store.get('a'))!
    assert.deepEqual([dead.state, dead.error!.code], ['failed', 'LEASE_EXPIRED'])
  })

  check('tries a failed item again at its moment, at the end of its queue', async (store) => {
    await store.submit([item('a', [], { maxAttempts: 2 }), item('b')], 1)
    const { token } = await claim(store, 1)
    await store.finish(token, [{ type: 'fail', id: 'a', error: broken, retryable: true, retryAtMs: 500 }], 20)
    assert.deepEqual(
      [(await store.get('a'))!.state, (await store.queueHeads())[0]!.blockedCount],
      ['scheduled', 1],
    )
    assert.deepEqual(await store.sweep(499), { changedCount: 0, nextAtMs: 500 })
    assert.equal((await store.sweep(500)).changedCount, 1)
    assert.deepEqual(idsOf(await claim(store, 2, 600)), ['b', 'a'])
  })

  check('fails at once what is not worth another try', async (store) => {
    await store.submit([item('a', [], { maxAttempts: 9 })], 1)
    await end(store, 'fail')
    assert.equal((await store.get('a'))!.state, 'failed')
  })

  check('cancels what has not ended and what depends on it, also what runs', async (store) => {
    await store.submit(
      [item('a'), item('b', ['a']), item('c', [{ id: 'b', policy: 'continue' }]), item('done')],
      1,
    )
    const { token } = await claim(store, 1)
    assert.deepEqual(await store.cancel(['a'], 20), { cancelledCount: 2 })
    assert.deepEqual(await states(store), { a: 'cancelled', b: 'cancelled', c: 'ready', done: 'ready' })
    assert.deepEqual((await store.finish(token, [{ type: 'done', id: 'a', output: 1 }], 30)).stale, ['a'])
    await assert.rejects(store.cancel(['nobody'], 30), { code: 'UNKNOWN_ITEM' })
  })

  check('retries the dead and what ended because of them', async (store) => {
    await store.submit(
      [item('a'), item('b', ['a']), item('c', [{ id: 'a', policy: 'skip' }]), item('d', ['b', 'c'])],
      1,
    )
    await end(store, 'fail')
    assert.deepEqual(await states(store), { a: 'failed', b: 'failed', c: 'skipped', d: 'failed' })
    assert.deepEqual(await store.retry(['a'], 20), { retriedCount: 4 })
    assert.deepEqual(await states(store), { a: 'ready', b: 'blocked', c: 'blocked', d: 'blocked' })
    for (const expected of ['a', 'b', 'c', 'd']) assert.equal(await end(store, 'done', 30), expected)
    assert.equal((await store.get('a'))!.attempt, 1)
  })

  check(
    'retries what went on without the dead, and what saw that, but not what was cancelled by itself',
    async (store) => {
      const on = (id: string) => ({ id, policy: 'continue' as const })
      await store.submit([item('a'), item('b', [on('a')]), item('c', ['b']), item('d', [on('a')])], 1)
      await end(store, 'fail')
      await store.cancel(['d'], 15)
      for (const expected of ['b', 'c']) assert.equal(await end(store, 'done', 20), expected)
      assert.deepEqual(await store.retry(['a'], 30), { retriedCount: 3 })
      assert.deepEqual(await states(store), { a: 'ready', b: 'blocked', c: 'blocked', d: 'cancelled' })
      assert.equal((await store.get('b'))!.output, null)
      for (const expected of ['a', 'b', 'c']) assert.equal(await end(store, 'done', 40), expected)
    },
  )

  check('gives every leased item back to the front for a new owner', async (store) => {
    await store.submit([item('a'), item('b'), item('c')], 1)
    await claim(store, 2)
    assert.equal(await store.releaseAll(20), 2)
    const { items } = await claim(store, 3)
    assert.deepEqual(
      items.map(({ id, attempt }) => [id, attempt]),
      [
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ],
    )
  })

  check('tells the holder of a claim that an item of it was cancelled', async (store) => {
    await store.submit([item('a'), item('b')], 1)
    const { token } = await claim(store, 2)
    assert.equal(await store.heartbeat(token, 100, 20), true)
    await store.cancel(['a'], 30)
    assert.equal(await store.heartbeat(token, 100, 40), false)
    assert.deepEqual((await store.finish(token, [{ type: 'done', id: 'b', output: 1 }], 41)).accepted, ['b'])
  })

  check('tells every change once, in order, by cursor', async (store) => {
    await store.submit([item('a'), item('b', ['a'])], 1)
    await end(store, 'done')
    const events = await store.events(0, 100)
    const told = events.map(({ itemId, state }) => `${itemId} ${state}`)
    assert.deepEqual(
      told.sort(),
      ['a blocked', 'a done', 'a leased', 'a ready', 'b blocked', 'b ready'].sort(),
    )
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      [1, 2, 3, 4, 5, 6],
    )
    assert.deepEqual(
      (await store.events(4, 1)).map(({ sequence }) => sequence),
      [5],
    )
  })

  testStoreReading(under)
  testStoreOrder(under)
  testStoreSteps(under)
  testStorePipelines(under)
  testDurableStore(under)
  testStoreProperties(under)
}
