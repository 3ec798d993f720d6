// `plimsoll items`: the items of a run, filtered.
import { type Command, Option } from 'commander'
import { items } from '../../api/items.ts'
import { pageSize } from '../../api/page.ts'
import { formatMs } from '../../core/units.ts'
import { type ItemState, itemStates } from '../../core/work/item.ts'
import type { StoredItem } from '../../stores/store.ts'
import { ask } from '../ask.ts'
import { aboutDatabase, type DatabaseFlags, wholeNumber } from '../options.ts'
import { printJson, printTable } from '../output.ts'

interface Flags extends DatabaseFlags {
  state?: ItemState
  step?: string
  limit: string
}

export function itemsCommand(command: Command): void {
  aboutDatabase(command)
    .addOption(new Option('--state <state>', 'only those in this state').choices(itemStates))
    .option('--step <step>', 'only those of this step')
    .option('--limit <count>', 'at most so many', '100')
    .action(async (flags: Flags) => {
      const found = await readPages(flags)
      if (flags.json) return printJson(found)
      const rows = found.map((item) => [
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

async function readPages({ db, state, step, limit }: Flags): Promise<StoredItem[]> {
  const most = wholeNumber('--limit', limit, 1)
  const found: StoredItem[] = []
  for (let isMore = true; isMore; ) {
    const left = Math.min(pageSize, most - found.length)
    const page = await ask(items, { state, step, after: found.at(-1)?.sequence ?? 0, limit: left }, { db })
    found.push(...page)
    isMore = page.length === left && found.length < most
  }
  return found
}

function runTime({ startedAtMs, endedAtMs }: StoredItem): string {
  return startedAtMs === null || endedAtMs === null ? '' : formatMs(endedAtMs - startedAtMs)
}
