// The SQLite store from submission to the last result, synchronous FULL, at 10 thousand, 100 thousand and 1 million items
// that all wait at once: diamonds and chains of four over three models, submitted 64 items a call, claimed and finished in
// batches of 64, each call awaited, so each is a commit. Beside it the bound: node:sqlite alone, inserting as many rows and
// updating each twice (as a claim and a result do) in transactions of 64, with no dependencies, counts or events. `--max N`
// leaves out the larger sizes, `--json` prints the rows.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { type NewItem, newItem } from '../src/core/work-item.ts'
import { openSqliteStore } from '../src/stores/sqlite.ts'

const callCount = 64
/** A day in 2026: sums of real times are larger than the integers that a double holds. */
const startAtMs = 1_790_000_000_000
const order = { interactiveFrom: 8, overdueBeforeMs: 0 }
const { values: flags } = parseArgs({
  options: { max: { type: 'string', default: '1000000' }, json: { type: 'boolean', default: false } },
})

/** Four items: a diamond, or a chain. */
function graph(index: number): NewItem[] {
  const id = (place: number) => `video-${index}_step${place}`
  const parents = index % 2 === 0 ? [[], [0], [0], [1, 2]] : [[], [0], [1], [2]]
  return parents.map((each, place) =>
    newItem({
      id: id(place),
      modelId: ['Whisper', 'CLAP', 'CLAP', 'Qwen3'][place]!,
      priority: index % 3,
      input: { path: `media/video-${index}.mp4` },
      dependencies: each.map((parent) => id(parent)),
    }),
  )
}

interface Row {
  itemCount: number
  submitMs: number
  drainMs: number
  reopenMs: number
  itemsPerSecond: number
  boundPerSecond: number
}

async function lifecycle(file: string, itemCount: number) {
  const store = await openSqliteStore({ file })
  let nowMs = startAtMs
  const startedAtMs = performance.now()
  for (let index = 0; index < itemCount / 4; index += callCount / 4) {
    const graphCount = Math.min(callCount / 4, itemCount / 4 - index)
    await store.submit(Array.from({ length: graphCount }, (_, place) => graph(index + place)).flat(), nowMs++)
  }
  const submittedAtMs = performance.now()
  let doneCount = 0
  while (doneCount < itemCount) {
    const heads = await store.queueHeads()
    const { modelId } = heads.reduce((best, each) => (each.readyCount > best.readyCount ? each : best))
    const claim = await store.claim({ modelId, maxCount: callCount, order, leaseMs: 60_000 }, nowMs++)
    const outcomes = claim.items.map(({ id }) => ({ type: 'done' as const, id, output: { text: id } }))
    doneCount += (await store.finish(claim.token, outcomes, nowMs++)).accepted.length
  }
  const drainedAtMs = performance.now()
  await store.close()
  return { submitMs: submittedAtMs - startedAtMs, drainMs: drainedAtMs - submittedAtMs }
}

async function reopen(file: string, itemCount: number): Promise<number> {
  const startedAtMs = performance.now()
  const store = await openSqliteStore({ file })
  const reopenMs = performance.now() - startedAtMs
  const { groups } = await store.stats()
  const doneCount = groups.reduce((sum, { state, count }) => sum + (state === 'done' ? count : 0), 0)
  if (doneCount !== itemCount) throw new Error(`${doneCount} of ${itemCount} items are done in the file`)
  await store.close()
  return reopenMs
}

/** Milliseconds for the same rows without a scheduler. */
function bound(file: string, itemCount: number): number {
  const db = new DatabaseSync(file)
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; CREATE TABLE item (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, model TEXT, state INTEGER, token TEXT, input TEXT, output TEXT) STRICT',
  )
  const add = db.prepare('INSERT INTO item (seq, id, model, state, input) VALUES (?, ?, ?, 0, ?)')
  const lease = db.prepare('UPDATE item SET state = 1, token = ? WHERE seq = ?')
  const end = db.prepare('UPDATE item SET state = 2, token = NULL, output = ? WHERE seq = ?')
  const inGroups = (write: (seq: number) => void) => {
    for (let first = 0; first < itemCount; first += callCount) {
      db.exec('BEGIN IMMEDIATE')
      for (let seq = first; seq < Math.min(first + callCount, itemCount); seq++) write(seq)
      db.exec('COMMIT')
    }
  }
  const startedAtMs = performance.now()
  inGroups((seq) =>
    add.run(seq, `video-${seq >> 2}_step${seq & 3}`, 'CLAP', `{"path":"media/video-${seq >> 2}.mp4"}`),
  )
  inGroups((seq) => lease.run('1.1', seq))
  inGroups((seq) => end.run(`{"text":"video-${seq >> 2}_step${seq & 3}"}`, seq))
  const boundMs = performance.now() - startedAtMs
  db.close()
  return boundMs
}

async function measure(itemCount: number): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'))
  try {
    const file = join(folder, 'store.db')
    const { submitMs, drainMs } = await lifecycle(file, itemCount)
    const reopenMs = await reopen(file, itemCount)
    rmSync(file)
    const boundMs = bound(join(folder, 'bound.db'), itemCount)
    const perSecond = (ms: number) => Math.round((itemCount / ms) * 1000)
    const itemsPerSecond = perSecond(submitMs + drainMs)
    return { itemCount, submitMs, drainMs, reopenMs, itemsPerSecond, boundPerSecond: perSecond(boundMs) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await measure(2000) // warms the compiler up
const rows: Row[] = []
for (const itemCount of [10_000, 100_000, 1_000_000]) {
  if (itemCount <= Number(flags.max)) rows.push(await measure(itemCount))
}
const [smallest, largest] = [rows[0], rows.at(-1)]
if (!smallest || !largest) throw new Error(`--max ${flags.max} leaves nothing to measure. Use 10000 or more.`)
const costRatio = smallest.itemsPerSecond / largest.itemsPerSecond
if (flags.json) console.log(JSON.stringify({ rows, costRatio }))
else {
  const column = (value: number) => Math.round(value).toLocaleString('en').padStart(12)
  console.log('      items     items/s   submit ms    drain ms   reopen ms   bound items/s   ours : bound')
  for (const { itemCount, itemsPerSecond, submitMs, drainMs, reopenMs, boundPerSecond } of rows) {
    const ratio = (itemsPerSecond / boundPerSecond).toFixed(2).padStart(14)
    const figures = [itemsPerSecond, submitMs, drainMs, reopenMs].map(column).join('')
    console.log(
      `${itemCount.toLocaleString('en').padStart(11)}${figures}${column(boundPerSecond)}    ${ratio}`,
    )
  }
  const sizes = `${largest.itemCount.toLocaleString('en')} : ${smallest.itemCount.toLocaleString('en')}`
  console.log(`cost per item, ${sizes} = ${costRatio.toFixed(2)} (bar 2.00); bar for items/s: 40,000`)
}
