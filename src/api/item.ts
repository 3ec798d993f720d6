// Finds items by their ids, or by the beginnings of their ids.
import { SchedulerError } from '../core/errors.ts'
import type { ItemId, StoredItem } from '../core/work/item.ts'
import type { StoreReader } from '../stores/store.ts'

/** Ids that are named where the beginning of one is not enough. */
const namedCount = 5

/** The item with this id, or the only one that begins so. Throws UNKNOWN_ITEM, or BAD_VALUE when several
 * do. */
export async function findItem(store: StoreReader, id: string): Promise<StoredItem> {
  const exact = await store.get(id)
  if (exact) return exact
  const { items } = await store.list({ idPrefix: id, limit: namedCount + 1 })
  if (items.length === 1) return items[0]!
  if (items.length === 0)
    throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}". \`plimsoll items\` lists them.`, {
      id,
    })
  const isMore = items.length > namedCount
  const some = items.slice(0, namedCount).map((item) => item.id)
  throw new SchedulerError(
    'BAD_VALUE',
    `${isMore ? `More than ${namedCount}` : items.length} items begin with "${id}": ${some.join(', ')}${isMore ? ', …' : ''}. Write more of it.`,
  )
}

export async function findIds(store: StoreReader, ids: readonly string[]): Promise<ItemId[]> {
  const found: ItemId[] = []
  for (const id of ids) found.push((await findItem(store, id)).id)
  return found
}
