// What every store must do with items that have a step: it asks its resolver when they are released, and they
// run, are skipped, fail, or fan out into children that they wait for. Part of the suite that `testStore`
// runs.
import assert from 'node:assert/strict'
import type { EdgePolicy, NewItem, NewItemOptions } from '../../src/core/work/item.ts'
import type { Resolver } from '../../src/stores/store.ts'
import { checker, claim, end, item, type StoreUnderTest, states } from './conformance.ts'

const policies: Record<string, EdgePolicy> = { 'split-on': 'continue', 'split-or-skip': 'skip' }

/** By the name of an item's step. */
const resolver: Resolver = ({ step, source, input }, parents) => {
  const children = parents.filter((parent) => parent.step === null && parent.id.startsWith('part'))
  if (step === 'again' || (step?.startsWith('split') && children.length === 0))
    return { type: 'expand', items: source as NewItem[], policy: policies[step] ?? 'fail' }
  if (step?.startsWith('split')) return { type: 'finish', output: children.map(({ output }) => output) }
  if (step === 'never') return { type: 'skip', reason: 'not today' }
  if (step === 'echo') return { type: 'run', input: { from: input } }
  if (step === 'wrong') throw new Error('cannot say')
  return { type: 'run', input: parents.map(({ output }) => output) }
}

const step = (name: string, id: string, dependencies: NewItemOptions['dependencies'] = []) =>
  item(id, dependencies, { step: name })

/** Fans out into the parts; those that are only named are new and wait for nothing. */
function split(id: string, parts: (string | NewItem)[], dependencies: NewItemOptions['dependencies'] = []) {
  const source = parts.map((each) => (typeof each === 'string' ? item(`part-${each}`) : each))
  return item(id, dependencies, { step: 'split', source })
}

export function testStoreSteps(under: StoreUnderTest): void {
  const check = checker(under, { resolver })

  check('asks the resolver when an item is released: input, skip, failure', async (store) => {
    await store.submit(
      [
        step('sum', 's', ['a', 'n']),
        item('a'),
        step('never', 'n'),
        step('wrong', 'w'),
        step('sum', 'after', ['w']),
      ],
      1,
    )
    assert.deepEqual(await states(store), {
      s: 'blocked',
      a: 'ready',
      n: 'skipped',
      w: 'failed',
      after: 'failed',
    })
    assert.equal(await end(store, 'done'), 'a')
    assert.deepEqual((await claim(store, 1)).items[0]!.input, ['a', null])
    assert.match((await store.get('w'))!.error!.message, /cannot say/)
  })

  check('shows the resolver the input that was submitted, also at a retry', async (store) => {
    await store.submit([item('e', [], { step: 'echo', input: 'said' })], 1)
    assert.deepEqual((await store.get('e'))!.input, { from: 'said' })
    await end(store, 'fail')
    await store.retry(['e'], 20)
    assert.deepEqual((await claim(store, 1)).items[0]!.input, { from: 'said' })
  })

  check('fans out over a list and gathers its outputs in order', async (store) => {
    await store.submit(
      [split('list', ['x', 'y', 'z']), step('sum', 'after', ['list']), split('empty', [])],
      1,
    )
    assert.equal((await store.get('empty'))!.state, 'done')
    assert.deepEqual((await store.queueHeads())[0]!.waitsOn, [{ modelId: 'm', count: 4 }])
    const { token, items } = await claim(store, 3)
    for (const { id } of items.toReversed()) await store.finish(token, [{ type: 'done', id, output: id }], 20)
    assert.deepEqual((await store.get('list'))!.output, ['part-x', 'part-y', 'part-z'])
    assert.deepEqual((await claim(store, 1)).items[0]!.input, [['part-x', 'part-y', 'part-z']])
    assert.equal((await store.list({ parentId: 'list' })).items.length, 3)
  })

  check('fails a fan-out with its part, cancels the other parts, and retries both', async (store) => {
    await store.submit([split('list', ['x', 'y']), step('sum', 'after', ['list'])], 1)
    await end(store, 'fail')
    assert.deepEqual(await states(store), {
      list: 'failed',
      after: 'failed',
      'part-x': 'failed',
      'part-y': 'cancelled',
    })
    await store.retry(['part-x', 'part-y'], 20)
    await end(store, 'done', 30)
    await end(store, 'done', 30)
    assert.equal((await store.get('list'))!.state, 'done')
    assert.equal((await store.get('after'))!.state, 'ready')
  })

  check('retries a fan-out with the parts of it that did not end well, whoever ended them', async (store) => {
    const renewed = {
      list: 'blocked',
      after: 'blocked',
      'part-x': 'done',
      'part-y': 'ready',
      'part-z': 'ready',
    }
    await store.submit([split('list', ['x', 'y', 'z']), step('sum', 'after', ['list'])], 1)
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
  })

  check('does not release or expand what another parent of it is about to end', async (store) => {
    const later = [{ id: 'a', policy: 'continue' as const }, 'b', 'c']
    await store.submit(
      [
        item('a'),
        item('b', ['a']),
        item('c', [{ id: 'a', policy: 'skip' }]),
        item('d', later),
        split('list', ['x'], later),
      ],
      1,
    )
    await end(store, 'fail')
    assert.deepEqual(await states(store), {
      a: 'failed',
      b: 'failed',
      c: 'skipped',
      d: 'failed',
      list: 'failed',
    })
    const events = (await store.events(0, 100)).filter(({ itemId }) => itemId === 'd')
    assert.deepEqual(
      events.map(({ state }) => state),
      ['blocked', 'failed'],
    )
  })

  check('does not revive a part that ended with another part of its fan-out', async (store) => {
    await store.submit([split('list', ['x', 'y'])], 1)
    await claim(store, 2, 10)
    for (const nowMs of [200, 400, 600]) {
      await store.sweep(nowMs)
      await claim(store, 2, nowMs + 1)
    }
    await store.sweep(1000)
    const ended = Object.values(await states(store))
    assert.ok(
      ended.every((state) => state === 'failed' || state === 'cancelled'),
      ended.join(', '),
    )
  })

  check('fails a fan-out whose children are wrong, alone: not the result that released it', async (store) => {
    const wrong = [
      split('ghost', [item('part-g', ['nobody'])], ['a']),
      split('circle', [item('part-1', ['part-2']), item('part-2', ['part-1'])], ['a']),
      split('waits', [item('part-s'), item('part-w', ['waits'])], ['a']),
      split('waits-far', [item('part-n', ['part-f']), item('part-f', ['after2'])], ['a']),
      item('itself', ['a'], { step: 'split', source: [item('itself')] }),
    ]
    const after = [item('after', ['waits-far']), item('after2', ['after', 'a'])]
    await store.submit([item('a'), ...wrong, ...after], 1)
    assert.equal(await end(store, 'done'), 'a')
    const errors = await Promise.all(wrong.map(async ({ id }) => (await store.get(id))!.error!))
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['UNKNOWN_DEPENDENCY', 'CYCLE', 'CYCLE', 'CYCLE', 'CYCLE'],
    )
    const paths = errors.map(({ message }) => /(?<=: ).* → [^.]*/.exec(message)?.[0])
    assert.deepEqual(paths.slice(2), [
      'waits → part-w → waits',
      'waits-far → part-f → after2 → after → waits-far',
      'itself → itself',
    ])
    assert.deepEqual(Object.values(await states(store)), ['done', ...Array(7).fill('failed')])
    assert.deepEqual(await store.queueHeads(), [])
  })

  check('refuses a child that a retry would let wait for its own fan-out', async (store) => {
    const fanOut = item('list', ['gate'], { step: 'split-on', source: [item('part-x')] })
    await store.submit([item('gate', [], { priority: 1 }), fanOut, item('part-x', ['list'])], 1)
    await store.cancel(['part-x'], 2)
    await end(store, 'done')
    assert.match((await store.get('list'))!.error!.message, /list → part-x → list/)
    await store.retry(['part-x'], 20)
    assert.equal((await store.get('part-x'))!.state, 'failed', 'it waits for what has failed, not for ever')
  })

  check(
    'a fan-out into known items waits for those that are open, counts those that have ended',
    async (store) => {
      await store.submit([item('part-a'), item('part-b')], 1)
      await end(store, 'done')
      const [a, b] = [item('part-a'), item('part-b')]
      await store.submit([split('ended', [a]), split('open', [b, a, b])], 21)
      assert.deepEqual((await store.get('ended'))!.output, ['part-a'])
      assert.equal((await store.get('open'))!.state, 'blocked')
      assert.deepEqual((await store.queueHeads())[0]!.waitsOn, [{ modelId: 'm', count: 1 }])
      await end(store, 'done', 30)
      assert.deepEqual((await store.get('open'))!.output, ['part-b', 'part-a'])
    },
  )

  check(
    'a fan-out that names an item which has failed fails at once, with its other children',
    async (store) => {
      await store.submit([item('part-bad')], 1)
      await end(store, 'fail')
      await store.submit([split('list', [item('part-bad'), 'new'])], 20)
      assert.deepEqual(await states(store), { 'part-bad': 'failed', list: 'failed', 'part-new': 'cancelled' })
      assert.match((await store.get('list'))!.error!.message, /"part-bad".*broken/)
      assert.deepEqual(await store.queueHeads(), [])
    },
  )

  check(
    'a child that waits for what its fan-out waited for, and for more, waits for the rest',
    async (store) => {
      const fanOut = split('list', [item('part-x', ['gate', 'other'])], ['gate'])
      const others = Array.from({ length: 8 }, (_, index) => item(`after-${index}`, ['gate']))
      await store.submit([item('gate'), item('other', [], { priority: -1 }), fanOut, ...others], 1)
      assert.equal(await end(store, 'done'), 'gate')
      assert.equal((await store.get('part-x'))!.state, 'blocked')
      await store.cancel(
        others.map(({ id }) => id),
        20,
      )
      assert.equal(await end(store, 'done'), 'other')
      assert.equal((await store.get('part-x'))!.state, 'ready')
    },
  )

  check('leaves no child behind when a fan-out is skipped because of what it names', async (store) => {
    await store.submit([item('part-bad')], 1)
    await end(store, 'fail')
    const source = [item('part-bad'), item('part-x', ['part-bad']), item('part-y')]
    await store.submit([item('list', [], { step: 'split-or-skip', source })], 20)
    assert.deepEqual(await states(store), {
      'part-bad': 'failed',
      list: 'skipped',
      'part-x': 'failed',
      'part-y': 'ready',
    })
  })

  check('a step that fans out again and again into what has ended fails', async (store) => {
    await store.submit([item('part-a')], 1)
    await end(store, 'done')
    await store.submit([item('forever', [], { step: 'again', source: [item('part-a')] })], 22)
    assert.match((await store.get('forever'))!.error!.message, /again and again/)
  })

  check('leases of one fan-out that end together end each part once', async (store) => {
    const parts = [item('part-x', [], { maxAttempts: 1 }), item('part-y', [], { maxAttempts: 3 })]
    await store.submit([split('list', parts)], 1)
    await claim(store, 2)
    await store.sweep(1000)
    assert.deepEqual(await states(store), { list: 'failed', 'part-x': 'failed', 'part-y': 'cancelled' })
    const ends = (await store.events(0, 100)).filter(
      ({ state }) => state === 'failed' || state === 'cancelled',
    )
    assert.equal(ends.length, 3)
    assert.deepEqual(await store.queueHeads(), [])
  })

  check(
    'a chain of thousands ends in one call: skipped by its steps, cancelled by its head, renewed by a retry',
    async (store) => {
      const chain = (name: string, stepName: string | null) =>
        Array.from({ length: 6000 }, (_, index) =>
          item(`${name}${index}`, index > 0 ? [`${name}${index - 1}`] : [], { step: stepName }),
        )
      await store.submit(chain('s', 'never'), 1)
      const { groups } = await store.stats()
      assert.deepEqual(
        groups.map(({ state, count }) => [state, count]),
        [['skipped', 6000]],
      )
      await store.submit(chain('c', null), 2)
      assert.deepEqual(await store.cancel(['c0'], 3), { cancelledCount: 6000 })
      const { message } = (await store.get('c5999'))!.error!
      assert.match(message, /^"c5998".*"c5997".*"c0".*it was cancelled$/)
      assert.ok(message.length < 5000, `${message.length} characters`)
      assert.deepEqual(await store.retry(['c0'], 4), { retriedCount: 6000 })
      const [head] = await store.queueHeads()
      assert.deepEqual([head!.readyCount, head!.blockedCount], [1, 5999])
    },
  )
}
