// What can be read of a store: pages of items, whole and in brief, counts, and the latest moment; part of the
// suite that `testStore` runs.
import assert from 'node:assert/strict'
import type { ListQuery } from '../../src/stores/store.ts'
import { checker, claim, end, idsOf, item, type StoreUnderTest } from './conformance.ts'

export function testStoreReading(under: StoreUnderTest): void {
  const check = checker(under)

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

  check('finds items by the beginning of their ids, whatever characters they have', async (store) => {
    const ids = [
      'a',
      'a%b',
      'a_b',
      'a*',
      'a[b',
      'A',
      'ab',
      'b',
      'é',
      'é\u{10ffff}',
      'é\u{10ffff}!',
      '🚢',
      '🚣',
      'x\0',
      'x\0y',
      '\ud7ff',
      '\ue000',
    ]
    await store.submit(
      ids.map((id) => item(id)),
      1,
    )
    const found = async (idPrefix: string) => idsOf(await store.list({ idPrefix }))
    for (const prefix of ['', 'zz', '\u{10ffff}', ...ids])
      assert.deepEqual(
        await found(prefix),
        ids.filter((id) => id.startsWith(prefix)),
        JSON.stringify(prefix),
      )
    assert.deepEqual(await found('\ud83d'), [], 'half of a pair is no beginning of the whole')
    const page = await store.briefs({ idPrefix: 'a', limit: 2 })
    assert.deepEqual(idsOf(page), ['a', 'a%b'])
    const rest = await store.list({ idPrefix: 'a', after: page.cursor! })
    assert.deepEqual([idsOf(rest), rest.cursor], [['a_b', 'a*', 'a[b', 'ab'], null])
  })

  check('shows the same items in brief, for every query', async (store) => {
    await store.submit(
      [
        item('a', [], { pipeline: 'p', step: 'one' }),
        item('b', ['a'], { pipeline: 'p', step: 'two' }),
        item('c', [], { modelId: 'n' }),
        item('d', [{ id: 'a', policy: 'skip' }], { pipeline: 'q' }),
        item('e'),
      ],
      1,
    )
    await end(store, 'fail')
    await claim(store, 1)
    const queries: ListQuery[] = [
      {},
      { limit: 2 },
      { after: 2 },
      { state: 'failed' },
      { state: 'leased' },
      { state: 'ready' },
      { pipeline: 'p' },
      { pipeline: null, limit: 1 },
      { step: 'two' },
      { modelId: 'n' },
      { idPrefix: 'c' },
      { parentId: 'a' },
      { pipeline: 'p', state: 'failed', step: 'two', idPrefix: 'b', modelId: 'm' },
    ]
    for (const query of queries) {
      const { items, cursor } = await store.list(query)
      const briefs = items.map(({ sequence, id, state, parentId, pipeline, step, modelId, error }) => {
        return { sequence, id, state, parentId, pipeline, step, modelId, errorCode: error?.code ?? null }
      })
      assert.deepEqual(await store.briefs(query), { items: briefs, cursor }, JSON.stringify(query))
    }
    assert.deepEqual(idsOf(await store.list({ pipeline: 'p' })), ['a', 'b'])
    assert.deepEqual(idsOf(await store.list({ pipeline: null })), ['c', 'e'])
  })

  check('knows its latest moment, also when a clock went backwards', async (store) => {
    assert.equal(await store.latestAtMs(), 0)
    await store.submit([item('a')], 50)
    assert.equal(await store.latestAtMs(), 50)
    await end(store, 'done', 70)
    await store.submit([item('b')], 20)
    assert.equal(await store.latestAtMs(), 70)
    await store.sweep(90)
    assert.equal(await store.latestAtMs(), 70, 'nothing changed')
  })
}
