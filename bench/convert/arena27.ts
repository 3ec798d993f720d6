// arena27 (Chatbot Arena requests for 27 models, from the VTC artifact) as a workload: an item for each
// request, its cost by the tokens that came out. Run: node bench/convert/arena27.ts TRACE_FOLDER OUT_FOLDER
// [offline]
import { join } from 'node:path'
import { drawnModel, meanCosts, readRows, type Trace, writeFolder } from './trace.ts'

/** Milliseconds for each token that came out: the trace's README. */
const tokenMs = 4

/** `isOffline`: every request is there at the start. */
export function convertArena27(folder: string, isOffline: boolean): Trace {
  const items = readRows(join(folder, 'requests.csv.gz')).map((row) => ({
    id: row.req_id!,
    model: row.model!,
    atMs: isOffline ? 0 : Math.round(Number(row.arrival_s) * 1000),
    costMs: Number(row.output_tokens) * tokenMs,
  }))
  const models = [...meanCosts(items)].map(([name, costMs]) => drawnModel(name, `a/${name}`, costMs))
  return { models, items }
}

if (import.meta.main) {
  const [from, to, variant] = process.argv.slice(2)
  writeFolder(to!, convertArena27(from!, variant === 'offline'))
}
