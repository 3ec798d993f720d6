// What every store must do, as tests that an author of another store can run too: `testStore({ test, name, open })`.
// Time is given; nothing waits.

import assert from 'node:assert/strict'
import { plainOrder } from '../src/core/queue-head.ts'
import { type NewItemOptions, newItem } from '../src/core/work-item.ts'
import type { Resolver, Store } from '../src/stores/store.ts'
import { allItems } from '../src/stores/store.ts'
import { testStoreProperties } from './store-properties.ts'

export interface StoreUnderTest {
  test: (title: string, body: () => Promise<void>) => unknown
  name: string
  /** A new, empty store. */
  open: (resolver?: Resolver) => Promise<Store>
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
function idsOf({ items }: { items: { id: string }[] }): string[] {
  return items.map(({ id }) => id)
}

async function states(store: Store): Promise<Record<string, string>> {
  return Object.fromEntries((await allItems(store)).map(({ id, state }) => [id, state]))
}

const broken = { code: 'RUN_FAILED', message: 'broken' }

/** Claims one item and ends it. */
async function end(store: Store, how: 'done' | 'fail', nowMs = 10): Promise<string> {
  const { token, items } = await claim(store, 1, nowMs)
  const { id } = items[0]!
  const outcome =
    how === 'done'
      ? { type: how, id, output: id }
      : { type: how, id, error: broken, retryable: false, retryAtMs: 0 }
  assert.deepEqual(await store.finish(token, [outcome], nowMs), { accepted: [id], stale: [] })
  return id
}

export function testStore({ test, name, open }: StoreUnderTest): void {
  const check = (title: string, body: (store: Store) => Promise<void>, resolver?: Resolver) =>
    test(`${name}: ${title}`, async () => {
      const store = await open(resolver)
      try {
        await body(store)
      } finally {
        await store.close()
      }
    })

  check('gives items by priority, first in first out, also those released together', async (store) => {
    await store.submit(
      [
        item('low', [], { priority: -1 }),
        item('a'),
        item('gate'),
        item('b'),
        item('high', [], { priority: 3 }),
      ],
      1,
    )
    await store.submit([item('c1', ['gate']), item('c2', ['gate']), item('c3', ['gate'])], 2)
    assert.deepEqual(idsOf(await claim(store, 3)), ['high', 'a', 'gate'])
    const { token, items } = await claim(store, 1)
    assert.deepEqual(idsOf({ items }), ['b'])
    await store.finish(token, [{ type: 'release', id: 'b' }], 11)
    assert.deepEqual(idsOf(await claim(store, 1)), ['b'], 'what is given back keeps its turn')
  })

  check('never mixes interactive items with others, and puts overdue ones before the rest', async (store) => {
    await store.submit([item('old', [], { priority: -5 })], 1)
    await store.submit(
      [item('new', [], { priority: 5 }), item('now', [], { priority: 8 }), item('now2', [], { priority: 9 })],
      100,
    )
    assert.deepEqual(idsOf(await claim(store, 10, 200)), ['now2', 'now'])
    const { items } = await store.claim(
      { modelId: 'm', maxCount: 10, order: { ...order, overdueBeforeMs: 50 }, leaseMs: 100 },
      200,
    )
    assert.deepEqual(idsOf({ items }), ['old', 'new'])
  })

  check('gives items of tenants by their shares, at a tie first come first served', async (store) => {
    const of = (tenant: string | null) => (id: string) => item(id, [], { tenant })
    await store.submit(
      [...['a1', 'a2', 'a3'].map(of('ann')), ...['b1', 'b2'].map(of('bob')), of(null)('n')],
      1,
    )
    const shares = [
      { tenant: 'ann', servedMs: 100, itemMs: 10 },
      { tenant: 'bob', servedMs: 85, itemMs: 10 },
      { tenant: '', servedMs: 105, itemMs: 10 },
    ]
    const { items } = await store.claim(
      { modelId: 'm', maxCount: 5, order: { ...order, shares }, leaseMs: 100 },
      10,
    )
    assert.deepEqual(idsOf({ items }), ['b1', 'b2', 'a1', 'n', 'a2'])
    assert.deepEqual(
      items.map(({ tenant }) => tenant),
      ['bob', 'bob', 'ann', null, 'ann'],
    )
  })

  check('gives what must have ended soon next, and forgets deadlines that have passed', async (store) => {
    const due = (id: string, deadlineAtMs: number) => item(id, [], { deadlineAtMs, priority: -1 })
    await store.submit([item('plain'), due('late', 50), due('soon', 200), due('far', 9000)], 1)
    assert.equal((await store.queueHeads())[0]!.latestEndAtMs, 50)
    assert.equal((await store.sweep(60)).nextAtMs, 200)
    assert.equal((await store.queueHeads())[0]!.latestEndAtMs, 200)
    const urgent = { ...order, urgentBeforeMs: 1000 }
    const { items } = await store.claim({ modelId: 'm', maxCount: 2, order: urgent, leaseMs: 100 }, 70)
    assert.deepEqual(idsOf({ items }), ['soon', 'plain'])
    assert.deepEqual(idsOf(await claim(store, 9)), ['late', 'far'])
  })

  check('lends priority and deadline to what is waited for, over any number of edges', async (store) => {
    await store.submit([item('a'), item('b', ['a']), item('other', [], { priority: 2 })], 1)
    await store.submit([item('c', ['b'], { priority: 5, deadlineAtMs: 500 })], 2)
    const lent = async (id: string) => {
      const { priority, effectivePriority, latestEndAtMs } = (await store.get(id))!
      return [priority, effectivePriority, latestEndAtMs]
    }
    assert.deepEqual(await lent('a'), [0, 5, 500])
    assert.deepEqual(await lent('b'), [0, 5, 500])
    assert.equal(await end(store, 'done'), 'a')
    assert.equal(await end(store, 'done'), 'b')
    assert.equal(await end(store, 'done'), 'c')
    assert.equal(await end(store, 'done'), 'other')
  })

  check(
    'does not pass over an item whose clock was ahead, to reach an overdue one behind it',
    async (store) => {
      await store.submit([item('old')], 1)
      await store.submit([item('ahead')], 100)
      await store.submit([item('back')], 2)
      await store.submit([item('high', [], { priority: 5 })], 100)
      const { items } = await store.claim(
        { modelId: 'm', maxCount: 3, order: { ...order, overdueBeforeMs: 50 }, leaseMs: 100 },
        200,
      )
      assert.deepEqual(idsOf({ items }), ['old', 'high', 'ahead'])
      assert.deepEqual(idsOf(await claim(store, 3)), ['back'])
    },
  )

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

  const resolver: Resolver = ({ step, source, input }, parents) => {
    const children = parents.filter((parent) => parent.step === null && parent.id.startsWith('part'))
    if (step === 'split' && children.length > 0)
      return { type: 'finish', output: children.map(({ output }) => output) }
    if (step === 'split')
      return {
        type: 'expand',
        items: (source as string[]).map((each) => item(`part-${each}`)),
        policy: 'fail',
      }
    if (step === 'never') return { type: 'skip', reason: 'not today' }
    if (step === 'echo') return { type: 'run', input: { from: input } }
    if (step === 'wrong') throw new Error('cannot say')
    return { type: 'run', input: parents.map(({ output }) => output) }
  }
  const step = (name: string, id: string, dependencies: string[] = [], source: unknown = null) =>
    item(id, dependencies, { step: name, source })

  check('asks the resolver when an item is released: input, skip, failure', async (store) => {
    await store.submit([step('sum', 's', ['a', 'n']), item('a'), step('never', 'n'), step('wrong', 'w'), step('sum', 'after', ['w'])], 1)
    assert.deepEqual(await states(store), { s: 'blocked', a: 'ready', n: 'skipped', w: 'failed', after: 'failed' })
    assert.equal(await end(store, 'done'), 'a')
    assert.deepEqual((await claim(store, 1)).items[0]!.input, ['a', null])
    assert.match((await store.get('w'))!.error!.message, /cannot say/)
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('shows the resolver the input that was submitted, also at a retry', async (store) => {
    await store.submit([item('e', [], { step: 'echo', input: 'said' })], 1)
    assert.deepEqual((await store.get('e'))!.input, { from: 'said' })
    await end(store, 'fail')
    await store.retry(['e'], 20)
    assert.deepEqual((await claim(store, 1)).items[0]!.input, { from: 'said' })
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('fans out over a list and gathers its outputs in order', async (store) => {
    await store.submit([step('split', 'list', [], ['x', 'y', 'z']), step('sum', 'after', ['list']), step('split', 'empty', [], [])], 1)
    assert.equal((await store.get('empty'))!.state, 'done')
    assert.deepEqual((await store.queueHeads())[0]!.waitsOn, [{ modelId: 'm', count: 4 }])
    const { token, items } = await claim(store, 3)
    for (const { id } of items.toReversed()) await store.finish(token, [{ type: 'done', id, output: id }], 20)
    assert.deepEqual((await store.get('list'))!.output, ['part-x', 'part-y', 'part-z'])
    assert.deepEqual((await claim(store, 1)).items[0]!.input, [['part-x', 'part-y', 'part-z']])
    assert.equal((await store.list({ parentId: 'list' })).items.length, 3)
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('fails a fan-out with its part, cancels the other parts, and retries both', async (store) => {
    await store.submit([step('split', 'list', [], ['x', 'y']), step('sum', 'after', ['list'])], 1)
    await end(store, 'fail')
    assert.deepEqual(await states(store), { list: 'failed', after: 'failed', 'part-x': 'failed', 'part-y': 'cancelled' })
    await store.retry(['part-x', 'part-y'], 20)
    await end(store, 'done', 30)
    await end(store, 'done', 30)
    assert.equal((await store.get('list'))!.state, 'done')
    assert.equal((await store.get('after'))!.state, 'ready')
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('retries a fan-out with the parts of it that did not end well, whoever ended them', async (store) => {
    const renewed = { list: 'blocked', after: 'blocked', 'part-x': 'done', 'part-y': 'ready', 'part-z': 'ready' }
    await store.submit([step('split', 'list', [], ['x', 'y', 'z']), step('sum', 'after', ['list'])], 1)
    await end(store, 'done')
    assert.deepEqual(await store.cancel(['list'], 20), { cancelledCount: 4 })
    assert.deepEqual(await store.retry(['list'], 30), { retriedCount: 4 })
    assert.deepEqual(await states(store), renewed)
    await end(store, 'fail', 40)
    assert.deepEqual(await store.retry(['list'], 50), { retriedCount: 4 })
    assert.deepEqual(await states(store), renewed)
    await end(store, 'done', 60)
    await end(store, 'done', 60)
    assert.deepEqual((await store.get('list'))!.output, ['part-x', 'part-y', 'part-z'])
    assert.equal((await store.get('after'))!.state, 'ready')
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('does not release or expand what another parent of it is about to end', async (store) => {
    const later = [{ id: 'a', policy: 'continue' as const }, 'b', 'c']
    await store.submit([item('a'), item('b', ['a']), item('c', [{ id: 'a', policy: 'skip' }]), item('d', later), item('list', later, { step: 'split', source: ['x'] })], 1)
    await end(store, 'fail')
    assert.deepEqual(await states(store), { a: 'failed', b: 'failed', c: 'skipped', d: 'failed', list: 'failed' })
    const events = (await store.events(0, 100)).filter(({ itemId }) => itemId === 'd')
    assert.deepEqual(events.map(({ state }) => state), ['blocked', 'failed'])
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('does not revive a part that ended with another part of its fan-out', async (store) => {
    await store.submit([step('split', 'list', [], ['x', 'y'])], 1)
    await claim(store, 2, 10)
    for (const nowMs of [200, 400, 600]) {
      await store.sweep(nowMs)
      await claim(store, 2, nowMs + 1)
    }
    await store.sweep(1000)
    const ended = Object.values(await states(store))
    assert.ok(ended.every((state) => state === 'failed' || state === 'cancelled'), ended.join(', '))
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('a chain of thousands of skipped items ends in one call', async (store) => {
    const chain = Array.from({ length: 5000 }, (_, index) => step('never', `c${index}`, index === 0 ? ['gate'] : [`c${index - 1}`]))
    await store.submit([item('gate'), ...chain], 1)
    await end(store, 'done')
    assert.equal((await store.get('c4999'))!.state, 'skipped')
  }, resolver) // biome-ignore format: the resolver belongs to the title

  check('tells the holder of a claim that an item of it was cancelled', async (store) => {
    await store.submit([item('a'), item('b')], 1)
    const { token } = await claim(store, 2)
    assert.equal(await store.heartbeat(token, 100, 20), true)
    await store.cancel(['a'], 30)
    assert.equal(await store.heartbeat(token, 100, 40), false)
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

  check('lists in the order of submission, by page and filter, and counts by state', async (store) => {
    await store.submit(
      ['a', 'b', 'c'].map((id) => item(id)),
      1,
    )
    await end(store, 'done')
    const page = await store.list({ limit: 2 })
    assert.deepEqual(idsOf(page), ['a', 'b'])
    assert.deepEqual(idsOf(await store.list({ limit: 2, after: page.cursor! })), ['c'])
    assert.deepEqual(idsOf(await store.list({ state: 'ready' })), ['b', 'c'])
    const { groups } = await store.stats()
    assert.deepEqual(groups.map(({ state, count }) => [state, count]).sort(), [
      ['done', 1],
      ['ready', 2],
    ])
  })

  testStoreProperties({ test, name, open })
}
