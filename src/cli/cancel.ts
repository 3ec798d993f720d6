// `plimsoll cancel ITEM…`: items that have not ended never will, nor what depends on them. `plimsoll retry [ITEM…]`:
// failed or cancelled items are new again; the next `run` runs them. Both change a database that no run owns.
import type { Command } from 'commander'
import type { ItemId } from '../core/work/item.ts'
import { allItems, type Store } from '../stores/store.ts'
import { findItem } from './items.ts'
import { changeDatabase, databaseCommand, print, printJson } from './output.ts'

interface Options {
  db?: string
  json?: boolean
}

export function cancelCommand(): Command {
  return databaseCommand('cancel', 'cancel items and what depends on them')
    .argument('<item...>', 'ids, or beginnings of ids')
    .action(async (ids: string[], { db, json }: Options) => {
      const { cancelledCount } = await changeDatabase(db, async (store) =>
        store.cancel(await findIds(store, ids), Date.now()),
      )
      if (json) printJson({ cancelledCount })
      else if (cancelledCount > 0) print(`${cancelledCount} cancelled, with what depends on them.`)
      else print('Nothing is cancelled: what has ended stays as it is.')
    })
}

export function retryCommand(): Command {
  return databaseCommand(
    'retry',
    'make failed items new again, and what failed because of them; run then runs them',
  )
    .argument('[item...]', 'ids, or beginnings of ids; none: all that failed')
    .action(async (ids: string[], { db, json }: Options) => {
      const { retriedCount } = await changeDatabase(db, async (store) => {
        const chosen =
          ids.length > 0
            ? await findIds(store, ids)
            : (await allItems(store, { state: 'failed' })).map(({ id }) => id)
        return store.retry(chosen, Date.now())
      })
      if (json) printJson({ retriedCount })
      else if (retriedCount > 0) print(`${retriedCount} will be tried again by the next run.`)
      else if (ids.length > 0)
        print('Nothing is tried again: only items that failed or were cancelled can be.')
      else print('Nothing has failed.')
    })
}

async function findIds(store: Store, ids: string[]): Promise<ItemId[]> {
  const found: ItemId[] = []
  for (const id of ids) found.push((await findItem(store, id)).id)
  return found
}
