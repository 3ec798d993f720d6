// What every store must do that outlives its process, and what it does when it is opened a second time; part
// of the suite that `testStore` runs.
import assert from 'node:assert/strict'
import { claim, durableChecker, idsOf, item, type StoreUnderTest } from './conformance.ts'

/** A moment in 2026. */
const nowAtMs = 1_790_000_000_000

export function testDurableStore(under: StoreUnderTest): void {
  const check = durableChecker(under)

  check(
    'a lease outlives its process: the next owner sweeps it, and an old token means nothing',
    async (first, reopen) => {
      await first.submit([item('a'), item('b')], 1)
      const old = await claim(first, 1, 10, 'm', 100)
      await first.heartbeat(old.token, 100, 50)
      const second = await reopen()
      assert.equal((await second.get('a'))!.state, 'leased')
      assert.deepEqual(idsOf(await claim(second, 9, 60)), ['b'])
      assert.equal((await second.sweep(149)).changedCount, 0)
      assert.equal((await second.sweep(150)).changedCount, 1)
      const again = await claim(second, 1, 160)
      assert.deepEqual([again.items[0]!.id, again.items[0]!.attempt], ['a', 2])
      const { stale } = await second.finish(old.token, [{ type: 'done', id: 'a', output: 1 }], 170)
      assert.deepEqual(stale, ['a'])
    },
  )

  check(
    'keeps the order of long queues through claims, releases, cancels and new owners',
    async (store, reopen) => {
      const named = (index: number) => `q${String(index).padStart(4, '0')}`
      const items = Array.from({ length: 5000 }, (_, index) =>
        item(named(index), [], { priority: index % 2 }),
      )
      await store.submit(items, nowAtMs)
      /** What must come, in order: priority 1 before 0, the earlier first. */
      let expected = items
        .map(({ id }) => id)
        .sort((a, b) => (Number(b.slice(1)) % 2) - (Number(a.slice(1)) % 2) || (a < b ? -1 : 1))
      for (let round = 0; expected.length > 0; round++) {
        const { token, items: claimed } = await claim(store, 100, nowAtMs)
        const ids = claimed.map(({ id }) => id)
        assert.deepEqual(ids, expected.slice(0, 100), `round ${round}`)
        const isReturned = (index: number) => round < 40 && index % 5 === 0
        const [far, last] = [expected[150], expected.at(-1)]
        await store.finish(
          token,
          ids.map((id, index) => ({ type: isReturned(index) ? 'release' : 'done', id, output: 1 })),
          nowAtMs,
        )
        const isGone = new Set(ids.filter((_, index) => !isReturned(index)))
        if (far && last && round % 3 === 0) {
          assert.deepEqual(await store.cancel([far, last], nowAtMs), { cancelledCount: 2 })
          isGone.add(far).add(last)
        }
        expected = expected.filter((id) => !isGone.has(id))
        if (round % 10 === 9) store = await reopen()
      }
      assert.deepEqual(await store.queueHeads(), [])
    },
  )

  check('is opened beside its owner where it is shared, and refused where it is not', async (store) => {
    if (!store.supports.shared) {
      await assert.rejects(under.openAgain!(store), { code: 'STORE_LOCKED' })
      return
    }
    await store.submit([item('a'), item('b'), item('c')], 1)
    const other = await under.openAgain!(store)
    const claims = await Promise.all([claim(store, 2), claim(other, 2)])
    await other.close()
    assert.deepEqual(claims.flatMap(idsOf).sort(), ['a', 'b', 'c'], 'each went to one of them')
  })
}
