// `plimsoll why ITEM`: why an item waits, and when it starts.
import type { Command } from 'commander'
import { why } from '../../api/why.ts'
import { formatMs } from '../../core/units.ts'
import { ask } from '../ask.ts'
import { aboutDatabase, type DatabaseFlags } from '../options.ts'
import { print, printJson } from '../output.ts'

export function whyCommand(command: Command): void {
  aboutDatabase(command).action(async (item: string, { db, json }: DatabaseFlags) => {
    const answer = await ask(why, { id: item }, { db })
    if (json) return printJson(answer)
    const { id, state, reasons, startsInMs } = answer
    print(`${id} is ${state}.`)
    for (const reason of reasons) print(`- ${reason}`)
    if (startsInMs === null) return
    const soon = startsInMs < 1000 ? 'within a second' : `in about ${formatMs(startsInMs)}`
    print(`- By a simulation of what is left it starts ${soon}.`)
  })
}
