// From stored items back to what people asked for: the report's tables, and the results as JSON lines.
import { realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import type { StoredItem } from '../stores/store.ts'
import type { Pipeline, Report } from './pipeline.ts'

/**
 * A table of a pipeline's report, with its cells as text.
 *
 * @beta
 * @example
 * ```ts
 * const table: ReportTable = { title: 'All', columns: ['name'], rows: [['one.txt'], ['two.txt']] }
 * ```
 */
export interface ReportTable {
  /** Heading of the table. */
  title: string
  /** Headings of its columns. */
  columns: string[]
  /** For each row its cells, in the order of the columns. */
  rows: string[][]
}

/**
 * One record of a source, or the whole run, with what each step made of it.
 *
 * @beta
 * @example
 * ```ts
 * const names = { source: 'words', sourceId: 'words-1' }
 * const result: Result = { ...names, record: { text: 'hello' }, steps: { shout: 'HELLO' } }
 * ```
 */
export interface Result {
  /** The name of the source; null: the whole run. */
  source: string | null
  /** Names the record; null: the whole run. */
  sourceId: string | null
  /** As the source gave it. */
  record: unknown
  /** Output by step; null: the step was skipped. */
  steps: Record<string, unknown>
  /** Message by step, where some failed; else left out. */
  failed?: Record<string, string>
}

/**
 * The tables of a pipeline's report, in the order of the file. A cell whose expression fails shows `?`.
 * Never throws.
 *
 * @param pipeline - the pipeline
 * @param items - all items of its store
 * @beta
 * @example
 * ```ts
 * const pipeline = definePipeline({
 *   name: 'gather',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
 *   sources: { words: { list: [{ text: 'hello' }] } },
 *   steps: { shout: { source: 'words', model: 'loud', input: '${source.text}' } },
 *   report: [{ title: 'All', each: 'words', columns: { shouted: '${shout}' } }],
 * })
 * gatherReport(pipeline, []) // => [{ title: 'All', columns: ['shouted'], rows: [] }]
 * ```
 */
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
        ? outputOf(made[0], step.name)
        : made.map((result) => ({ source: result.record, output: outputOf(result, step.name) }))
  }
  try {
    const list = rows!.evaluate(lists)
    return Array.isArray(list) ? list.map((row) => ({ ...lists, row })) : []
  } catch {
    return [] // the step that makes the list has not ended well; it is among the failed
  }
}

/** null: there is none. */
function outputOf(result: Result | undefined, step: string): unknown {
  return result && Object.hasOwn(result.steps, step) ? (result.steps[step] ?? null) : null
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

/**
 * What came of each record, in the order of the sources and their records; what was gathered over the run
 * comes last. Never throws.
 *
 * @param pipeline - the pipeline
 * @param items - all items of its store
 * @beta
 * @example
 * ```ts
 * const pipeline = definePipeline({
 *   name: 'gather',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
 *   sources: { words: { list: [{ text: 'hello' }] } },
 *   steps: { shout: { source: 'words', model: 'loud', input: '${source.text}' } },
 * })
 * gatherResults(pipeline, []) // => []
 * ```
 */
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
