// What `run` paints, of a real run in this process whose worker is held: counts, what the device holds, and the time left.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { held, project } from '../../test/support/project.ts'
import { startRun } from '../daemon/run.ts'
import { readPipeline } from '../pipelines/pipeline.ts'
import { databaseOf, runFiles } from '../record/files.ts'
import { RunProgress } from './run-progress.ts'

const models =
  '  first: { module: echo.js, vram: 600MB, loadTime: 2s, batch: { max: 1, overhead: 0ms, perItem: 10s } }\n'
const steps = `  main: { source: texts, model: first, input: { name: "\${source.name}" } }
  next: { source: texts, model: first, when: "\${source.name == 'two.txt'}", input: "\${main}" }
`

test('shows what has ended, what is held, and how long the rest takes by a simulation of it', async () => {
  const folder = project({ models, steps })
  const go = join(folder, 'go')
  writeFileSync(join(folder, 'echo.js'), held.replace("'go'", JSON.stringify(go)))
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
    const nowMs = run.clock.nowMs()
    const progress = new RunProgress(run, pipeline)
    const { steps, devices, etaMs, elapsedMs } = await progress.at(nowMs)
    const counts = steps.map(({ name, done, total }) => [name, done, total])
    assert.deepEqual(counts.sort(), [
      ['main', 0, 3],
      ['next', 0, 3],
    ])
    assert.deepEqual(
      devices.map(({ id, budgetBytes, bookedBytes, instances }) => [id, budgetBytes, bookedBytes, instances]),
      [['ram', 900e6, 600e6, [{ modelId: 'first', bytes: 600e6, state: 'busy' }]]],
    )
    assert.equal(elapsedMs, nowMs - run.startedAtMs)
    assert.equal(etaMs, 6 * 10_000, 'no step has shown yet how much of it is skipped')
    assert.equal((await progress.at(nowMs + 1000)).etaMs, etaMs! - 1000, 'it counts down between forecasts')
    writeFileSync(go, '')
    await run.finished
    assert.equal((await progress.at(nowMs + 3_600_000)).etaMs, null, 'nothing is left')
  } finally {
    assert.deepEqual(await run.daemon.close(), [])
    await run.close()
  }
})
