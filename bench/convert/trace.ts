// What the trace converters share: rows of a packed CSV, the rule that gives each model a size and a load
// time (README of the arena27 trace), and the writing of a workload folder. The traces have licences of their
// own and stay out of the project; they are read from where they lie.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { ModelOptions } from '../../src/core/model.ts'
import { parseWorkload, type Workload, type WorkloadItem } from '../../src/sim/workload.ts'

export type TraceModel = Omit<ModelOptions, 'id'> & { name: string }
export type TraceItem = Pick<WorkloadItem, 'id' | 'model' | 'atMs'> & Partial<WorkloadItem>

/** Every batch takes 0.3 s more than its items; at most 16 items: both traces' README. */
export const traceBatch = { overheadMs: 300, max: 16 }

/** The rows of a `.csv.gz` without quotes, by the names in its first line. */
export function readRows(file: string): Record<string, string>[] {
  const [head, ...lines] = gunzipSync(readFileSync(file)).toString().trim().split('\n')
  const names = head!.split(',')
  return lines.map((line) =>
    Object.fromEntries(line.split(',').map((value, index) => [names[index]!, value])),
  )
}

/** Size 1 to 5 GB and load 4 to 10 s, drawn by the model's name so that two people get the same numbers. */
export function drawnModel(name: string, key: string, perItemMs: number): TraceModel {
  const sizeGb = round2(1 + 4 * uniform(`size:${key}`))
  const loadS = round2(4 + 6 * ((0.7 * (sizeGb - 1)) / 4 + 0.3 * uniform(`load:${key}`)))
  return {
    name,
    vram: Math.round(sizeGb * 1e9),
    loadMs: Math.round(loadS * 1000),
    unloadMs: 0,
    batch: { ...traceBatch, perItemMs },
  }
}

function uniform(text: string): number {
  return Number.parseInt(createHash('sha256').update(text).digest('hex').slice(0, 8), 16) / 2 ** 32
}

function round2(value: number): number {
  return Math.round(value * 100) / 100
}

/** Mean cost of each model's items, ms: the profile that a user would have measured. */
export function meanCosts(items: readonly TraceItem[]): Map<string, number> {
  const sums = new Map<string, [number, number]>()
  for (const { model, costMs } of items) {
    const [sum, count] = sums.get(model) ?? [0, 0]
    sums.set(model, [sum + costMs!, count + 1])
  }
  return new Map([...sums].map(([model, [sum, count]]) => [model, Math.round(sum / count)]))
}

export interface Trace {
  models: TraceModel[]
  items: TraceItem[]
}

export function toWorkload({ models, items }: Trace): Workload {
  return parseWorkload(
    JSON.stringify(models),
    items.map((item) => JSON.stringify(item)),
  )
}

/** Writes models.json and items.jsonl.gz. */
export function writeFolder(folder: string, { models, items }: Trace): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'models.json'), `${JSON.stringify(models, null, 1)}\n`)
  const lines = items.map((item) => `${JSON.stringify(item)}\n`).join('')
  writeFileSync(join(folder, 'items.jsonl.gz'), gzipSync(lines))
}
