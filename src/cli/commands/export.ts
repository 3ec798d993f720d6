// `plimsoll export`: every item of a run as JSON lines, with input, output and error, in the order of
// submission.
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { findDatabase } from '../../record/files.ts'
import { openSqliteReader } from '../../stores/sqlite/open-reader.ts'
import type { StoreReader } from '../../stores/store.ts'
import { aboutDatabase, type DatabaseFlags } from '../options.ts'
import { assertWritable } from '../output.ts'

export function exportCommand(command: Command): void {
  aboutDatabase(command)
    .option('--out <file>', 'file to write (default: standard output)')
    .action(async ({ db, out }: DatabaseFlags & { out?: string }) => {
      if (out !== undefined) assertWritable(out, '--out')
      const store = await openSqliteReader(findDatabase(db).database)
      const target = out === undefined ? process.stdout : createWriteStream(out)
      const written = pipeline(Readable.from(lines(store)), target, { end: out !== undefined })
      await written.finally(() => store.close())
    })
}

async function* lines(store: StoreReader): AsyncGenerator<string> {
  let after: number | null = 0
  while (after !== null) {
    const page: Awaited<ReturnType<StoreReader['list']>> = await store.list({ after })
    for (const item of page.items) yield `${JSON.stringify(item)}\n`
    after = page.cursor
  }
}
