// The study behind docs/policy.md: two settings of our policy, side by side, over other seeds of the lab's
// generators (docs/policy.md has their rules; the chance is ours). For whoever changes a rule: one workload
// with one seed moves by 5 % either way, so look at the mean of many.
//
//   node bench/study.ts [SEEDS [PATTERN]] [key=value …] [-- key=value …]
// What stands left of -- is for both settings, right of it for the second.
import { join } from 'node:path'
import { renderTable } from '../src/cli/table.ts'
import { type Model, runMs } from '../src/core/model.ts'
import { type Policy, parsePolicy } from '../src/core/policy.ts'
import { readWorkload } from '../src/forecast/workload-folder.ts'
import { createRandom, type Random } from '../src/sim/random.ts'
import type { SimulationResult } from '../src/sim/report.ts'
import { simulate } from '../src/sim/simulate.ts'
import type { Workload, WorkloadItem } from '../src/sim/workload.ts'
import { cards, rotation, videoModels, videosAtOnce, workItem } from '../test/policy/workloads.ts'
import { sharedFolder } from './report.ts'

interface Case {
  name: string
  gpusGb: number[]
  slots?: number
  make(seed: number): Workload
}

const modelsOf = (folder: string) => readWorkload(join(sharedFolder, 'workloads', folder)).models

function itemMs(model: Model): number {
  return runMs(model, model.batch.max) / model.batch.max
}

function gap(random: Random, meanMs: number): number {
  return -Math.log(1 - random()) * meanMs
}

/** One video; every second one's qwen3 waits for whisper alone. */
function video(number: number, atMs: number, priority: number, fanOut = 1): WorkloadItem[] {
  const job = `v${number}`
  const item = (model: string, copy = 0, after: string[] = []) =>
    workItem(`${job}-${model}-${copy}`, model, Math.round(atMs), { job, priority, after })
  const copies = (model: string) => Array.from({ length: fanOut }, (_, copy) => item(model, copy))
  const first = [item('whisper'), ...copies('videomae'), item('clap'), ...copies('dinov3')]
  return [...first, item('qwen3', 0, number % 2 === 0 ? first.map(({ id }) => id) : [first[0]!.id])]
}

const videoMs = videoModels.reduce((sum, model) => sum + itemMs(model), 0)

/** W2: a stream of videos; `load` is compute over slots. With `fanOut`, up to so many videomae and dinov3
 * items. */
function stream(seed: number, load: number, slots: number, fanOut = 1): Workload {
  const random = createRandom(seed)
  const more = ((fanOut - 1) / 2) * (itemMs(videoModels[1]!) + itemMs(videoModels[4]!))
  let atMs = 0
  const items = Array.from({ length: fanOut > 1 ? 500 : 1500 }, (_, number) => {
    atMs += gap(random, (videoMs + more) / load / slots)
    return video(number, atMs, 5, 1 + Math.floor(random() * fanOut))
  })
  return { models: videoModels, items: items.flat() }
}

/** W3: bursts of 20 to 60 videos, and a share of interactive items at any time. */
function bursts(seed: number, interactiveRatio: number): Workload {
  const random = createRandom(seed)
  const items: WorkloadItem[] = []
  let atMs = 0
  for (let number = 0; number < 1500; ) {
    atMs += gap(random, (40 * videoMs) / 0.6)
    for (let left = 20 + Math.floor(random() * 41); left > 0; left--)
      items.push(...video(number++, atMs, 2 + Math.floor(random() * 4)))
  }
  const count = Math.round(items.length * interactiveRatio)
  for (let index = 0; index < count; index++) {
    const model = random() < 0.5 ? 'whisper' : 'qwen3'
    items.push(workItem(`i${index}`, model, Math.round(random() * atMs), { priority: 10 }))
  }
  return { models: videoModels, items }
}

/** W4, W7: single items of models by weight. */
function singles(
  seed: number,
  models: readonly Model[],
  weights: number[],
  load: number,
  slots = 1,
): Workload {
  const random = createRandom(seed)
  const total = weights.reduce((sum, each) => sum + each, 0)
  const meanMs = models.reduce((sum, model, index) => sum + (itemMs(model) * weights[index]!) / total, 0)
  let atMs = 0
  const items = Array.from({ length: 5000 }, (_, number) => {
    atMs += gap(random, meanMs / load / slots)
    let left = random() * total
    let index = 0
    while (index < weights.length - 1 && left > weights[index]!) left -= weights[index++]!
    return workItem(`${number}`, models[index]!.id, Math.round(atMs))
  })
  return { models, items }
}

/** W6: jobs of five stages, one after the other. */
function chains(seed: number, gapS: number): Workload {
  const random = createRandom(seed)
  let atMs = 0
  const items = Array.from({ length: 300 }, (_, job) => {
    atMs += gap(random, 5000 * gapS)
    return Array.from({ length: 5 }, (_, stage) =>
      workItem(`${job}-${stage}`, `c${stage}`, Math.round(atMs), {
        job: `${job}`,
        after: stage > 0 ? [`${job}-${stage - 1}`] : [],
      }),
    )
  })
  return { models: rotation().models, items: items.flat() }
}

function cases(): Case[] {
  const w4 = modelsOf('W4-16GB-rho-0.6')
  const w7 = modelsOf('W7-16GB-rho-0.7')
  const zipf = w4.map((_, index) => 1 / (index + 1))
  const list: [string, number[], (seed: number) => Workload, number?][] = [
    ...[3, 10, 40, 500].map((count): [string, number[], () => Workload] => [
      `W1 8 GB, ${count}`,
      [7.2],
      () => videosAtOnce(count),
    ]),
    ...[9, 10.8, 14.4].map((gb): [string, number[], () => Workload] => [
      `W1 ${gb / 0.9} GB, 10`,
      [gb],
      () => videosAtOnce(10),
    ]),
    ['W1 2x8 GB, 10', [7.2, 7.2], () => videosAtOnce(10)],
    ['W2 8 GB 0.7', [7.2], (seed) => stream(seed, 0.7, 1)],
    ...[7.2, 9, 10.8, 14.4].map((gb): [string, number[], (seed: number) => Workload] => [
      `W2 ${gb / 0.9} GB 0.9`,
      [gb],
      (seed) => stream(seed, 0.9, 1),
    ]),
    ['W2 2x8 GB 0.7', [7.2, 7.2], (seed) => stream(seed, 0.7, 2)],
    ['W2 2x8 GB 0.9', [7.2, 7.2], (seed) => stream(seed, 0.9, 2)],
    ['W2 4x8 GB 0.9', [7.2, 7.2, 7.2, 7.2], (seed) => stream(seed, 0.9, 4)],
    ['W2 2x16 GB 0.9', [14.4, 14.4], (seed) => stream(seed, 0.9, 2)],
    ['W2 8 GB fan-out', [7.2], (seed) => stream(seed, 0.8, 1, 20)],
    ['W2 2x8 GB fan-out', [7.2, 7.2], (seed) => stream(seed, 0.8, 2, 20)],
    ['W2 8 GB 2 slots', [7.2], (seed) => stream(seed, 0.8, 2), 2],
    ['W3 8 GB', [7.2], (seed) => bursts(seed, 0.01)],
    ['W3 16 GB', [14.4], (seed) => bursts(seed, 0.01)],
    ['W3 8 GB, 10 % interactive', [7.2], (seed) => bursts(seed, 0.1)],
    ...[0.3, 0.6, 0.8].map((load): [string, number[], (seed: number) => Workload] => [
      `W4 ${load}`,
      [14.4],
      (seed) => singles(seed, w4, zipf, load),
    ]),
    ['W4 2x16 GB 0.7', [14.4, 14.4], (seed) => singles(seed, w4, zipf, 0.7, 2)],
    ['W6 chains, gap 1', [14.4], (seed) => chains(seed, 1)],
    ['W6 chains, gap 2', [14.4], (seed) => chains(seed, 2)],
    ['W6 rotation', [14.4], () => rotation()],
    ...[0.4, 0.7].map((load): [string, number[], (seed: number) => Workload] => [
      `W7 ${load}`,
      [14.4],
      (seed) =>
        singles(
          seed,
          w7,
          w7.map(() => 1),
          load,
        ),
    ]),
  ]
  return list.map(([name, gpusGb, make, slots = 1]) => ({ name, gpusGb, make, slots }))
}

/** Mean over the seeds of the p99 wait of items of priority 10, s. */
function interactiveS(runs: readonly SimulationResult[]): string {
  const p99s = runs.flatMap(({ waitByPriority }) => (waitByPriority['10'] ? [waitByPriority['10'].p99] : []))
  return p99s.length === 0 ? '' : (p99s.reduce((sum, each) => sum + each, 0) / p99s.length / 1000).toFixed(1)
}

function settingsOf(words: string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => word.split('=') as [string, string]))
}

function main(): void {
  const words = process.argv.slice(2)
  const settings = words.filter((word) => word.includes('=') || word === '--')
  const [seeds = '3', pattern = '.'] = words.filter((word) => !settings.includes(word))
  const cut = settings.indexOf('--')
  const common = settingsOf(cut < 0 ? settings : settings.slice(0, cut))
  const policies: Policy[] = [parsePolicy(common)]
  if (cut >= 0) policies.push(parsePolicy({ ...common, ...settingsOf(settings.slice(cut + 1)) }))
  let logSum = 0
  const chosen = cases().filter(({ name }) => new RegExp(pattern).test(name))
  const rows = chosen.map(({ name, gpusGb, slots, make }) => {
    const devices = cards(...gpusGb).map((each) => ({ ...each, slots }))
    const runs = Array.from({ length: Number(seeds) }, (_, index) => make(1100 + 100 * index))
    const results = policies.map((policy) => runs.map((workload) => simulate({ workload, devices, policy })))
    const meanLog = (at: number) =>
      results[at]!.reduce((sum, each) => sum + Math.log(each.turnaroundMs.mean), 0) / runs.length
    const ratio = policies.length > 1 ? Math.exp(meanLog(1) - meanLog(0)) : 1
    logSum += Math.log(ratio)
    const cells = results.flatMap((each) => [
      (
        Math.exp(each.reduce((sum, { turnaroundMs }) => sum + Math.log(turnaroundMs.mean), 0) / runs.length) /
        1000
      ).toFixed(2),
      (each.reduce((sum, { loads }) => sum + loads, 0) / runs.length).toFixed(0),
      (Math.max(...each.map(({ waitMs }) => waitMs.max)) / 1000).toFixed(0),
      interactiveS(each),
    ])
    return [name, ...cells, ...(policies.length > 1 ? [ratio.toFixed(3)] : [])]
  })
  const columns = [
    'workload',
    ...policies.flatMap(() => ['turnaround s', 'loads', 'max wait s', 'interactive p99 s']),
    ...(policies.length > 1 ? ['ratio'] : []),
  ]
  console.log(renderTable({ columns, rows }, { width: 160 }))
  if (policies.length > 1)
    console.log(`geometric mean of the ratios: ${Math.exp(logSum / chosen.length).toFixed(4)}`)
}

main()
