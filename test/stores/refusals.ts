// Every call of a store that writes, made while something refuses it: it fails with a code that says why and
// changes nothing, and answers as ever once nothing refuses any more.
import assert from 'node:assert/strict'
import type { DatabaseSync } from 'node:sqlite'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import type { Outcome, Store } from '../../src/stores/store.ts'
import { view } from './actions.ts'
import { claim, item } from './conformance.ts'

const finish = (outcome: Outcome) => (store: Store, token: string) => store.finish(token, [outcome], 20)
const error = { code: 'RUN_FAILED', message: 'broken' }

/** On a store that was prepared: `a` is leased, `b` and `far` wait for it, `c` is ready, `d` has failed. */
const calls: Record<string, (store: Store, token: string) => Promise<unknown>> = {
  submit: (store) => store.submit([item('new', ['b'], { priority: 5, deadlineAtMs: 900 })], 20),
  claim: (store) => claim(store, 1, 20),
  heartbeat: (store, token) => store.heartbeat(token, 500, 20),
  complete: finish({ type: 'done', id: 'a', output: { text: 'x'.repeat(9000) } }),
  'fail for now': finish({ type: 'fail', id: 'a', error, retryable: true, retryAtMs: 50 }),
  'fail for good': finish({ type: 'fail', id: 'a', error, retryable: false, retryAtMs: 50 }),
  'give back': finish({ type: 'release', id: 'a' }),
  cancel: (store) => store.cancel(['a'], 20),
  retry: (store) => store.retry(['d'], 20),
  adopt: (store) => store.adopt(['a', 'b', 'c'], 'p', 20),
  sweep: (store) => store.sweep(500),
  releaseAll: (store) => store.releaseAll(20),
}

async function prepare(store: Store): Promise<string> {
  await store.submit(
    [item('d'), item('a', [], { priority: 1 }), item('b', ['a']), item('far', ['b']), item('c')],
    1,
  )
  const first = await claim(store, 1, 2)
  const second = await claim(store, 1, 3)
  await store.finish(second.token, [{ type: 'fail', id: 'd', error, retryable: false, retryAtMs: 0 }], 4)
  return first.token
}

export interface Refusal {
  newFile: () => string
  code: string
  refuse: (file: string, db: DatabaseSync) => Promise<void> | void
  allow: (file: string, db: DatabaseSync) => Promise<void> | void
  /** The store must be opened again. */
  isForGood?: boolean
}

export async function checkRefusals({
  newFile,
  code,
  refuse,
  allow,
  isForGood = false,
}: Refusal): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    const file = newFile()
    let store = await openSqliteStore({ file })
    const token = await prepare(store)
    // In the file, not in its log.
    await store.close()
    store = await openSqliteStore({ file })
    const before = await view(store)
    const { db } = store as unknown as { db: DatabaseSync }
    await refuse(file, db)
    await assert.rejects(call(store, token), { code }, name)
    if (!isForGood) assert.deepEqual(await view(store), before, name)
    await allow(file, db)
    if (isForGood) {
      await assert.rejects(call(store, token), { code: 'STORE_FAILED', message: /open it again/ }, name)
      await store.close()
      store = await openSqliteStore({ file })
    }
    assert.deepEqual(await view(store), before, name)
    await call(store, token)
    const after = await view(store)
    if (name !== 'heartbeat') assert.notDeepEqual(after, before, name)
    await store.close()
    store = await openSqliteStore({ file })
    assert.deepEqual(await view(store), after, name)
    await store.close()
  }
}
