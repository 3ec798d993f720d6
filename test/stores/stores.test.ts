// Both stores against the suite and against each other, and SQLite against its own rows.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openSqliteReader, openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { allItems, type Resolver, type Store } from '../../src/stores/store.ts'
import { actions, dayAtMs, leadMs, perform, resolver, sweep, view, worldOf } from './actions.ts'
import { testStore } from './conformance.ts'
import { checkFile } from './rows.ts'

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-stores-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let fileCount = 0
const newFile = () => join(folder, `${++fileCount}.db`)

testStore({ test, name: 'memory', open: async (resolver) => openMemoryStore({ resolver }) })
testStore({ test, name: 'sqlite', open: (resolver) => openSqliteStore({ file: newFile(), resolver }) })

// ── both stores do the same, whatever is asked of them ──

test('memory and SQLite answer alike, whatever happens, and SQLite as its rows say', async () => {
  await fc.assert(
    fc.asyncProperty(
      actions(fc.nat(40), { steps: true }),
      fc.uniqueArray(fc.nat(60), { maxLength: 4 }),
      async (calls, reopenedAfter) => {
        const options = { file: newFile(), resolver, leadMs }
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

/** What is in memory beside the rows is as a reader finds it in the file. */
async function reopen(store: Store, options: { file: string; resolver: Resolver }): Promise<Store> {
  await store.close()
  const opened = await openSqliteStore(options)
  const reader = await openSqliteReader(options.file)
  assert.deepEqual(await reader.queueHeads(), await opened.queueHeads())
  assert.deepEqual(await allItems(reader), await allItems(opened))
  await reader.close()
  return opened
}
