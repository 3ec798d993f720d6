// `plimsoll retry [ITEM…]`: failed or cancelled items are new again, and what failed because of them.
import type { Command } from 'commander'
import { retry } from '../../api/retry.ts'
import { ask } from '../ask.ts'
import { aboutDatabase, type DatabaseFlags } from '../options.ts'
import { print, printJson } from '../output.ts'

export function retryCommand(command: Command): void {
  aboutDatabase(command).action(async (ids: string[], { db, json }: DatabaseFlags) => {
    const answer = await ask(retry, { ids: ids.length > 0 ? ids : undefined }, { db })
    if (json) printJson(answer)
    else if (answer.retriedCount > 0)
      print(`${answer.retriedCount} will be tried again by the run that is on, or else by the next.`)
    else if (ids.length > 0) print('Nothing is tried again: only items that failed or were cancelled can be.')
    else print('Nothing has failed.')
  })
}
