// `plimsoll items`: the items of a run, filtered; `plimsoll result ITEM`: what one answered, or why it did not.
import type { Command } from 'commander'
import { SchedulerError } from '../core/errors.ts'
import { formatMs } from '../core/units.ts'
import { hasEnded, type ItemState, itemStates } from '../core/work/item.ts'
import { allItems, type StoredItem, type StoreStats } from '../stores/store.ts'
import { databaseCommand, print, printJson, printTable, type Reader, readDatabase } from './output.ts'

interface Filter {
  db?: string
  json?: boolean
  state?: string
  step?: string
  limit: string
}

export function itemsCommand(): Command {
  return databaseCommand('items', 'list the items of a run')
    .option('--state <state>', `only those in this state: ${itemStates.join(', ')}`)
    .option('--step <step>', 'only those of this step')
    .option('--limit <count>', 'at most so many', '100')
    .action(async (options: Filter) => {
      const { state, step } = options
      if (state !== undefined && !itemStates.includes(state as ItemState)) {
        throw new SchedulerError('BAD_VALUE', `"${state}" is not a state. States: ${itemStates.join(', ')}.`)
      }
      const limit = Number(options.limit)
      if (!Number.isInteger(limit) || limit < 1) {
        throw new SchedulerError(
          'BAD_VALUE',
          `--limit is "${options.limit}"; it must be a whole number from 1.`,
        )
      }
      const { items } = await readDatabase(options.db, async (store) => {
        if (step !== undefined) assertKnown(step, await store.stats())
        return store.list({ state: state as ItemState, step, limit })
      })
      if (options.json) return printJson(items)
      const rows = items.map((item) => [
        item.id,
        item.step ?? item.modelId,
        item.state,
        String(item.attempt),
        runTime(item),
        item.error?.message ?? '',
      ])
      printTable({ title: 'Items', columns: ['item', 'step', 'state', 'attempts', 'took', 'error'], rows })
    })
}

function assertKnown(step: string, { groups }: StoreStats): void {
  const known = [...new Set(groups.flatMap((each) => each.step ?? []))]
  if (known.includes(step)) return
  const names = known.length > 0 ? `Steps: ${known.join(', ')}.` : 'There are none.'
  throw new SchedulerError('BAD_VALUE', `No items are of a step "${step}". ${names}`)
}

function runTime({ startedAtMs, endedAtMs }: StoredItem): string {
  return startedAtMs === null || endedAtMs === null ? '' : formatMs(endedAtMs - startedAtMs)
}

export function resultCommand(): Command {
  return databaseCommand('result', 'show what an item answered, or why it did not')
    .argument('<item>', 'id, or the beginning of one')
    .action(async (id: string, options: { db?: string; json?: boolean }) => {
      const item = await readDatabase(options.db, (store) => findItem(store, id))
      if (options.json) return printJson(item)
      print(`${item.id}: ${item.state}, attempt ${item.attempt} of ${item.maxAttempts}`)
      if (item.error) print(`${item.error.code}: ${item.error.message}`)
      print(`input   ${JSON.stringify(item.input)}`)
      if (hasEnded(item.state)) print(`output  ${JSON.stringify(item.output)}`)
      else print(`It has not ended; \`plimsoll why ${item.id}\` says what it waits for.`)
    })
}

/** The item with this id, or the only one that begins so. Throws UNKNOWN_ITEM, or BAD_VALUE when several do. */
export async function findItem(store: Pick<Reader, 'get' | 'list'>, id: string): Promise<StoredItem> {
  const exact = await store.get(id)
  if (exact) return exact
  const found = (await allItems(store)).filter((item) => item.id.startsWith(id))
  if (found.length === 1) return found[0]!
  if (found.length === 0)
    throw new SchedulerError('UNKNOWN_ITEM', `No item is called "${id}". \`plimsoll items\` lists them.`, {
      id,
    })
  const some = found.slice(0, 5).map((item) => item.id)
  throw new SchedulerError(
    'BAD_VALUE',
    `${found.length} items begin with "${id}": ${some.join(', ')}${found.length > 5 ? ', …' : ''}. Write more of it.`,
  )
}
