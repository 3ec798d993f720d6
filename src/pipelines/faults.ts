// Everything that can be wrong with a pipeline before it runs. Shape and units come from the schema; what one part says
// of another is checked here: names, expressions, cycles, files, and models that no device can hold.
import type { z } from 'zod'
import { defineModel, leastBytes, type Model } from '../core/model.ts'
import { formatBytes, parseBytes } from '../core/units.ts'
import { compileTemplate } from './expressions.ts'
import { type CheckedFile, pipelineSchema } from './schema.ts'

export interface Fault {
  path: (string | number)[]
  message: string
}

type Report = (path: (string | number)[], message: string) => void

/** The checked file, or its faults in the order of the file's parts. */
export function findFaults(
  value: unknown,
  exists: (path: string) => boolean,
): { data: CheckedFile | null; faults: Fault[] } {
  const { data, error } = pipelineSchema.safeParse(value)
  const faults = (error?.issues ?? []).flatMap(explain)
  // What does not need a right shape is told too, so that one reading shows it all.
  const file = (data ?? loose(value)) as CheckedFile | null
  if (file) {
    const report: Report = (path, message) => faults.push({ path, message })
    checkModels(file, exists, report)
    checkSources(file, exists, report)
    checkSteps(file, report)
    checkReport(file, report)
  }
  return { data: data ?? null, faults }
}

/** A wrong file, as far as it has the parts: empty ones where they are missing or of another kind. */
function loose(value: unknown): unknown {
  if (!isRecord(value)) return null
  const part = (key: string) =>
    isRecord(value[key])
      ? Object.fromEntries(Object.entries(value[key]).filter(([, each]) => isRecord(each)))
      : {}
  const list = (key: string) => (Array.isArray(value[key]) ? value[key].filter(isRecord) : [])
  return {
    ...value,
    models: part('models'),
    sources: part('sources'),
    steps: part('steps'),
    gpus: list('gpus'),
    report: [],
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function explain(issue: z.core.$ZodIssue): Fault[] {
  const path = issue.path as (string | number)[]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `"${key}" is not a key here${suggest(key, knownKeys(path))}`,
    }))
  }
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.flat()
    if (inner.length > 0)
      return [
        {
          path: [...path, ...(inner[0]!.path as string[])],
          message:
            issue.message !== 'Invalid input'
              ? issue.message
              : inner.map(({ message }) => message).join(', or '),
        },
      ]
  }
  const missing =
    issue.code === 'invalid_type' && issue.input === undefined && /received undefined/.test(issue.message)
  return [{ path, message: missing ? 'is missing' : issue.message }]
}

/** Keys that the schema has at a path, for suggestions. */
function knownKeys(path: readonly (string | number)[]): string[] {
  let schema: unknown = pipelineSchema
  for (const key of path) {
    let inner = schema as {
      def: {
        type: string
        shape?: Record<string, unknown>
        innerType?: unknown
        valueType?: unknown
        element?: unknown
      }
    }
    while (inner?.def?.innerType) inner = inner.def.innerType as typeof inner
    schema = inner?.def?.shape?.[key] ?? inner?.def?.valueType ?? inner?.def?.element
  }
  let last = schema as { def?: { innerType?: unknown; shape?: Record<string, unknown> } }
  while (last?.def?.innerType) last = last.def.innerType as typeof last
  return Object.keys(last?.def?.shape ?? {})
}

function checkModels({ models, gpus }: CheckedFile, exists: (path: string) => boolean, report: Report): void {
  const offers = gpus.flatMap(
    (gpu) => attempt(() => Math.floor(parseBytes(gpu.memory) * (gpu.safety ?? 0.9))) ?? [],
  )
  const largest = Math.max(0, ...offers)
  for (const [index, { name }] of gpus.entries()) {
    if (gpus.findIndex((each) => each.name === name) < index)
      report(['gpus', index, 'name'], `two devices are called "${name}"`)
    if (name === 'cpu')
      report(['gpus', index, 'name'], '"cpu" is the name of what needs no device; take another')
  }
  for (const [name, model] of Object.entries(models)) {
    const path = ['models', name]
    const kinds = (['module', 'command', 'exec'] as const).filter((kind) => model[kind] !== undefined)
    if (kinds.length !== 1)
      report(path, `needs exactly one of module, command and exec; it has ${kinds.join(' and ') || 'none'}`)
    if (model.module !== undefined && !exists(model.module))
      report([...path, 'module'], `there is no file ${model.module}`)
    if (model.exec === undefined && model.vram === undefined)
      report(path, 'needs vram, the memory that a loaded instance holds')
    if (
      model.exec !== undefined &&
      model.vram !== undefined &&
      attempt(() => parseBytes(model.vram!)) !== 0
    ) {
      report([...path, 'vram'], 'a command for each item holds no device memory; leave vram out')
    }
    const sized = attempt(
      (): Model =>
        defineModel({ id: name, vram: model.vram ?? 0, batch: { activation: model.batch?.activation ?? 0 } }),
    )
    const neededBytes = sized ? leastBytes(sized) : 0
    if (largest > 0 && neededBytes > largest) {
      report(
        [...path, 'vram'],
        `"${name}" needs ${formatBytes(neededBytes)}; the largest device offers ${formatBytes(largest)}. Use a smaller variant, more memory or a higher safety`,
      )
    }
  }
}

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}

function checkSources({ sources }: CheckedFile, exists: (path: string) => boolean, report: Report): void {
  const names = Object.keys(sources)
  const reading = names.filter((name) => sources[name]!.stdin !== undefined)
  if (reading.length > 1)
    report(['sources', reading[1]!], `only one source can read standard input; "${reading[0]}" does`)
  for (const name of names) {
    const kinds = (['files', 'jsonl', 'stdin', 'list'] as const).filter(
      (kind) => sources[name]![kind] !== undefined,
    )
    if (kinds.length !== 1)
      report(
        ['sources', name],
        `needs exactly one of files, jsonl, stdin and list; it has ${kinds.join(' and ') || 'none'}`,
      )
    const { jsonl } = sources[name]!
    if (typeof jsonl === 'string' && !exists(jsonl))
      report(['sources', name, 'jsonl'], `there is no file ${jsonl}`)
  }
}

/** Names that expressions give another meaning: ours, and CEL's types and words. */
const takenNames =
  'source each row list map string int uint double bool bytes type dyn true false null in'.split(' ')

function checkSteps(file: CheckedFile, report: Report): void {
  const { steps, sources, models } = file
  const needs = new Map<string, Set<string>>()
  for (const [name, step] of Object.entries(steps)) {
    const path = ['steps', name]
    if (name in sources || takenNames.includes(name))
      report(path, `"${name}" is already a name in expressions; call the step otherwise`)
    if (typeof step.model === 'string' && !(step.model in models))
      report(
        [...path, 'model'],
        `there is no model "${step.model}"${suggest(step.model, Object.keys(models))}`,
      )
    if (step.gather && step.source !== undefined)
      report([...path, 'source'], 'a step that gathers runs once, over no source; leave source out')
    if (!step.gather && step.source === undefined) report(path, 'needs source, or gather: true')
    if (step.source !== undefined && !(step.source in sources))
      report(
        [...path, 'source'],
        `there is no source "${step.source}"${suggest(step.source, Object.keys(sources))}`,
      )
    if (step.gather && step.forEach !== undefined)
      report([...path, 'forEach'], 'a step that gathers is one item; make the list in a step before it')
    needs.set(name, checkNames(name, step, file, report))
  }
  const cycle = findCycle(needs)
  if (cycle) report(['steps', cycle[0]!], `these steps wait for each other: ${cycle.join(' → ')}`)
}

/** Checks the expressions and needs of a step, and answers with the steps it waits for. */
function checkNames(
  name: string,
  step: CheckedFile['steps'][string],
  { steps }: CheckedFile,
  report: Report,
): Set<string> {
  const path = ['steps', name]
  const waits = new Set<string>()
  const inScope = Object.keys(steps).filter(
    (each) => each !== name && (step.gather || steps[each]!.source === step.source),
  )
  const known = [
    ...(step.gather ? [] : ['source']),
    ...(step.forEach === undefined ? [] : ['each']),
    ...inScope,
  ]
  for (const key of ['input', 'when', 'forEach'] as const) {
    for (const used of namesIn(step[key], [...path, key], report)) {
      if (used in steps) waits.add(used)
      if (known.includes(used) && !(key === 'forEach' && used === 'each')) continue
      report([...path, key], whyNotInScope(used, name, step, steps, known))
    }
  }
  const written = Array.isArray(step.needs) ? step.needs : isRecord(step.needs) ? Object.keys(step.needs) : []
  for (const used of written) {
    waits.add(used)
    if (!inScope.includes(used)) report([...path, 'needs'], whyNotInScope(used, name, step, steps, inScope))
  }
  return waits
}

function whyNotInScope(
  used: string,
  name: string,
  step: CheckedFile['steps'][string],
  steps: CheckedFile['steps'],
  known: string[],
): string {
  if (used === name) return `"${name}" cannot wait for itself`
  const other = steps[used]
  if (other?.gather) return `"${used}" runs once for the whole run; only a step with gather: true can use it`
  if (other)
    return `"${used}" runs over "${other.source}", this step over "${step.source}"; only a step with gather: true sees both`
  return `"${used}" names nothing${suggest(used, known)}. Here are: ${known.join(', ')}`
}

function namesIn(value: unknown, path: (string | number)[], report: Report): Set<string> {
  try {
    return compileTemplate(value).names
  } catch (error) {
    report(path, (error as Error).message)
    return new Set()
  }
}

function checkReport({ report: tables = [], steps, sources }: CheckedFile, report: Report): void {
  for (const [index, { each, rows, columns }] of tables.entries()) {
    const path = ['report', index]
    if ((each === undefined) === (rows === undefined)) report(path, 'needs exactly one of each and rows')
    if (each !== undefined && !(each in sources))
      report([...path, 'each'], `there is no source "${each}"${suggest(each, Object.keys(sources))}`)
    const ofSource = Object.keys(steps).filter((name) => steps[name]!.source === each)
    const gathered = Object.keys(steps)
    const known = each === undefined ? ['row', ...gathered] : ['source', ...ofSource]
    const check = (value: unknown, at: (string | number)[], names: string[]) => {
      for (const used of namesIn(value, at, report)) {
        if (!names.includes(used))
          report(at, `"${used}" names nothing${suggest(used, names)}. Here are: ${names.join(', ')}`)
      }
    }
    if (rows !== undefined) check(rows, [...path, 'rows'], gathered)
    for (const [title, text] of Object.entries(columns)) check(text, [...path, 'columns', title], known)
  }
}

/** A path that ends where it begins, or null. */
function findCycle(needs: ReadonlyMap<string, ReadonlySet<string>>): string[] | null {
  const finished = new Set<string>()
  const visit = (name: string, path: string[]): string[] | null => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (finished.has(name)) return null
    for (const next of needs.get(name) ?? []) {
      const found = visit(next, [...path, name])
      if (found) return found
    }
    finished.add(name)
    return null
  }
  for (const name of needs.keys()) {
    const found = visit(name, [])
    if (found && found.length > 2) return found
  }
  return null
}

/** `; did you mean "ocr"?` for the nearest known name, when it is near. */
function suggest(name: string, known: readonly string[]): string {
  const near = known
    .map((each) => ({ each, distance: editDistance(name.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return near && near.distance <= (name.length < 4 ? 1 : 2) ? `; did you mean "${near.each}"?` : ''
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}
