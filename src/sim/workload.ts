// A workload: models and the items that arrive for them, from the texts of
// `models.json` and `items.jsonl`. All faults are collected and reported together, each
// with its file and line, so that a file is repaired in one go.
//
//   models.json   [{ "name", "vram", "loadMs", "unloadMs"?: 0, "batch": { "overheadMs",
//                 "perItemMs", "exponent"?: 1, "max", "activation"? } }]
//   items.jsonl   { "id", "model", "atMs", "after"?: [ids], "job"?, "priority"?: 0,
//                 "deadlineMs"?, "costMs"?, "tenant"? }
import { SchedulerError } from '../core/errors.ts'
import { defineModel, type Model, type ModelOptions } from '../core/model.ts'

export interface Workload {
  readonly models: readonly Model[]
  /** In the order of the file. */
  readonly items: readonly WorkloadItem[]
}

export interface WorkloadItem {
  readonly id: string
  readonly model: string
  /** When it arrives, ms from the start of the workload. */
  readonly atMs: number
  readonly after: readonly string[]
  /** Items of one job are one thing to its caller. Default: the item's id. */
  readonly job: string
  readonly priority: number
  readonly deadlineMs: number | null
  /** Its share of a batch's run time, ms; null: as the model's profile says. */
  readonly costMs: number | null
  readonly tenant: string | null
}

/** Faults shown at once; a file with a wrong column has one on each line. */
const shownFaults = 20

/** Throws BAD_VALUE with every fault. `lines` are those of items.jsonl; empty ones are skipped. */
export function parseWorkload(modelsText: string, lines: Iterable<string>): Workload {
  const faults: string[] = []
  const models = parseModels(modelsText, faults)
  const items = parseItems(lines, new Set(models.map(({ id }) => id)), faults)
  checkDependencies(items, faults)
  if (items.length === 0 && faults.length === 0) faults.push('items.jsonl has no items; write one a line.')
  if (faults.length > 0) {
    const more = faults.length > shownFaults ? [`… and ${faults.length - shownFaults} more.`] : []
    const text = [...faults.slice(0, shownFaults), ...more].join('\n')
    throw new SchedulerError('BAD_VALUE', text, { faultCount: faults.length })
  }
  return { models, items }
}

function parseModels(text: string, faults: string[]): Model[] {
  let rows: unknown
  try {
    rows = JSON.parse(text)
  } catch (error) {
    faults.push(`models.json is not JSON: ${(error as Error).message}.`)
    return []
  }
  if (!Array.isArray(rows)) {
    faults.push('models.json must be a list: [{ "name": "whisper", "vram": "4.5GB", "loadMs": 5000, … }].')
    return []
  }
  const models: Model[] = []
  for (const [index, row] of rows.entries()) {
    const { name, unloadMs = 0, ...rest } = (row ?? {}) as Omit<ModelOptions, 'id'> & { name?: unknown }
    if (typeof name !== 'string' || name === '') {
      faults.push(`models.json[${index}] has no name.`)
    } else if (models.some(({ id }) => id === name)) {
      faults.push(`models.json[${index}]: a second model is called "${name}".`)
    } else if (rest.vram === undefined) {
      faults.push(`models.json[${index}] ("${name}") has no vram; write "vram": "4.5GB".`)
    } else {
      try {
        models.push(withLanes(defineModel({ ...rest, unloadMs, id: name }), rest.concurrency))
      } catch (error) {
        faults.push(`models.json[${index}]: ${(error as Error).message}`)
      }
    }
  }
  return models
}

/** A model runs in as many of a device's compute lanes as there are: that is the physics of a workload. */
function withLanes(model: Model, concurrency: number | undefined): Model {
  return model.vramBytes > 0 && concurrency === undefined ? { ...model, concurrency: 1024 } : model
}

function parseItems(lines: Iterable<string>, known: ReadonlySet<string>, faults: string[]): WorkloadItem[] {
  const items: WorkloadItem[] = []
  const ids = new Set<string>()
  let number = 0
  for (const line of lines) {
    number++
    if (line.trim() === '') continue
    const fault = (text: string) => faults.push(`items.jsonl:${number}: ${text}`)
    let row: Partial<WorkloadItem>
    try {
      row = JSON.parse(line)
    } catch {
      fault(`not JSON: ${line.slice(0, 60)}`)
      continue
    }
    const wrong = faultOf(row, known)
    if (wrong !== null) fault(wrong)
    else if (ids.has(row.id!)) fault(`a second item has the id "${row.id}".`)
    else {
      ids.add(row.id!)
      items.push(toItem(row))
    }
  }
  return items
}

function faultOf(row: Partial<WorkloadItem> | null, known: ReadonlySet<string>): string | null {
  if (typeof row !== 'object' || row === null) return 'an item is an object: { "id", "model", "atMs" }.'
  const { id, model, atMs, after, priority, deadlineMs, costMs } = row
  if (typeof id !== 'string' || id === '') return 'no id; every item needs one, as text.'
  if (typeof model !== 'string' || !known.has(model))
    return `"${id}" is for model ${JSON.stringify(model)}; models.json has ${[...known].slice(0, 10).join(', ') || 'none'}.`
  if (!isTime(atMs)) return `"${id}" has atMs ${JSON.stringify(atMs)}; it must be milliseconds from 0.`
  if (after !== undefined && !(Array.isArray(after) && after.every((each) => typeof each === 'string')))
    return `"${id}" has after ${JSON.stringify(after)}; it must be a list of ids.`
  if (
    priority !== undefined &&
    !(Number.isInteger(priority) && (priority as number) >= -100 && (priority as number) <= 100)
  )
    return `"${id}" has priority ${JSON.stringify(priority)}; it must be a whole number from -100 to 100.`
  if (deadlineMs !== undefined && deadlineMs !== null && !isTime(deadlineMs))
    return `"${id}" has deadlineMs ${JSON.stringify(deadlineMs)}; it must be a moment in milliseconds.`
  if (costMs !== undefined && costMs !== null && !isTime(costMs))
    return `"${id}" has costMs ${JSON.stringify(costMs)}; it must be milliseconds from 0.`
  return null
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function toItem(row: Partial<WorkloadItem>): WorkloadItem {
  return {
    id: row.id!,
    model: row.model!,
    atMs: row.atMs!,
    after: row.after ?? [],
    job: row.job === undefined || row.job === null ? row.id! : String(row.job),
    priority: row.priority ?? 0,
    deadlineMs: row.deadlineMs ?? null,
    costMs: row.costMs ?? null,
    tenant: row.tenant ?? null,
  }
}

function checkDependencies(items: readonly WorkloadItem[], faults: string[]): void {
  const ids = new Set(items.map(({ id }) => id))
  for (const { id, after } of items) {
    for (const each of after) {
      if (!ids.has(each)) faults.push(`items.jsonl: "${id}" waits for "${each}", and there is no such item.`)
    }
  }
}
