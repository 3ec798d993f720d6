// A pipeline: read from YAML or given as an object, checked whole, and compiled. Every fault is listed at once, each with
// its line, what is wrong and what to do.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { SchedulerError } from '../core/errors.ts'
import { defineModel, type Model, type ModelId } from '../core/model.ts'
import { parseBytes, parseDuration } from '../core/units.ts'
import type { EdgePolicy } from '../core/work-item.ts'
import type { RunnerSpec } from '../runners/runner.ts'
import { compileTemplate, type Template } from './expressions.ts'
import { type Fault, findFaults } from './faults.ts'
import type { CheckedFile, PipelineFile } from './schema.ts'

export interface Pipeline {
  name: string
  /** Where its paths begin. */
  folder: string
  gpus: { id: string; kind: 'host' | 'static'; memoryBytes: number; safetyRatio: number }[]
  models: Model[]
  runnerSpecs: ReadonlyMap<ModelId, RunnerSpec>
  /** As written; core/policy.ts reads it. */
  policy: Record<string, unknown>
  sources: ReadonlyMap<string, SourceSpec>
  steps: ReadonlyMap<string, Step>
  report: Report[]
}

export type SourceSpec = CheckedFile['sources'][string]

export interface Step {
  name: string
  /** null: it gathers over the whole run. */
  source: string | null
  modelId: ModelId
  input: Template
  when: Template | null
  forEach: Template | null
  /** Step to what its failure means, in the order of the file. */
  needs: ReadonlyMap<string, EdgePolicy>
  priority: number
  maxAttempts: number
  timeoutMs: number | null
  /** What its results depend on, as text: for ids. */
  definition: string
}

export interface Report {
  title: string
  each: string | null
  rows: Template | null
  columns: { title: string; text: Template }[]
}

/** Throws BAD_PIPELINE with every fault and its line. */
export function readPipeline(file: string): Pipeline {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message
    throw new SchedulerError('BAD_PIPELINE', `The pipeline ${file} cannot be read: ${why}.`, { file }, error)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  if (document.errors.length > 0) {
    throw badPipeline(
      file,
      document.errors.map(({ message, pos }) => ({
        ...place(pos[0]),
        path: '',
        message: message.split(/ at line |\n/)[0]!,
      })),
    )
  }
  const locate = (path: readonly (string | number)[]) => place(offsetOf(document, path))
  return build(document.toJS(), dirname(resolve(file)), file, locate)
}

/** The same from an object. `folder` is where its paths begin. Throws BAD_PIPELINE. */
export function definePipeline(
  definition: PipelineFile,
  { folder = process.cwd() }: { folder?: string } = {},
): Pipeline {
  return build(definition, folder, 'the pipeline', () => null)
}

type Locate = (path: readonly (string | number)[]) => { line: number; column: number } | null

function build(value: unknown, folder: string, file: string, locate: Locate): Pipeline {
  const { data, faults } = findFaults(value, (path) => existsSync(resolve(folder, path)))
  if (faults.length > 0) {
    throw badPipeline(
      file,
      faults.map(({ path, message }) => ({ ...locate(path), path: path.join('.'), message })),
    )
  }
  return compilePipeline(data!, folder)
}

/** Where the value at a path stands; where it is missing, its nearest parent. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function badPipeline(
  file: string,
  faults: (Omit<Fault, 'path'> & { path: string; line?: number; column?: number })[],
): SchedulerError {
  const lines = faults.map(({ line, column, path, message }) => {
    const place = line === undefined ? file : `${file}:${line}:${column}`
    return `${place} ${path ? `${path}: ` : ''}${message}`
  })
  return new SchedulerError('BAD_PIPELINE', [...new Set(lines)].join('\n'), { faults })
}

function compilePipeline(checked: CheckedFile, folder: string): Pipeline {
  const { name, gpus, models, policy = {}, sources, steps, report = [] } = checked
  const entries = Object.entries(models)
  return {
    name,
    folder,
    gpus: gpus.map(({ name: id, kind, memory, safety }) => ({
      id,
      kind,
      memoryBytes: parseBytes(memory),
      safetyRatio: safety,
    })),
    models: entries.map(([id, model]) => compileModel(id, model)),
    runnerSpecs: new Map(entries.map(([id, model]) => [id, runnerSpec(id, model, folder)])),
    policy,
    sources: new Map(Object.entries(sources)),
    steps: new Map(
      Object.entries(steps).map(([stepName, step]) => [stepName, compileStep(stepName, step, checked)]),
    ),
    report: report.map(({ title, each, rows, columns }) => ({
      title,
      each: each ?? null,
      rows: rows === undefined ? null : compileTemplate(rows),
      columns: Object.entries(columns).map(([column, text]) => ({
        title: column,
        text: compileTemplate(text),
      })),
    })),
  }
}

function compileModel(
  id: string,
  { vram, loadTime, unloadTime, batch = {}, concurrency, exec }: CheckedFile['models'][string],
): Model {
  const ms = (value: string | number | undefined) => (value === undefined ? undefined : parseDuration(value))
  const known = <T extends object>(values: T) =>
    Object.fromEntries(Object.entries(values).filter(([, each]) => each !== undefined)) as Partial<T>
  const { max = exec === undefined ? undefined : 1, overhead, perItem, exponent, activation } = batch
  return defineModel({
    id,
    vram: vram ?? 0,
    ...known({ loadMs: exec === undefined ? ms(loadTime) : 0, unloadMs: ms(unloadTime), concurrency }),
    batch: known({ max, overheadMs: ms(overhead), perItemMs: ms(perItem), exponent, activation }),
  })
}

function runnerSpec(modelId: string, model: CheckedFile['models'][string], folder: string): RunnerSpec {
  const { module: file, command, exec, options = {}, environment = {}, timeouts = {} } = model
  const limits = { readyMs: timeouts.ready, loadMs: timeouts.load, runMs: timeouts.run }
  const known = Object.entries(limits).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, parseDuration(value)]],
  )
  const common = { modelId, options, environment, cwd: folder, timeouts: Object.fromEntries(known) }
  if (file !== undefined) return { ...common, kind: 'module', file: resolve(folder, file) }
  if (command !== undefined) return { ...common, kind: 'command', argv: words(command) }
  return { ...common, kind: 'exec', argv: words(exec!) }
}

export function words(command: string | readonly string[]): readonly string[] {
  return typeof command === 'string' ? command.split(/\s+/).filter((word) => word !== '') : command
}

function compileStep(name: string, step: CheckedFile['steps'][string], { steps, models }: CheckedFile): Step {
  const { source, model, when, forEach, priority = 0, retries = 2, timeout } = step
  const input = compileTemplate('input' in step ? step.input : '${source}')
  const templates = {
    when: when === undefined ? null : compileTemplate(when),
    forEach: forEach === undefined ? null : compileTemplate(forEach),
  }
  const used = new Set([input, templates.when, templates.forEach].flatMap((each) => [...(each?.names ?? [])]))
  const written = Array.isArray(step.needs)
    ? Object.fromEntries(step.needs.map((each) => [each, 'fail' as const]))
    : (step.needs ?? {})
  const needs = Object.keys(steps).filter((each) => used.has(each) || each in written)
  const { module, command, exec, options = null } = models[model]!
  return {
    name,
    source: step.gather ? null : source!,
    modelId: model,
    input,
    ...templates,
    needs: new Map(needs.map((each) => [each, written[each] ?? 'fail'])),
    priority,
    maxAttempts: retries + 1,
    timeoutMs: timeout === undefined ? null : parseDuration(timeout),
    definition: JSON.stringify([
      name,
      written,
      model,
      module,
      command,
      exec,
      options,
      step.input ?? null,
      when ?? null,
      forEach ?? null,
    ]),
  }
}
