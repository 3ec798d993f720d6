// A short round of `make chaos`, so that it cannot rot: one seed, few items, every kind of fault.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokenIn, runRound } from './round.ts'

const seed = Number(process.env.PLIMSOLL_SEED ?? 1)
const counts = { 'kill worker': 2, 'pause worker': 1, 'stop worker': 1, 'kill scheduler': 2, 'eat memory': 1 }

test(`real processes under faults: nothing lost or doubled, nothing past the line, nobody left (seed ${seed})`, async (t) => {
  const report = await runRound({
    seed,
    counts,
    sourceCount: 12,
    modelCount: 5,
    faultsMs: 4000,
    limitMs: 120_000,
  })
  const faults = Object.entries(report.faults).map(([kind, count]) => `${kind} ${count}`)
  t.diagnostic(
    `${report.tookMs} ms, ${report.starts} starts, ${report.memory.loads} loads, ${faults.join(', ')}`,
  )
  assert.deepEqual(brokenIn(report), [], `PLIMSOLL_SEED=${seed} repeats it; its files: ${report.folder}`)
  assert.ok(report.starts > 1, 'the scheduler was killed')
})
