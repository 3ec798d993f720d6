// The SQLite store from submission to the last result, synchronous FULL, at 10 thousand, 100 thousand and 1
// million items that all wait at once: diamonds and chains of four over three models and three priorities,
// submitted 64 items a call, claimed and finished in batches of 64. With one lane each call is awaited, so
// each is a commit; with four, as many instances would, calls of one turn share theirs. Beside it the bound:
// node:sqlite alone with the same settings, inserting as many rows and updating each twice (as a lease and a
// result do) in transactions of 64 rows a lane, with no dependencies, counts or events. CPU is that of this
// process, ours with what makes and asks: it changes less than items/s with what else the machine and its
// disk do, and its ratio to the bound's least. `--max N` leaves out the larger sizes, `--json` prints the
// rows.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { type NewItem, newItem } from '../src/core/work/item.ts'
import { plainOrder } from '../src/core/work/queue-head.ts'
import { pragmas } from '../src/stores/sqlite/file.ts'
import { openSqliteStore } from '../src/stores/sqlite/store.ts'

const callCount = 64
/** A day in 2026: sums of real times are larger than the integers that a double holds. */
const startAtMs = 1_790_000_000_000
const idle = { modelId: 'Whisper', readyCount: 0 }
const order = { ...plainOrder, interactiveFrom: 8 }
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
  laneCount: number
  /** Microseconds for an item, user and system. */
  cpuUs: number
  boundCpuUs: number
  submitMs: number
  drainMs: number
  reopenMs: number
  itemsPerSecond: number
  boundPerSecond: number
}

async function lifecycle(file: string, itemCount: number, laneCount: number) {
  const store = await openSqliteStore({ file })
  let nowMs = startAtMs
  let index = 0
  let doneCount = 0
  let emptyCount = 0
  const submit = async () => {
    while (index < itemCount / 4) {
      const graphCount = Math.min(callCount / 4, itemCount / 4 - index)
      const items = Array.from({ length: graphCount }, (_, place) => graph(index + place)).flat()
      index += graphCount
      await store.submit(items, nowMs++)
    }
  }
  const drain = async () => {
    while (doneCount < itemCount) {
      const heads = await store.queueHeads()
      // A lane that finds nothing ready waits for what the others release: their commit comes in the next
      // turn.
      const { modelId } = heads.reduce(
        (best, each) => (each.readyCount > best.readyCount ? each : best),
        heads[0] ?? idle,
      )
      const claim = await store.claim({ modelId, maxCount: callCount, order, leaseMs: 60_000 }, nowMs++)
      const outcomes = claim.items.map(({ id }) => ({ type: 'done' as const, id, output: { text: id } }))
      const { accepted } = await store.finish(claim.token, outcomes, nowMs++)
      doneCount += accepted.length // not `+= (await …)`: that adds to what was there before the other lanes' results
      emptyCount = accepted.length > 0 ? 0 : emptyCount + 1
      if (emptyCount > 100) throw new Error(`${doneCount} of ${itemCount} items ended and none is ready`)
    }
  }
  const lanes = (work: () => Promise<void>) => Promise.all(Array.from({ length: laneCount }, work))
  const cpu = startCpu()
  const startedAtMs = performance.now()
  await lanes(submit)
  const submittedAtMs = performance.now()
  await lanes(drain)
  const drainedAtMs = performance.now()
  const cpuUs = cpu() / itemCount
  await store.close()
  return { submitMs: submittedAtMs - startedAtMs, drainMs: drainedAtMs - submittedAtMs, cpuUs }
}

/** Answers with the microseconds of CPU since then. */
function startCpu(): () => number {
  const before = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
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

/** The same rows without a scheduler. */
function bound(file: string, itemCount: number, rowCount: number) {
  const db = new DatabaseSync(file)
  db.exec(
    `${pragmas}; CREATE TABLE item (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, model TEXT, state INTEGER, token TEXT, input TEXT, output TEXT) STRICT`,
  )
  const add = db.prepare('INSERT INTO item (seq, id, model, state, input) VALUES (?, ?, ?, 0, ?)')
  const lease = db.prepare('UPDATE item SET state = 1, token = ? WHERE seq = ?')
  const end = db.prepare('UPDATE item SET state = 2, token = NULL, output = ? WHERE seq = ?')
  const inGroups = (write: (seq: number) => void) => {
    for (let first = 0; first < itemCount; first += rowCount) {
      db.exec('BEGIN IMMEDIATE')
      for (let seq = first; seq < Math.min(first + rowCount, itemCount); seq++) write(seq)
      db.exec('COMMIT')
    }
  }
  const cpu = startCpu()
  const startedAtMs = performance.now()
  inGroups((seq) =>
    add.run(seq, `video-${seq >> 2}_step${seq & 3}`, 'CLAP', `{"path":"media/video-${seq >> 2}.mp4"}`),
  )
  inGroups((seq) => lease.run('1.1', seq))
  inGroups((seq) => end.run(`{"text":"video-${seq >> 2}_step${seq & 3}"}`, seq))
  const boundMs = performance.now() - startedAtMs
  const boundCpuUs = cpu() / itemCount
  db.close()
  return { boundMs, boundCpuUs }
}

async function measure(itemCount: number, laneCount: number): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'))
  try {
    const file = join(folder, 'store.db')
    const { submitMs, drainMs, cpuUs } = await lifecycle(file, itemCount, laneCount)
    const reopenMs = await reopen(file, itemCount)
    rmSync(file)
    const { boundMs, boundCpuUs } = bound(join(folder, 'bound.db'), itemCount, callCount * laneCount)
    const perSecond = (ms: number) => Math.round((itemCount / ms) * 1000)
    const itemsPerSecond = perSecond(submitMs + drainMs)
    const boundPerSecond = perSecond(boundMs)
    return {
      itemCount,
      laneCount,
      cpuUs,
      boundCpuUs,
      submitMs,
      drainMs,
      reopenMs,
      itemsPerSecond,
      boundPerSecond,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await measure(100_000, 1) // warms the compiler up
const rows: Row[] = []
for (const laneCount of [1, 4]) {
  for (const itemCount of [10_000, 100_000, 1_000_000]) {
    if (itemCount <= Number(flags.max)) rows.push(await measure(itemCount, laneCount))
  }
}
if (rows.length === 0) throw new Error(`--max ${flags.max} leaves nothing to measure. Use 10000 or more.`)
const costs = [1, 4].map((laneCount) => {
  const own = rows.filter((row) => row.laneCount === laneCount)
  const [smallest, largest] = [own[0]!, own.at(-1)!]
  const costRatio = smallest.itemsPerSecond / largest.itemsPerSecond
  return {
    laneCount,
    from: smallest.itemCount,
    to: largest.itemCount,
    costRatio,
    cpuRatio: largest.cpuUs / smallest.cpuUs,
  }
})
if (flags.json) console.log(JSON.stringify({ rows, costs }))
else {
  const column = (value: number | string, width = 11) =>
    (typeof value === 'string' ? value : Math.round(value).toLocaleString('en')).padStart(width)
  const titles = [
    'lanes',
    'items',
    'items/s',
    'bound/s',
    'ours:bound',
    'CPU us/item',
    'bound CPU',
    'CPU ratio',
    'submit ms',
    'drain ms',
    'reopen ms',
  ]
  console.log(titles.map((title) => column(title, 12)).join(''))
  for (const row of rows) {
    const ratio = (row.itemsPerSecond / row.boundPerSecond).toFixed(2)
    const { laneCount, itemCount, itemsPerSecond, boundPerSecond, submitMs, drainMs, reopenMs } = row
    const figures = [
      laneCount,
      itemCount,
      itemsPerSecond,
      boundPerSecond,
      ratio,
      row.cpuUs.toFixed(1),
      row.boundCpuUs.toFixed(1),
      (row.cpuUs / row.boundCpuUs).toFixed(2),
      submitMs,
      drainMs,
      reopenMs,
    ]
    console.log(figures.map((figure) => column(figure, 12)).join(''))
  }
  for (const { laneCount, from, to, costRatio, cpuRatio } of costs) {
    const sizes = `${to.toLocaleString('en')} : ${from.toLocaleString('en')}`
    console.log(
      `${laneCount} lanes: cost per item, ${sizes} = ${costRatio.toFixed(2)} in time, ${cpuRatio.toFixed(2)} in CPU (bar 2.00)`,
    )
  }
  console.log('bar for items/s: 40,000')
}
