// Both stores against the suite and against each other, and SQLite against its own rows.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openSqliteReader, openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { allItems, type Store, type StoreOptions } from '../../src/stores/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { actions, dayAtMs, leadMs, perform, resolver, serves, sweep, view, worldOf } from './actions.ts'
import { testStore } from './conformance.ts'
import { checkFile } from './rows.ts'

const folder = temporaryFolder('stores')
let fileCount = 0
const newFile = () => join(folder, `${++fileCount}.db`)

testStore({ test, name: 'memory', open: async (options) => openMemoryStore(options) })
const fileOf = new WeakMap<Store, string>()
testStore({
  test,
  name: 'sqlite',
  open: (options) => openFile(newFile(), options),
  openAgain: (store, options) => openFile(fileOf.get(store)!, options),
})

async function openFile(file: string, options?: StoreOptions): Promise<Store> {
  const store = await openSqliteStore({ ...options, file })
  fileOf.set(store, file)
  return store
}

// ── both stores do the same, whatever is asked of them ──

test('memory and SQLite answer alike, whatever happens, and SQLite as its rows say', async () => {
  await fc.assert(
    fc.asyncProperty(
      actions(fc.nat(40), { steps: true }),
      fc.uniqueArray(fc.nat(60), { maxLength: 4 }),
      async (calls, reopenedAfter) => {
        const options = { file: newFile(), resolver, leadMs, serves }
        const [memory, sqlite] = [worldOf(openMemoryStore(options)), worldOf(await openSqliteStore(options))]
        try {
          let nowMs = dayAtMs
          for (const [index, each] of calls.entries()) {
            nowMs += each.afterMs
            const answer = await perform(memory, each, nowMs)
            assert.deepEqual(await perform(sqlite, each, nowMs), answer, JSON.stringify(each))
            if (reopenedAfter.includes(index)) {
              sqlite.store = await reopen(sqlite.store, options)
              // One that was opened again knows late items as late from its first sweep on.
              assert.deepEqual(await sweep(sqlite, nowMs), await sweep(memory, nowMs))
            }
            assert.deepEqual(await view(sqlite.store), await view(memory.store), JSON.stringify(each))
            await checkFile(sqlite, options.file)
          }
        } finally {
          await Promise.all([memory, sqlite].map(({ store }) => store.close()))
        }
      },
    ),
    { numRuns: 150 },
  )
})

/** What is in memory beside the rows is as a reader finds it in the file, whatever is served; and to be open
 * for other pipelines changes nothing. */
async function reopen(store: Store, options: StoreOptions & { file: string }): Promise<Store> {
  await store.close()
  const all = await openSqliteStore({ ...options, serves: () => true })
  const reader = await openSqliteReader(options.file)
  assert.deepEqual(await reader.queueHeads(), await all.queueHeads())
  await all.close()
  const opened = await openSqliteStore(options)
  assert.deepEqual(await allItems(reader), await allItems(opened))
  await reader.close()
  return opened
}
