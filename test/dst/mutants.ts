// Can the checks fail? Each mutant of `mutants/` breaks one rule of the daemon or the core, and the scenarios
// and the first seeds are run on it until one catches it: a mutant that escapes is a rule that nobody checks.
//
//   node test/dst/mutants.ts [NAME…] [--seeds 100]     whom nothing catches
//   node test/dst/mutants.ts [NAME…] --write           counts all who catch each, and
//                                                      writes the tables of README.md
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Catch, Hunt } from './mutants/hunt.ts'
import { mutants } from './mutants/mutant.ts'
import { rowOf, writeRows, writtenRows } from './mutants/table.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '100' },
    write: { type: 'boolean', default: false },
  },
})
const seedCount = Number(values.seeds)
const until = values.write ? 'all' : 'first'
const names = positionals.length > 0 ? positionals : Object.keys(mutants)
const unknown = names.filter((name) => !mutants[name])
if (unknown.length > 0) throw new Error(`There is no mutant "${unknown.join('", "')}"`)

/** A mutant may loop for ever; a hunt of all seeds takes some 15 s. */
const limitMs = 600_000

const rows = writtenRows()
const waiting = [...names]
let escapedCount = 0
await Promise.all(Array.from({ length: availableParallelism() }, huntWaiting))
if (values.write) writeRows(rows)
console.log(`${names.length} mutants, ${escapedCount} not caught`)
process.exitCode = escapedCount === 0 ? 0 : 1

async function huntWaiting(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const caught = await hunt({ changes: mutants[name]!, seedCount, until })
    if (caught.sentence === null) escapedCount++
    rows.set(name, rowOf(name, caught))
    console.log(`${name}: ${caught.sentence ?? 'NOT CAUGHT'}`)
  }
}

/** Rejects for a mutant that does not run: its text has moved, or is no program. */
function hunt(workerData: Hunt): Promise<Catch> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./mutants/hunt.ts', import.meta.url), { workerData })
    const timer = setTimeout(() => thread.terminate(), limitMs)
    thread.on('message', resolve)
    thread.on('error', reject)
    thread.on('exit', () => {
      clearTimeout(timer)
      reject(new Error(`A hunt has not ended after ${limitMs} ms`))
    })
  })
}
