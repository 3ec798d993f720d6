// `plimsoll result ITEM`: what an item answered, or why it did not.
import type { Command } from 'commander'
import { result } from '../../api/result.ts'
import { hasEnded } from '../../core/work/item.ts'
import { ask } from '../ask.ts'
import { aboutDatabase, type DatabaseFlags } from '../options.ts'
import { print, printJson } from '../output.ts'

export function resultCommand(command: Command): void {
  aboutDatabase(command).action(async (id: string, { db, json }: DatabaseFlags) => {
    const item = await ask(result, { id }, { db })
    if (json) return printJson(item)
    print(`${item.id}: ${item.state}, attempt ${item.attempt} of ${item.maxAttempts}`)
    if (item.error) print(`${item.error.code}: ${item.error.message}`)
    print(`input   ${JSON.stringify(item.input)}`)
    if (hasEnded(item.state)) print(`output  ${JSON.stringify(item.output)}`)
    else print(`It has not ended; \`plimsoll why ${item.id}\` says what it waits for.`)
  })
}
