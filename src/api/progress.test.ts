// What `run` paints, of a real run in this process whose worker is held: counts, what the device holds, and
// the time left.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { held, project } from '../../test/support/project.ts'
import { startRun } from '../daemon/run.ts'
import { readPipeline } from '../pipelines/pipeline.ts'
import { databaseOf, runFiles } from '../record/files.ts'
import { progressOf } from './progress.ts'
import { runningHost } from './running.ts'

const models =
  '  first: { module: echo.js, vram: 600MB, loadTime: 2s, batch: { max: 1, overhead: 0ms, perItem: 10s } }\n'
const steps = `  main: { source: texts, model: first, input: { name: "\${source.name}" } }
  next: { source: texts, model: first, when: "\${source.name == 'two.txt'}", input: "\${main}" }
`

test('shows what has ended, what is held, and how long the rest takes by a simulation of it', async () => {
  const folder = project({ models, steps, worker: held })
  const pipeline = readPipeline(join(folder, 'pipeline.yaml'))
  const files = runFiles(databaseOf(folder, pipeline.name))
  let running = () => {}
  const isRunning = new Promise<void>((resolve) => {
    running = resolve
  })
  const run = await startRun({
    pipeline,
    files,
    onEvent: (event) => event.type === 'batch-claimed' && running(),
  })
  try {
    await isRunning
    const host = runningHost(run)
    const { steps, devices, etaMs, elapsedMs } = await progressOf(host, run.startedAtMs)
    const counts = steps.map(({ name, done, total }) => [name, done, total])
    assert.deepEqual(counts.sort(), [
      ['main', 0, 3],
      ['next', 0, 3],
    ])
    assert.deepEqual(
      devices.map(({ id, budgetBytes, bookedBytes, instances }) => [id, budgetBytes, bookedBytes, instances]),
      [['ram', 900e6, 600e6, [{ modelId: 'first', bytes: 600e6, state: 'busy' }]]],
    )
    assert.ok(elapsedMs >= 0 && elapsedMs <= run.clock.nowMs() - run.startedAtMs)
    assert.ok(etaMs! > 5 * 10_000 && etaMs! <= 6 * 10_000, 'no step has shown yet how much of it is skipped')
    writeFileSync(join(folder, 'go'), '')
    await run.finished
    const after = await progressOf(runningHost(run), run.startedAtMs)
    assert.equal(after.etaMs, null, 'nothing is left')
    assert.deepEqual(
      after.steps.map(({ done, skipped }) => done + skipped),
      [3, 3],
    )
  } finally {
    assert.deepEqual(await run.daemon.close(), [])
    await run.close()
  }
})
