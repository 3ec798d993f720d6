// `plimsoll export`: every item of a run as JSON lines, with input, output and error, in the order of submission.
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { assertWritable, databaseCommand, type Reader, readDatabase } from './output.ts'

export function exportCommand(): Command {
  return databaseCommand('export', 'write every item with its result as JSON lines')
    .option('--out <file>', 'file to write (default: standard output)')
    .action(async ({ db, out }: { db?: string; out?: string }) => {
      if (out !== undefined) assertWritable(out, '--out')
      await readDatabase(db, async (store) => {
        const target = out === undefined ? process.stdout : createWriteStream(out)
        await pipeline(Readable.from(lines(store)), target, { end: out !== undefined })
      })
    })
}

async function* lines(store: Reader): AsyncGenerator<string> {
  let after: number | null = 0
  while (after !== null) {
    const page: Awaited<ReturnType<Reader['list']>> = await store.list({ after })
    for (const item of page.items) yield `${JSON.stringify(item)}\n`
    after = page.cursor
  }
}
