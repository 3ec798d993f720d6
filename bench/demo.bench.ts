// What the engine adds to the work: the demo's wall time beside the sum of its batches' run times and of the
// loads that no schedule can avoid (each model once). Loads run beside batches, so the ratio may be below 1;
// process starts, the database, claims and waiting make it more.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readJournal } from '../src/record/journal.ts'

const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'))

interface Answer {
  wallMs: number
  computeMs: number
  loadMs: number
  loads: number
  evictions: number
  items: number
  batches: number
}

try {
  const database = join(folder, 'demo.db')
  const startedAtMs = Date.now()
  const run = spawnSync(
    join(root, 'bin/plimsoll'),
    ['run', 'examples/archive/pipeline.yaml', '--db', database, '--json'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
  const commandMs = Date.now() - startedAtMs
  if (run.status !== 0) throw new Error(`the demo failed: ${run.stderr}${run.stdout}`)
  const answer = JSON.parse(run.stdout) as Answer
  const firstLoadMs = sumOfFirstLoads(database.replace('.db', '.journal.jsonl'))
  const boundMs = answer.computeMs + firstLoadMs
  const row = { ...answer, commandMs, firstLoadMs, boundMs, ratio: commandMs / boundMs }
  if (process.argv.includes('--json')) console.log(JSON.stringify(row))
  else {
    console.log(
      `demo: ${row.items} items in ${row.batches} batches, ${row.loads} loads, ${row.evictions} evictions`,
    )
    console.log(`  whole command            ${commandMs} ms`)
    console.log(`  compute of its batches   ${answer.computeMs} ms`)
    console.log(`  each model's first load  ${firstLoadMs} ms`)
    console.log(`  command / (compute + first loads) = ${row.ratio.toFixed(3)}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function sumOfFirstLoads(record: string): number {
  const loadMsByModel = new Map<string, number>()
  for (const line of readJournal(record)) {
    if (line.type !== 'load-finished') continue
    const modelId = line.instanceId.replace(/-\d+$/, '')
    if (!loadMsByModel.has(modelId)) loadMsByModel.set(modelId, line.loadMs ?? 0)
  }
  return [...loadMsByModel.values()].reduce((sum, each) => sum + each, 0)
}
