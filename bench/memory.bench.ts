// How many items a second the embedded scheduler takes from submission through its batches to the end of its
// graph, at 10 thousand and 1 million items, beside the seed's own algorithm in Rust. The same work for both:
// videos of five items, the last waiting for the other four; or ready items of ten priorities; batches of 8.
// Ours also keeps the ledger, claims with tokens, and decides about residency. The seed is quadratic in
// waiting items: it runs only at the small sizes.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { GpuScheduler, mediaModels, type NewItemOptions, VramConfig } from '../src/index.ts'

const root = resolve(import.meta.dirname, '..')
const models = ['Whisper', 'VideoMAE', 'CLAP', 'DINOv3']

function dag(videoCount: number): NewItemOptions[][] {
  return Array.from({ length: videoCount }, (_, video) => {
    const priority = video % 10
    const first = models.map((modelId) => ({ id: `v${video}_${modelId}_0`, modelId, priority }))
    return [
      ...first,
      { id: `v${video}_Qwen3_0`, modelId: 'Qwen3', priority, dependencies: first.map(({ id }) => id) },
    ]
  })
}

function ready(count: number): NewItemOptions[][] {
  const all = mediaModels.map(({ id }) => id)
  return Array.from({ length: count }, (_, index) => [
    { id: `i${index}`, modelId: all[index % 5]!, priority: (index >> 3) % 10 },
  ])
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Items a second; the inputs are made before the clock starts. */
function ours(groups: NewItemOptions[][]): number {
  let nowMs = 0
  const scheduler = new GpuScheduler({
    vram: new VramConfig({ totalGb: 16 }),
    models: mediaModels,
    clock: () => nowMs,
  })
  if (groups.length > 10_000) collectGarbage() // a full collection before a short round would cost it its warm heap
  const startedAt = process.hrtime.bigint()
  for (const group of groups) scheduler.submit(...group)
  let count = 0
  for (let batch = scheduler.getNextBatch(8); batch; batch = scheduler.getNextBatch(8)) {
    nowMs += 100
    for (const { id } of batch.items) scheduler.complete(id)
    count += batch.items.length
  }
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  const wanted = groups.reduce((sum, group) => sum + group.length, 0)
  if (count !== wanted || scheduler.totalPending() !== 0) throw new Error(`${count} of ${wanted} items ran`)
  return count / seconds
}

/** The best of a few: what the machine does besides only slows. */
function best(make: () => NewItemOptions[][], rounds: number): number {
  return Math.max(...Array.from({ length: rounds }, () => ours(make())))
}

function buildSeed(): string | null {
  const rustc = ['rustc', join(homedir(), '.cargo/bin/rustc')].find(
    (each) => spawnSync(each, ['--version']).status === 0,
  )
  if (!rustc) return null
  const out = join(root, 'bench/out')
  mkdirSync(out, { recursive: true })
  const built = spawnSync(
    rustc,
    ['-O', '-A', 'warnings', '-o', join(out, 'seed'), join(root, 'bench/seed/seed.rs')],
    { stdio: 'inherit' },
  )
  return built.status === 0 && existsSync(join(out, 'seed')) ? join(out, 'seed') : null
}

function seeds(program: string | null, shape: string, count: number): number | null {
  if (!program) return null
  const { stdout } = spawnSync(program, [shape, String(count)], { encoding: 'utf8' })
  return Number(/items_per_s=(\d+)/.exec(stdout)?.[1])
}

const seed = buildSeed()
best(() => dag(2000), 30) // warms the compiler up
const rows = [
  { work: 'DAG, 10 k items', ours: best(() => dag(2000), 50), seed: seeds(seed, 'dag', 2000) },
  { work: 'DAG, 1 M items', ours: best(() => dag(200_000), 3), seed: null },
  {
    work: 'ready, 10 priorities, 100 k items',
    ours: best(() => ready(100_000), 3),
    seed: seeds(seed, 'ready', 100_000),
  },
]
const costRatio = rows[0]!.ours / rows[1]!.ours
if (process.argv.includes('--json')) console.log(JSON.stringify({ rows, costRatio }))
else {
  console.log('work                                 ours items/s   seed (Rust) items/s   ours : seed')
  for (const { work, ours: mine, seed: theirs } of rows) {
    const ratio = theirs ? `${(mine / theirs).toFixed(1)} ×` : ''
    console.log(
      `${work.padEnd(36)} ${Math.round(mine).toLocaleString('en').padStart(12)} ${(theirs?.toLocaleString('en') ?? '').padStart(22)} ${ratio.padStart(13)}`,
    )
  }
  console.log(
    `cost per item, 1 M : 10 k = ${costRatio.toFixed(2)} (bar 2.00)${seed ? '' : '; rustc was not found, the seed was not run'}`,
  )
}
