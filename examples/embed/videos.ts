// The origin's five models over 100 made-up videos, on a card of 8 GB that does not hold them all. Four look
// at a video; the fifth sums up what they found. Results are written as they come. Ctrl-C ends after the
// batch that runs, and the next start goes on from there.
//
//   node examples/embed/videos.ts [RESULTS [MILLISECONDS PER BATCH]]
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { GpuScheduler, VramConfig, WorkItem } from '../../src/index.ts' // in yours: 'plimsoll'

const [file = 'videos.jsonl', batchMs = '10'] = process.argv.slice(2)

// Your models go here. `run` gets the inputs of a batch, and what their dependencies have found.
type Look = { video: string; found: unknown[] }
const run: Record<string, (batch: Look[]) => string[]> = {
  Whisper: (batch) => batch.map(({ video }) => `what is said in ${video}`),
  VideoMAE: (batch) => batch.map(({ video }) => `what is done in ${video}`),
  CLAP: (batch) => batch.map(({ video }) => `what is heard in ${video}`),
  DINOv3: (batch) => batch.map(({ video }) => `what is seen in ${video}`),
  Qwen3: (batch) => batch.map(({ found }) => `a summary of ${found.join(', ')}`),
}
const load = (_model: string) => setTimeout(30)
const unload = (_model: string) => setTimeout(3)

// What an earlier start has done is there, under the same ids, and is not run again.
const scheduler = new GpuScheduler({ vram: new VramConfig({ totalGb: 8 }) })
const done = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
for (const { id, output } of done.map((line) => JSON.parse(line))) scheduler.resolveDependency(id, output)

const items = new Map<string, WorkItem>()
for (let index = 1; index <= 100; index++) {
  const make = (modelId: string, dependencies: WorkItem[] = []) => {
    const [id, sourceId] = [`v${index}_${modelId}`, `v${index}`]
    return new WorkItem({ id, sourceId, modelId, input: `v${index}.mp4`, dependencies })
  }
  const looks = ['Whisper', 'VideoMAE', 'CLAP', 'DINOv3'].map((modelId) => make(modelId))
  const graph = [...looks, make('Qwen3', looks)]
  scheduler.submit(...graph)
  for (const item of graph) items.set(item.id, item)
}
console.log(`${done.length} items were done before, ${scheduler.totalPending()} are left`)

let isStopping = false
process.once('SIGINT', () => {
  isStopping = true
})
for (let batch = scheduler.getNextBatch(); batch; batch = isStopping ? null : scheduler.getNextBatch()) {
  for (const model of batch.evictions) await unload(model)
  for (const model of batch.loads) {
    const startedAt = performance.now()
    await load(model)
    scheduler.markLoaded(model, performance.now() - startedAt)
  }
  if (batch.loads.length > 0) console.log(batch.why.join('\n'))
  const outputOf = ({ id }: { id: string }) => scheduler.get(id)!.output
  const found = (id: string) => items.get(id)!.dependencies.map(outputOf)
  const inputs = batch.items.map(({ id, input }) => ({ video: input as string, found: found(id) }))
  await setTimeout(Number(batchMs))
  for (const [index, output] of run[batch.modelId]!(inputs).entries()) {
    const { id } = batch.items[index]!
    appendFileSync(file, `${JSON.stringify({ id, output })}\n`)
    scheduler.complete(id, output) // or fail(id, error): it is tried again
  }
}

const { models, switchCount, pendingCount } = scheduler.status()
for (const { modelId, doneCount, batchCount, loadCount } of models)
  console.log(`${modelId}: ${doneCount} items in ${batchCount} batches, loaded ${loadCount} times`)
console.log(
  `${switchCount} switches; ${pendingCount} items are left${isStopping ? ': start again to go on' : ''}`,
)
if (isStopping) process.exitCode = 130
