// From stored items back to what people asked for: the report's tables, and the results as JSON lines.
import { realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import type { StoredItem } from '../stores/store.ts'
import type { Pipeline, Report } from './pipeline.ts'

export interface ReportTable {
  title: string
  columns: string[]
  rows: string[][]
}

/** One record of a source, or the whole run (source null), with what each step made of it. */
interface Result {
  source: string | null
  sourceId: string | null
  record: unknown
  steps: Record<string, unknown>
  failed?: Record<string, string>
}

/** Tables in the order of the file. A cell whose expression fails shows `?`. */
export function gatherReport(pipeline: Pipeline, items: readonly StoredItem[]): ReportTable[] {
  const results = gatherResults(pipeline, items)
  return pipeline.report.map((report) => {
    const rows = scopesOf(pipeline, report, results).map((scope) =>
      report.columns.map(({ text }) => show(() => text.evaluate(scope))),
    )
    return { title: report.title, columns: report.columns.map(({ title }) => title), rows }
  })
}

function scopesOf(
  pipeline: Pipeline,
  { each, rows }: Report,
  results: readonly Result[],
): Record<string, unknown>[] {
  const names = (source: string | null) =>
    [...pipeline.steps.values()]
      .filter((step) => step.source === source)
      .map(({ name }) => [name, null] as const)
  if (each !== null) {
    const empty = Object.fromEntries(names(each))
    return results
      .filter(({ source }) => source === each)
      .map(({ record, steps }) => ({ ...empty, ...steps, source: record }))
  }
  const lists: Record<string, unknown> = {}
  for (const step of pipeline.steps.values()) {
    const made = results.filter(({ source }) => source === step.source)
    lists[step.name] =
      step.source === null
        ? (made[0]?.steps[step.name] ?? null)
        : made.map(({ record, steps }) => ({ source: record, output: steps[step.name] ?? null }))
  }
  try {
    const list = rows!.evaluate(lists)
    return Array.isArray(list) ? list.map((row) => ({ ...lists, row })) : []
  } catch {
    return [] // the step that makes the list has not ended well; it is among the failed
  }
}

function show(evaluate: () => unknown): string {
  try {
    const value = evaluate()
    if (value === null || value === undefined) return ''
    return typeof value === 'string' ? value : JSON.stringify(value)
  } catch {
    return '?'
  }
}

/** In the order of the sources and their records; what was gathered over the run comes last. */
export function gatherResults(pipeline: Pipeline, items: readonly StoredItem[]): Result[] {
  const results = new Map<string, Result>()
  for (const item of items) {
    const step = item.step === null ? undefined : pipeline.steps.get(item.step)
    if (!step) continue
    const key = `${step.source} ${step.source === null ? '' : item.sourceId} ${JSON.stringify(item.source)}`
    const result = results.get(key) ?? {
      source: step.source,
      sourceId: step.source === null ? null : item.sourceId,
      record: item.source,
      steps: {},
    }
    results.set(key, result)
    if (item.state === 'done') result.steps[step.name] = item.output
    else if (item.state === 'skipped') result.steps[step.name] = null
    else if (item.error) result.failed = { ...result.failed, [step.name]: item.error.message }
  }
  return [...results.values()].sort((a, b) => Number(a.source === null) - Number(b.source === null))
}

/** The whole file or none: it is written beside and renamed. A link stays one, and what is no file, such as a
 * pipe, is written to. */
export function writeResults(file: string, pipeline: Pipeline, items: readonly StoredItem[]): void {
  const lines = gatherResults(pipeline, items).map((result) => `${JSON.stringify(result)}\n`)
  const kind = statSync(file, { throwIfNoEntry: false })
  const isFile = kind?.isFile() ?? true
  const target = kind ? realpathSync(file) : file
  const written = isFile ? `${target}.tmp` : file
  writeFileSync(written, lines.join(''))
  if (isFile) renameSync(written, target)
}
