// A pipeline that a program runs, with nothing but the public API.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { definePipeline, gatherReport, gatherResults, type Pipeline, startRun } from '../src/index.ts'
import { temporaryFolder } from './support/folder.ts'
import { echo, held } from './support/project.ts'

function pipelineOf(worker: string): Pipeline {
  const folder = temporaryFolder('embed')
  mkdirSync(join(folder, 'texts'))
  for (const text of ['one', 'two', 'three']) writeFileSync(join(folder, 'texts', `${text}.txt`), text)
  writeFileSync(join(folder, 'echo.js'), worker)
  return definePipeline(
    {
      name: 'small',
      gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
      models: { echo: { module: 'echo.js', vram: '100MB', batch: { max: 1 } } },
      sources: { texts: { files: 'texts/*.txt' } },
      steps: { main: { source: 'texts', model: 'echo', input: { name: '${source.name}' } } },
      report: [{ title: 'All', each: 'texts', columns: { name: '${main.name}' } }],
    },
    { folder },
  )
}

test('a run ends by itself, its results are there, and a second one has nothing to do', async () => {
  const pipeline = pipelineOf(echo)
  const run = await startRun({ pipeline })
  assert.equal(run.addedCount, 3)
  await run.finished
  const { items } = await run.store.list({})
  assert.deepEqual(
    gatherResults(pipeline, items).map(({ steps }) => steps.main),
    [{ name: 'one.txt' }, { name: 'three.txt' }, { name: 'two.txt' }],
  )
  assert.deepEqual(gatherReport(pipeline, items), [
    { title: 'All', columns: ['name'], rows: [['one.txt'], ['three.txt'], ['two.txt']] },
  ])
  assert.deepEqual(await run.close(), [])
  const again = await startRun({ pipeline })
  await again.finished
  assert.equal(again.addedCount, 0)
  assert.deepEqual(await again.close(), [])
})

test('a run that is drained ends after its batch; items can be cancelled and made new; the next run goes on', async () => {
  const pipeline = pipelineOf(held)
  const run = await startRun({ pipeline })
  const [first, second] = (await run.store.list({})).items
  assert.deepEqual(await run.cancel([second!.id]), { cancelledCount: 1 })
  await assert.rejects(run.cancel(['none']), { code: 'UNKNOWN_ITEM' })
  await leased()
  run.drain()
  writeFileSync(join(pipeline.folder, 'go'), '')
  await run.finished
  const states = (await run.store.list({})).items.map(({ state }) => state)
  assert.deepEqual(states, ['done', 'cancelled', 'ready'])
  assert.deepEqual(await run.retry([second!.id]), { retriedCount: 1 })
  assert.deepEqual(await run.close(), [])
  const rest = await startRun({ pipeline })
  await rest.finished
  assert.deepEqual(
    (await rest.store.list({})).items.map(({ state }) => state),
    ['done', 'done', 'done'],
  )
  assert.deepEqual(await rest.close(), [])

  /** Until the first item runs; the run ends with an error otherwise. */
  async function leased(): Promise<void> {
    for (let state = first!.state; state !== 'leased'; state = (await run.store.get(first!.id))!.state)
      await new Promise((resolve) => setImmediate(resolve))
  }
})
