// What is asked of the items of a store that may have several pipelines.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NewItem, newItem } from '../core/work/item.ts'
import { openMemoryStore } from '../stores/memory.ts'
import { allItems, type Store } from '../stores/store.ts'
import { Jobs } from './jobs.ts'

function item(pipeline: string | null, id: string, needs: string[] = []): NewItem {
  return newItem({ id, modelId: 'm', pipeline, dependencies: needs, step: 'any' })
}

function create(): { store: Store; jobs: Jobs; changes: () => number } {
  const store = openMemoryStore()
  let changeCount = 0
  const clock = { nowMs: () => 1000, after: () => () => {} }
  return {
    store,
    jobs: new Jobs({ store, clock, onChange: () => changeCount++ }),
    changes: () => changeCount,
  }
}

async function states(store: Store): Promise<string> {
  return (await allItems(store)).map(({ id, state }) => `${id} ${state}`).join(', ')
}

test('adds what is new, and cancels of its own pipeline alone what it no longer has', async () => {
  const { store, jobs, changes } = create()
  const first = [item('first', 'f1'), item('first', 'f2', ['f1'])]
  assert.equal((await jobs.submit('first', first)).addedCount, 2)
  assert.equal((await jobs.submit('second', [item('second', 's1')])).addedCount, 1)
  assert.equal((await jobs.submit('second', [item('second', 's2')])).addedCount, 1)
  assert.equal(await states(store), 'f1 ready, f2 blocked, s1 cancelled, s2 ready')
  assert.equal((await store.get('s1'))!.error!.code, 'SUPERSEDED')
  assert.equal(changes(), 3)
})

test('an open item that two pipelines have is that of the last one', async () => {
  const { store, jobs } = create()
  await jobs.submit('first', [item('first', 'both'), item('first', 'f1')])
  assert.equal((await jobs.submit('second', [item('second', 'both'), item('second', 's1')])).addedCount, 1)
  const pipelines = async () => [(await store.get('both'))!.pipeline, (await store.get('f1'))!.pipeline]
  assert.deepEqual(await pipelines(), ['second', 'first'])
  await jobs.submit('first', [item('first', 'both'), item('first', 'f1')])
  assert.deepEqual(await pipelines(), ['first', 'first'])
  assert.equal(await states(store), 'both ready, f1 ready, s1 ready')
})

test('what was superseded comes back when the pipeline has it again; what a user cancelled does not', async () => {
  const { store, jobs } = create()
  const items = [item('first', 'f1'), item('first', 'f2'), item('first', 'f3')]
  await jobs.submit('first', items)
  await jobs.cancel(['f3'])
  await jobs.submit('first', items.slice(0, 1))
  assert.equal(await states(store), 'f1 ready, f2 cancelled, f3 cancelled')
  assert.equal((await jobs.submit('first', items)).addedCount, 0)
  assert.equal(await states(store), 'f1 ready, f2 ready, f3 cancelled')
  assert.deepEqual(await jobs.retry({ state: 'cancelled' }), { retriedCount: 1 })
  assert.equal(await states(store), 'f1 ready, f2 ready, f3 ready')
})

test('items of no pipeline, which an older Plimsoll wrote, count as those of the next', async () => {
  const { store, jobs } = create()
  await store.submit([item(null, 'o1'), item(null, 'o2')], 1)
  await jobs.submit('first', [item('first', 'o1'), item('first', 'f1')])
  assert.equal(await states(store), 'o1 ready, o2 cancelled, f1 ready')
})

test('of a fan-out that is listed the parts stay, of one that is not they go', async () => {
  const parts = ['x', 'y'].map((part) => newItem({ id: part, modelId: 'm' }))
  const store = openMemoryStore({ resolver: () => ({ type: 'expand', items: parts, policy: 'fail' }) })
  const jobs = new Jobs({ store, clock: { nowMs: () => 1, after: () => () => {} }, onChange: () => {} })
  await jobs.submit('first', [item('first', 'list')])
  await jobs.submit('first', [item('first', 'list')])
  assert.equal(await states(store), 'list blocked, x ready, y ready')
  await jobs.submit('first', [])
  assert.equal(await states(store), 'list cancelled, x cancelled, y cancelled')
})
