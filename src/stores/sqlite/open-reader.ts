// Opens a database for reading. Apart from reader.ts, so that the types of the public API name nothing of
// Node's: a program that embeds Plimsoll need not have them.
import type { StoreReader } from '../store.ts'
import { translate } from './errors.ts'
import { openReadOnly } from './file.ts'
import { SqliteReader } from './reader.ts'

/** Reads a database that another process may own. Throws STORE_CORRUPT, STORE_FAILED,
 * OLD_NODE. */
export async function openSqliteReader(file: string): Promise<StoreReader> {
  const db = openReadOnly(file)
  try {
    return translate(file, () => new SqliteReader(file, db))
  } catch (error) {
    db.close()
    throw error
  }
}
