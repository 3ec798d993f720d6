// Opens a database for reading. Apart from reader.ts, so that the types of the public API name nothing of
// Node's: a program that embeds Plimsoll need not have them.
import type { StoreReader } from '../store.ts'
import { translate } from './errors.ts'
import { openReadOnly } from './file.ts'
import { SqliteReader } from './reader.ts'

/**
 * Reads a database that another process may own. Rejects with STORE_CORRUPT, STORE_FAILED, OLD_NODE.
 *
 * @beta
 * @example
 * ```ts
 * const store = await openSqliteStore({ file: 'read.db' })
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP' })], 1000)
 * const reader = await openSqliteReader('read.db')
 * const item = (await reader.get('a'))!
 * item.state // => 'ready'
 * await reader.close()
 * await store.close()
 * ```
 */
export async function openSqliteReader(file: string): Promise<StoreReader> {
  const db = openReadOnly(file)
  try {
    return translate(file, () => new SqliteReader(file, db))
  } catch (error) {
    db.close()
    throw error
  }
}
