// `plimsoll cancel ITEM…`: items that have not ended never will, nor what depends on them.
import type { Command } from 'commander'
import { cancel } from '../../api/cancel.ts'
import { ask } from '../ask.ts'
import { aboutDatabase, type DatabaseFlags } from '../options.ts'
import { print, printJson } from '../output.ts'

export function cancelCommand(command: Command): void {
  aboutDatabase(command).action(async (ids: string[], { db, json }: DatabaseFlags) => {
    const answer = await ask(cancel, { ids }, { db })
    if (json) printJson(answer)
    else if (answer.cancelledCount > 0)
      print(`${answer.cancelledCount} cancelled, with what depends on them.`)
    else print('Nothing is cancelled: what has ended stays as it is.')
  })
}
