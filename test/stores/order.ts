// In which order every store gives its items: by class, deadline, priority, tenant and arrival, and what
// items inherit from those that wait for them. Part of the suite that `testStore` runs.
import assert from 'node:assert/strict'
import { broken, checker, claim, end, idsOf, item, order, type StoreUnderTest } from './conformance.ts'

export function testStoreOrder(under: StoreUnderTest): void {
  const check = checker(under)

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

  check(
    'what a tenant gets at one priority counts at the next, whoever else has waited there',
    async (store) => {
      const of = (id: string, tenant: string, priority: number) => item(id, [], { tenant, priority })
      const shares = [
        { tenant: 'ann', servedMs: 2, itemMs: 1 },
        { tenant: 'bob', servedMs: 1, itemMs: 1 },
      ]
      const next = (maxCount: number) =>
        store.claim({ modelId: 'm', maxCount, order: { ...order, shares }, leaseMs: 100 }, 10)
      await store.submit([of('b1', 'bob', 5), of('a1', 'ann', 4), of('b2', 'bob', 4)], 1)
      assert.deepEqual(idsOf(await next(3)), ['b1', 'a1', 'b2'])
      await store.submit([of('a2', 'ann', 5)], 2)
      assert.deepEqual(idsOf(await next(1)), ['a2'])
      await store.submit([of('b3', 'bob', 5), of('a3', 'ann', 4), of('b4', 'bob', 4)], 3)
      assert.deepEqual(idsOf(await next(3)), ['b3', 'a3', 'b4'])
    },
  )

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

  check('of items with the same deadline the one that is ready longest comes first', async (store) => {
    const due = (id: string, deadlineAtMs = 9000, priority = 0) =>
      item(id, [], { deadlineAtMs, priority, maxAttempts: 2 })
    await store.submit(
      [due('z', 8000), due('a', 9000, 1), ...['b', 'c', 'd', 'e', 'f'].map((id) => due(id))],
      1,
    )
    const { token } = await claim(store, 1)
    const retry = { retryable: true, retryAtMs: 20, error: broken }
    await store.finish(token, [{ type: 'fail', id: 'a', ...retry }], 10)
    await store.sweep(20)
    const urgent = { ...order, urgentBeforeMs: 9000 }
    const { items } = await store.claim({ modelId: 'm', maxCount: 9, order: urgent, leaseMs: 100 }, 30)
    assert.deepEqual(idsOf({ items }), ['z', 'b', 'c', 'd', 'e', 'f', 'a'])
  })

  check('what is waited for inherits priority and deadline, over any number of edges', async (store) => {
    await store.submit([item('a'), item('b', ['a']), item('other', [], { priority: 2 })], 1)
    await store.submit([item('c', ['b'], { priority: 5, deadlineAtMs: 500 })], 2)
    const inherited = async (id: string) => {
      const { priority, effectivePriority, latestEndAtMs } = (await store.get(id))!
      return [priority, effectivePriority, latestEndAtMs]
    }
    assert.deepEqual(await inherited('a'), [0, 5, 500])
    assert.deepEqual(await inherited('b'), [0, 5, 500])
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
}
