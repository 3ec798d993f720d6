// A pipeline: read from YAML or given as an object, checked whole, and compiled. Every
// fault is listed at once, each with its line, what is wrong and what to do.
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { SchedulerError } from '../core/errors.ts'
import { isChanged } from '../core/json.ts'
import { defineModel, type Model, type ModelId } from '../core/model.ts'
import { parseBytes, parseDuration } from '../core/units.ts'
import type { EdgePolicy } from '../core/work/item.ts'
import type { DeviceSpec } from '../devices/device.ts'
import type { RunnerSpec } from '../runners/runner.ts'
import { compileTemplate, type Template } from './expressions.ts'
import { findFaults } from './faults.ts'
import { compileGpus } from './gpus.ts'
import type { PipelineFile, PipelineSource } from './pipeline-file.ts'
import type { CheckedFile } from './schema.ts'
import type { Fault } from './shape-faults.ts'

/**
 * A pipeline that has been read and checked, for `startRun` and the functions that gather what came of it.
 *
 * @beta
 * @example
 * ```ts
 * const pipeline: Pipeline = definePipeline({
 *   name: 'shout',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
 *   sources: { words: { list: [{ text: 'hello' }] } },
 *   steps: { shout: { source: 'words', model: 'loud', input: '${source.text}' } },
 * })
 * pipeline.name // => 'shout'
 * ```
 */
export interface Pipeline {
  /** Names the database and its files. */
  name: string
  /** Where its paths begin. */
  folder: string
  /** Its devices.
   *
   * @internal */
  gpus: DeviceSpec[]
  models: Model[]
  /** How each model is run.
   *
   * @internal */
  runnerSpecs: ReadonlyMap<ModelId, RunnerSpec>
  /** As written; core/policy.ts reads it.
   *
   * @internal */
  policy: Record<string, unknown>
  /** Where records come from.
   *
   * @internal */
  sources: ReadonlyMap<string, PipelineSource>
  /** What runs over each record.
   *
   * @internal */
  steps: ReadonlyMap<string, Step>
  /** Tables that are shown at the end.
   *
   * @internal */
  report: Report[]
}

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
  /** From its submission, ms; null: none. */
  deadlineMs: number | null
  /** What its results depend on, as text: for ids. */
  definition: string
}

export interface Report {
  title: string
  each: string | null
  rows: Template | null
  columns: { title: string; text: Template }[]
}

/**
 * Reads a pipeline from a YAML file. Throws BAD_PIPELINE with every fault and its line.
 *
 * @beta
 * @example
 * ```ts
 * readPipeline('none.yaml') // throws BAD_PIPELINE
 * ```
 */
export function readPipeline(file: string): Pipeline {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const whys: Record<string, string> = {
      ENOENT: 'there is no such file; plimsoll.example.yaml shows one',
      EISDIR: 'it is a folder; name the file in it, such as pipeline.yaml',
    }
    const why = whys[code ?? ''] ?? message
    throw new SchedulerError('BAD_PIPELINE', `The pipeline ${file} cannot be read: ${why}.`, { file }, error)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const malformed = findMalformed(document)
  if (malformed.length > 0) {
    throw badPipeline(
      file,
      malformed.map(({ offset, message }) => ({ ...place(offset), path: '', message })),
    )
  }
  const locate = (path: readonly (string | number)[]) => place(offsetOf(document, path))
  let value: unknown
  try {
    value = document.toJS()
  } catch (error) {
    throw badPipeline(file, [{ ...place(0), path: '', message: (error as Error).message }]) // aliases that multiply
  }
  return build(value, dirname(resolve(file)), file, locate)
}

/** What is wrong with the YAML itself. */
function findMalformed(document: Document.Parsed): { offset: number; message: string }[] {
  const found = [...document.errors, ...document.warnings].map(({ message, pos }) => ({
    offset: pos[0],
    message: message.split(/ at line |\n/)[0]!,
  }))
  visit(document, {
    Alias(_, alias) {
      if (!alias.resolve(document))
        found.push({ offset: alias.range?.[0] ?? 0, message: `*${alias.source} names no anchor before it` })
    },
    Scalar(_, { value, source = '', range }) {
      if (typeof value === 'number' && isChanged(value, source))
        found.push({
          offset: range?.[0] ?? 0,
          message: `the number ${source} cannot be kept as it is; write it as text`,
        })
    },
  })
  return found
}

/**
 * The same from an object. Throws BAD_PIPELINE with every fault and where it is.
 *
 * @param definition - what a pipeline file says
 * @param options - `folder`: where its paths begin, default: the present one
 * @beta
 * @example
 * ```ts
 * const pipeline: Pipeline = definePipeline({
 *   name: 'shout',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
 *   sources: { words: { list: [{ text: 'hello' }] } },
 *   steps: { shout: { source: 'words', model: 'loud', input: '${source.text}' } },
 * })
 * pipeline.name // => 'shout'
 * definePipeline({ ...({} as PipelineFile), name: 'empty' }) // throws BAD_PIPELINE
 * ```
 */
export function definePipeline(
  definition: PipelineFile,
  { folder = process.cwd() }: { folder?: string } = {},
): Pipeline {
  return build(definition, folder, 'the pipeline', () => null)
}

type Locate = (path: readonly (string | number)[]) => { line: number; column: number } | null

function build(value: unknown, folder: string, file: string, locate: Locate): Pipeline {
  const isFile = (path: string) =>
    statSync(resolve(folder, path), { throwIfNoEntry: false })?.isFile() ?? false
  const { data, faults } = findFaults(value, isFile)
  if (faults.length > 0) {
    throw badPipeline(
      file,
      faults
        .map(({ path, message }) => ({ ...locate(path), path: path.join('.'), message }))
        .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
    )
  }
  return compilePipeline(data!, folder)
}

/** Where the value at a path stands, or for a map or list its key; where it is missing,
 * its nearest parent. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (!isNode(node) || !node.range) continue
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const name = String(path[length - 1])
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === name)
      : null
    return isScalar(node) && length === path.length
      ? node.range[0]
      : (isScalar(pair?.key) ? pair.key : node).range![0]
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
  const { name, models, policy = {}, sources, steps, report = [] } = checked
  const entries = Object.entries(models)
  return {
    name,
    folder,
    gpus: compileGpus(checked),
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

/** As in Ollama. A pipeline's models give back what nobody waits for, so that others on
 * the device may have it. */
const defaultKeepAlive = '5m'

function compileModel(id: string, model: CheckedFile['models'][string]): Model {
  const { vram, loadTime, unloadTime, keepAlive, pin, preload, batch = {}, concurrency, exec } = model
  const ms = (value: string | number | undefined) => (value === undefined ? undefined : parseDuration(value))
  const known = <T extends object>(values: T) =>
    Object.fromEntries(Object.entries(values).filter(([, each]) => each !== undefined)) as Partial<T>
  const { max = exec === undefined ? undefined : 1, overhead, perItem, exponent, activation } = batch
  return defineModel({
    id,
    ...known({ vram: exec === undefined ? vram : 0, isPinned: pin, isPreloaded: preload }),
    keepAliveMs: keepAlive === -1 ? null : parseDuration(keepAlive ?? defaultKeepAlive),
    ...known({ loadMs: exec === undefined ? ms(loadTime) : 0, unloadMs: ms(unloadTime), concurrency }),
    batch: known({ max, overheadMs: ms(overhead), perItemMs: ms(perItem), exponent, activation }),
  })
}

function runnerSpec(modelId: ModelId, model: CheckedFile['models'][string], folder: string): RunnerSpec {
  const { module: file, command, exec, options = {}, environment = {}, timeouts = {} } = model
  const limits = { readyMs: timeouts.ready, loadMs: timeouts.load, runMs: timeouts.run }
  const known = Object.entries(limits).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, parseDuration(value)]],
  )
  const vramBytes = model.vram === undefined ? undefined : parseBytes(model.vram)
  const timeoutsMs = Object.fromEntries(known)
  const common = { modelId, options, environment, cwd: folder, vramBytes, timeouts: timeoutsMs }
  if (file !== undefined) return { ...common, kind: 'module', file: resolve(folder, file) }
  if (command !== undefined) return { ...common, kind: 'command', argv: words(command) }
  return { ...common, kind: 'exec', argv: words(exec!) }
}

export function words(command: string | readonly string[]): readonly string[] {
  return typeof command === 'string' ? command.split(/\s+/).filter((word) => word !== '') : command
}

function defaultInput({ forEach }: CheckedFile['steps'][string]): string {
  return forEach === undefined ? '${source}' : '${each}'
}

function compileStep(name: string, step: CheckedFile['steps'][string], { steps, models }: CheckedFile): Step {
  const { source, model, when, forEach, priority = 0, retries = 2, timeout, deadline } = step
  const input = compileTemplate(step.input === undefined ? defaultInput(step) : step.input)
  const templates = {
    when: when === undefined ? null : compileTemplate(when),
    forEach: forEach === undefined ? null : compileTemplate(forEach),
  }
  const used = new Set([input, templates.when, templates.forEach].flatMap((each) => [...(each?.names ?? [])]))
  const written = Array.isArray(step.needs)
    ? Object.fromEntries(step.needs.map((each) => [each, 'fail' as const]))
    : (step.needs ?? {})
  const policies = new Map(Object.entries(written))
  const needs = Object.keys(steps).filter((each) => used.has(each) || policies.has(each))
  const { module, command, exec, options = null, environment = null, version = null } = models[model]!
  return {
    name,
    source: step.gather ? null : source!,
    modelId: model,
    input,
    ...templates,
    needs: new Map(needs.map((each) => [each, policies.get(each) ?? 'fail'])),
    priority,
    maxAttempts: retries + 1,
    timeoutMs: timeout === undefined ? null : parseDuration(timeout),
    deadlineMs: deadline === undefined ? null : parseDuration(deadline),
    definition: JSON.stringify([
      name,
      written,
      model,
      module,
      command,
      exec,
      options,
      environment,
      version,
      step.input ?? null,
      when ?? null,
      forEach ?? null,
    ]),
  }
}
