// Deadlines that cannot be met, as `plimsoll run` and `plimsoll plan` say it: the real commands over a small
// pipeline.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plimsoll } from '../../test/support/command.ts'
import { project } from '../../test/support/project.ts'
import { newItem } from '../core/work/item.ts'
import { openSqliteStore } from '../stores/sqlite/store.ts'

const models =
  '  echo: { module: echo.js, vram: 200MB, loadTime: 4s, batch: { overhead: 0ms, perItem: 100ms } }\n'
const steps = (deadline: string) =>
  `  say: { source: texts, model: echo, input: { name: "\${source.name}" } }
  again: { source: texts, model: echo, input: "\${say}", deadline: ${deadline} }\n`

test('run warns on standard error, one line for a step with counts, and in its JSON', () => {
  const folder = project({ models, steps: steps('3s') })
  const { status, stdout, stderr } = plimsoll(folder, 'run', 'pipeline.yaml', '--json')
  assert.equal(status, 0, stderr)
  assert.match(
    stderr,
    /^Step "again": 3 of 3 deadlines cannot be met\. The latest: it ends 1\.\d s late, .*\n$/,
  )
  const [late, ...others] = JSON.parse(stdout).infeasibleDeadlines
  assert.deepEqual(others, [])
  assert.deepEqual([late.step, late.count, late.datedCount, late.neededMs], ['again', 3, 3, 4200])
  assert.ok(late.givenMs > 2000 && late.givenMs <= 3000, `${late.givenMs} ms are given`)
  const second = plimsoll(folder, 'run', 'pipeline.yaml', '--json')
  assert.equal(second.stderr, '', 'what has ended is late no more')
})

test('run says nothing of deadlines that can be met', () => {
  const { stderr, stdout } = plimsoll(
    project({ models, steps: steps('1h') }),
    'run',
    'pipeline.yaml',
    '--json',
  )
  assert.equal(stderr, '')
  assert.deepEqual(JSON.parse(stdout).infeasibleDeadlines, [])
})

test('plan says for each card which deadlines cannot be met, and how many will be missed', () => {
  const folder = project({ models, steps: steps('3s') })
  const { stdout } = plimsoll(folder, 'plan', 'pipeline.yaml', '--compare', '1GB,2x1GB')
  assert.match(stdout, /too late\n/)
  assert.equal(
    stdout.match(/^On (1GB|2x1GB): Step "again": 3 of 3 deadlines cannot be met/gm)?.length,
    2,
    stdout,
  )
  const answer = JSON.parse(plimsoll(folder, 'plan', 'pipeline.yaml', '--json').stdout)
  assert.deepEqual(answer.forecasts[0].infeasibleDeadlines, [
    { step: 'again', count: 3, datedCount: 3, givenMs: 3000, neededMs: 4200, loadedMs: 200 },
  ])
  assert.deepEqual(answer.forecasts[0].deadlines, { met: 0, missed: 3 })
})

test('deadlines count by the clock of the run, which begins no earlier than the latest moment in its store', async () => {
  const folder = project({ models, steps: steps('3s') })
  mkdirSync(join(folder, '.plimsoll'))
  const store = await openSqliteStore({ file: join(folder, '.plimsoll/small.db') })
  const hourMs = 3_600_000
  const aheadMs = Date.now() + hourMs // a wall clock that was set back since
  await store.submit([newItem({ id: 'before', modelId: 'echo' })], aheadMs)
  await store.close()
  const { status, stdout, stderr } = plimsoll(folder, 'run', 'pipeline.yaml', '--json')
  assert.equal(status, 0, stderr)
  const [late] = JSON.parse(stdout).infeasibleDeadlines
  assert.ok(late.givenMs > 2000 && late.givenMs <= 3000, `${late.givenMs} ms are given`)
  const items = JSON.parse(plimsoll(folder, 'items', '--step', 'again', '--json').stdout)
  for (const { submittedAtMs, deadlineAtMs } of items) {
    assert.ok(submittedAtMs >= aheadMs)
    assert.ok(deadlineAtMs - submittedAtMs <= 3000 && deadlineAtMs > aheadMs)
  }
})
