// Items of several pipelines in one store, of which it may serve some only; part of the suite that
// `testStore` runs.
import assert from 'node:assert/strict'
import type { NewItem } from '../../src/core/work/item.ts'
import type { Resolver, StoreOptions } from '../../src/stores/store.ts'
import {
  broken,
  checker,
  claim,
  durableChecker,
  end,
  idsOf,
  item,
  type StoreUnderTest,
  states,
} from './conformance.ts'

/** `list` fans out into two parts and gathers them; every other step runs with what its parents came to. */
const resolver: Resolver = ({ id, step, pipeline }, parents) => {
  if (step !== 'list') return { type: 'run', input: [pipeline, parents.map(({ output }) => output)] }
  const parts = parents.filter((parent) => parent.id.startsWith(`${id}/`))
  if (parts.length > 0) return { type: 'finish', output: parts.map(({ output }) => output) }
  return { type: 'expand', items: ['x', 'y'].map((part) => item(`${id}/${part}`)), policy: 'fail' }
}

const only = (name: string): StoreOptions => ({ resolver, serves: (pipeline) => pipeline === name })

const of = (pipeline: string, id: string, dependencies: string[] = [], rest: Partial<NewItem> = {}) =>
  item(id, dependencies, { pipeline, step: 'any', ...rest })

export function testStorePipelines(under: StoreUnderTest): void {
  const check = checker(under, only('b'))

  check('what a fan-out makes is of its pipeline, and counts are by pipeline', async (store) => {
    await store.submit([of('b', 'list', [], { step: 'list' })], 1)
    const { items } = await store.list({ pipeline: 'b' })
    assert.deepEqual(idsOf({ items }), ['list', 'list/x', 'list/y'])
    const { groups } = await store.stats()
    assert.deepEqual(
      groups.map(({ pipeline, step, state, count }) => [pipeline, step, state, count].join(' ')).sort(),
      ['b  ready 2', 'b list blocked 1'],
    )
  })

  check('items of a pipeline that is not served are in no head and no claim', async (store) => {
    await store.submit([of('a', 'a1'), of('a', 'a2', ['a1']), of('a', 'a3', [], { modelId: 'n' })], 1)
    assert.deepEqual(await store.queueHeads(), [])
    assert.deepEqual((await claim(store)).items, [])
    await store.submit([of('b', 'b1'), of('b', 'b2', ['a1', 'b1'])], 2)
    const [head] = await store.queueHeads()
    assert.deepEqual(
      [head!.modelId, head!.readyCount, head!.blockedCount, head!.waitsOn],
      ['m', 1, 1, [{ modelId: 'm', count: 1 }]],
      'of its open edges that to b1 alone',
    )
    assert.deepEqual(idsOf(await claim(store)), ['b1'])
    assert.deepEqual((await store.get('a1'))!.state, 'blocked')
  })

  check('they can be cancelled and retried, and ends pass on to them', async (store) => {
    await store.submit([of('a', 'a1'), of('a', 'a2', ['a1']), of('b', 'b1'), of('a', 'a3', ['b1'])], 1)
    assert.deepEqual(await store.cancel(['a1'], 2), { cancelledCount: 2 })
    assert.deepEqual(await store.retry(['a1'], 3), { retriedCount: 2 })
    await end(store, 'fail')
    assert.deepEqual(await states(store), { a1: 'blocked', a2: 'blocked', b1: 'failed', a3: 'failed' })
    await store.retry(['b1'], 20)
    await end(store, 'done', 30)
    assert.deepEqual(await states(store), { a1: 'blocked', a2: 'blocked', b1: 'done', a3: 'blocked' })
    assert.deepEqual(await store.queueHeads(), [])
  })

  check('retries by state, pipeline and error', async (store) => {
    const cause = { code: 'SUPERSEDED', message: 'gone' }
    await store.submit([of('b', 'b1'), of('b', 'b2', ['b1']), of('b', 'b3'), of('a', 'a1'), of('b', 'b4')], 1)
    await store.cancel(['b1', 'a1'], 2, cause)
    await store.cancel(['b3'], 2)
    await end(store, 'fail')
    assert.deepEqual(await store.retry({ state: 'cancelled', pipeline: 'c' }, 20), { retriedCount: 0 })
    const query = { state: 'cancelled', pipeline: 'b', errorCode: cause.code } as const
    assert.deepEqual(await store.retry(query, 20), { retriedCount: 2 }, 'b1, and b2 with it')
    assert.deepEqual(await states(store), {
      b1: 'ready',
      b2: 'blocked',
      b3: 'cancelled',
      a1: 'cancelled',
      b4: 'failed',
    })
    assert.deepEqual(await store.retry({ state: 'failed', errorCode: broken.code }, 30), { retriedCount: 1 })
    assert.deepEqual(await store.retry({ state: 'cancelled' }, 40), { retriedCount: 2 })
    assert.deepEqual(await store.retry({ state: 'cancelled' }, 50), { retriedCount: 0 })
  })

  const lasting = durableChecker(under, only('a'))

  lasting(
    'another pipeline comes and goes, and the first goes on as if nothing had been',
    async (store, reopen) => {
      const items = [
        of('a', 'a1'),
        of('a', 'a2'),
        of('a', 'a3', ['a1']),
        of('a', 'list', ['a2'], { step: 'list' }),
      ]
      await store.submit(items, 1)
      await claim(store, 1, 10)
      store = await reopen(only('b'))
      assert.equal(await store.releaseAll(20), 1)
      const before = await states(store)
      assert.deepEqual(before, { a1: 'ready', a2: 'ready', a3: 'blocked', list: 'blocked' })
      await store.submit([of('b', 'b1')], 21)
      assert.deepEqual(idsOf(await claim(store, 9, 22)), ['b1'])
      assert.equal((await store.sweep(500)).changedCount, 1)
      assert.deepEqual(await states(store), { ...before, b1: 'ready' })
      store = await reopen(only('a'))
      assert.equal(await store.releaseAll(600), 0)
      assert.deepEqual((await store.queueHeads())[0]!.readyCount, 2)
      for (const id of ['a1', 'a2', 'a3', 'list/x', 'list/y']) assert.equal(await end(store, 'done', 700), id)
      assert.deepEqual(await states(store), {
        a1: 'done',
        a2: 'done',
        a3: 'done',
        list: 'done',
        b1: 'ready',
        'list/x': 'done',
        'list/y': 'done',
      })
      assert.equal((await store.get('a1'))!.attempt, 1)
    },
  )

  check('an open item of another pipeline is adopted with what it made, and goes on', async (store) => {
    await store.submit(
      [of('a', 'a1'), of('a', 'list', [], { step: 'list' }), of('a', 'a2', ['a1', 'list']), of('a', 'a3')],
      1,
    )
    await store.submit([of('b', 'b1', ['a1'])], 2)
    await store.cancel(['a3'], 3)
    assert.deepEqual(await store.adopt(['a1', 'a3', 'b1', 'list'], 'b', 4), { adoptedCount: 2 })
    const [head] = await store.queueHeads()
    assert.deepEqual([head!.readyCount, head!.blockedCount], [3, 2])
    assert.equal((await store.get('list/x'))!.pipeline, 'b')
    for (const id of ['a1', 'list/x', 'list/y', 'b1']) assert.equal(await end(store, 'done', 10), id)
    assert.equal((await store.get('list'))!.state, 'done')
    const left = (await store.get('a2'))!
    assert.deepEqual([left.pipeline, left.state], ['a', 'blocked'], 'released when its pipeline is served')
    await store.adopt(['a2'], 'b', 20)
    assert.deepEqual((await claim(store)).items[0]!.input, ['b', ['a1', ['list/x', 'list/y']]])
    await assert.rejects(store.adopt(['nobody'], 'b', 30), { code: 'UNKNOWN_ITEM' })
    assert.deepEqual(await store.queueHeads().then((heads) => heads.length), 0)
  })

  lasting('what would have gone on goes on when it is served again', async (store, reopen) => {
    store = await reopen(only('b'))
    await store.submit(
      [of('b', 'b1'), of('a', 'a1', ['b1']), of('a', 'list', ['b1'], { step: 'list' }), of('a', 'a2')],
      1,
    )
    await end(store, 'done')
    await store.cancel(['a2'], 20)
    await store.retry(['a2'], 21)
    assert.deepEqual(await states(store), { b1: 'done', a1: 'blocked', list: 'blocked', a2: 'blocked' })
    store = await reopen(only('a'))
    assert.deepEqual(await states(store), { b1: 'done', a1: 'blocked', list: 'blocked', a2: 'blocked' })
    await store.releaseAll(30)
    assert.deepEqual(await states(store), {
      b1: 'done',
      a1: 'ready',
      list: 'blocked',
      a2: 'ready',
      'list/x': 'ready',
      'list/y': 'ready',
    })
    assert.deepEqual((await claim(store, 1, 40)).items[0]!.input, ['a', ['b1']])
  })
}
