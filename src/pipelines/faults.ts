// Everything that can be wrong with a pipeline before it runs. Shape and units come
// from the schema; what one part says of another is checked here: names, expressions,
// cycles, files, and models that no device can hold.
import { defineModel, leastBytes, type Model } from '../core/model.ts'
import { type PolicyKey, parsePolicy, policyOptions } from '../core/policy.ts'
import { formatBytes, parseBytes } from '../core/units.ts'
import { celNames, compileTemplate } from './expressions.ts'
import { checkGpus, largestOffer } from './gpus.ts'
import { type CheckedFile, pipelineSchema } from './schema.ts'
import { explainIssue, type Fault, type ReportFault } from './shape-faults.ts'
import { suggest } from './suggest.ts'

/** The checked file, or its faults: of its shape first, then of its parts in their order. */
export function findFaults(
  value: unknown,
  isFile: (path: string) => boolean,
): { data: CheckedFile | null; faults: Fault[] } {
  const { data, error } = pipelineSchema.safeParse(value, { reportInput: true })
  const faults = (error?.issues ?? []).flatMap((issue) => explainIssue(issue))
  // What does not need a right shape is told too, so that one reading shows it all.
  const file = (data ?? loose(value)) as CheckedFile | null
  if (file) {
    const report: ReportFault = (path, message) => faults.push({ path, message })
    checkGpus(file, report)
    checkModels(file, isFile, report)
    checkPolicy(file, report)
    checkSources(file, isFile, report)
    checkSteps(file, report)
    checkReport(file, report)
  }
  return { data: data ?? null, faults }
}

/** A wrong file, as far as it has the parts: empty ones where they are missing, null
 * where they are of another kind. */
function loose(value: unknown): unknown {
  if (!isRecord(value)) return null
  const part = (key: string) =>
    isRecord(value[key])
      ? Object.fromEntries(
          Object.entries(value[key]).map(([name, each]) => [name, isRecord(each) ? each : null]),
        )
      : {}
  const list = (key: string) =>
    Array.isArray(value[key]) ? value[key].map((each) => (isRecord(each) ? each : {})) : []
  return {
    ...value,
    models: part('models'),
    sources: part('sources'),
    steps: part('steps'),
    gpus: value.gpus === 'auto' ? 'auto' : list('gpus'),
    report: list('report').map((each) => ({ ...each, columns: isRecord(each.columns) ? each.columns : {} })),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function checkModels(file: CheckedFile, isFile: (path: string) => boolean, report: ReportFault): void {
  const { models } = file
  const largest = largestOffer(file) ?? 0
  for (const [name, model] of Object.entries(models)) {
    if (!model) continue
    const path = ['models', name]
    const kinds = (['module', 'command', 'exec'] as const).filter((kind) => model[kind] !== undefined)
    if (kinds.length !== 1)
      report(path, `needs exactly one of module, command and exec; it has ${kinds.join(' and ') || 'none'}`)
    for (const kind of ['command', 'exec'] as const) {
      const [program] = [model[kind] ?? 'none'].flat()
      if (typeof program === 'string' && program.trim() === '') report([...path, kind], 'names no program')
    }
    if (typeof model.module === 'string' && !isFile(model.module))
      report([...path, 'module'], `there is no file ${model.module}`)
    for (const key of ['keepAlive', 'pin', 'preload'] as const) {
      if (vramOf(model) === 0 && model[key] !== undefined)
        report([...path, key], `"${name}" holds no device memory; leave ${key} out`)
    }
    if (model.exec !== undefined && model.vram !== undefined && vramOf(model) !== 0) {
      report([...path, 'vram'], 'a command for each item holds no device memory; leave vram out')
    }
    if (vramOf(model) === 0 && (attempt(() => parseBytes(model.batch!.activation!)) ?? 0) > 0)
      report(
        [...path, 'batch', 'activation'],
        `"${name}" holds no device memory, so its batches cannot; leave activation out, or give it vram`,
      )
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

/** Bytes; 0 where none is written, null where it is not a size. */
function vramOf({ vram, exec }: CheckedFile['models'][string]): number | null {
  return vram === undefined ? (exec === undefined ? null : 0) : attempt(() => parseBytes(vram))
}

function checkPolicy({ policy }: CheckedFile, report: ReportFault): void {
  if (!isRecord(policy)) return
  for (const [name, value] of Object.entries(policy)) {
    if (!Object.hasOwn(policyOptions, name)) continue // told as an unknown key
    try {
      // A number in the file was written by people, like a text: its unit is asked for.
      const isTime = policyOptions[name as PolicyKey].kind === 'duration'
      parsePolicy({ [name]: isTime && typeof value === 'number' ? String(value) : value })
    } catch (error) {
      report(['policy', name], (error as Error).message.replace(/^policy\.\w+:? /, ''))
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

function checkSources(
  { sources }: CheckedFile,
  isFile: (path: string) => boolean,
  report: ReportFault,
): void {
  const names = Object.keys(sources).filter((name) => sources[name])
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
    if (typeof jsonl === 'string' && !isFile(jsonl))
      report(['sources', name, 'jsonl'], `there is no file ${jsonl}`)
  }
}

/** What expressions call by these names is not a step. */
const ownNames = ['source', 'each', 'row']

function checkSteps(file: CheckedFile, report: ReportFault): void {
  const { steps, sources, models } = file
  const needs = new Map<string, Set<string>>()
  for (const [name, step] of Object.entries(steps)) {
    if (!step) continue
    const path = ['steps', name]
    const mustExist = (kind: 'model' | 'source', known: object) => {
      const wanted = step[kind]
      if (typeof wanted === 'string' && !Object.hasOwn(known, wanted))
        report([...path, kind], `there is no ${kind} "${wanted}"${suggest(wanted, Object.keys(known))}`)
    }
    if (Object.hasOwn(sources, name) || ownNames.includes(name) || celNames.has(name))
      report(path, `"${name}" is already a name in expressions; call the step otherwise`)
    mustExist('model', models)
    if (step.gather && step.source !== undefined)
      report([...path, 'source'], 'a step that gathers runs once, over no source; leave source out')
    if (!step.gather && step.source === undefined) report(path, 'needs source, or gather: true')
    mustExist('source', sources)
    if (step.gather && step.forEach !== undefined)
      report([...path, 'forEach'], 'a step that gathers is one item; make the list in a step before it')
    if (step.gather && step.input === undefined)
      report(path, 'needs input: it runs over no record that could be its input')
    needs.set(name, checkNames(name, step, file, report))
  }
  for (const cycle of findCycles(needs))
    report(['steps', cycle[0]!], `these steps wait for each other: ${cycle.join(' → ')}`)
}

/** Checks the expressions and needs of a step, and answers with the steps it waits for. */
function checkNames(
  name: string,
  step: CheckedFile['steps'][string],
  { steps }: CheckedFile,
  report: ReportFault,
): Set<string> {
  const path = ['steps', name]
  const waits = new Set<string>()
  const inScope = Object.keys(steps).filter(
    (each) => each !== name && (step.gather || steps[each]?.source === step.source),
  )
  const known = [
    ...(step.gather ? [] : ['source']),
    ...(step.forEach === undefined ? [] : ['each']),
    ...inScope,
  ]
  for (const key of ['input', 'when', 'forEach'] as const) {
    for (const { used, at } of namesIn(step[key], [...path, key], report)) {
      if (Object.hasOwn(steps, used) && used !== name) waits.add(used)
      if (known.includes(used) && !(key === 'forEach' && used === 'each')) continue
      report(at, whyNotInScope(used, name, step, steps, known))
    }
    if (key !== 'input') checkIsExpression(step[key], [...path, key], report)
  }
  const listed = Array.isArray(step.needs) ? step.needs : isRecord(step.needs) ? Object.keys(step.needs) : []
  const written = listed.filter((each) => typeof each === 'string')
  for (const used of written) {
    if (used !== name) waits.add(used)
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
  const other = Object.hasOwn(steps, used) ? steps[used] : undefined
  if (other?.gather) return `"${used}" runs once for the whole run; only a step with gather: true can use it`
  if (other)
    return `"${used}" runs over "${other.source}", this step over "${step.source}"; only a step with gather: true sees both`
  return namesNothing(used, known)
}

function namesNothing(used: string, known: readonly string[]): string {
  const near = suggest(used, known)
  return `"${used}" names nothing${near || '.'} Here are: ${known.join(', ')}`
}

/** The names that a value's expressions use, each with its place; what is no expression is reported. */
function namesIn(
  value: unknown,
  at: (string | number)[],
  report: ReportFault,
): { used: string; at: (string | number)[] }[] {
  if (value !== null && typeof value === 'object') {
    const parts = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
    return parts.flatMap(([key, each]) => namesIn(each, [...at, key], report))
  }
  try {
    return [...compileTemplate(value).names].map((used) => ({ used, at }))
  } catch (error) {
    report(at, (error as Error).message)
    return []
  }
}

/** A condition or a list that is text around an expression would always be a text. */
function checkIsExpression(value: unknown, at: (string | number)[], report: ReportFault): void {
  const isOne = attempt(() => compileTemplate(value).isExpression) ?? true // told by namesIn
  if (typeof value === 'string' && !isOne)
    report(at, `must be one expression, \${…}, with nothing around it; it is ${JSON.stringify(value)}`)
}

function checkReport({ report: tables = [], steps, sources }: CheckedFile, report: ReportFault): void {
  for (const [index, { each, rows, columns }] of tables.entries()) {
    const path = ['report', index]
    if ((each === undefined) === (rows === undefined)) report(path, 'needs exactly one of each and rows')
    if (typeof each === 'string' && !Object.hasOwn(sources, each))
      report([...path, 'each'], `there is no source "${each}"${suggest(each, Object.keys(sources))}`)
    const ofSource = Object.keys(steps).filter((name) => steps[name]?.source === each)
    const gathered = Object.keys(steps)
    const known = each === undefined ? ['row', ...gathered] : ['source', ...ofSource]
    const check = (value: unknown, at: (string | number)[], names: string[]) => {
      for (const { used } of namesIn(value, at, report)) {
        if (!names.includes(used)) report(at, namesNothing(used, names))
      }
    }
    if (rows !== undefined) check(rows, [...path, 'rows'], gathered)
    checkIsExpression(rows, [...path, 'rows'], report)
    for (const [title, text] of Object.entries(columns)) check(text, [...path, 'columns', title], known)
  }
}

/** Paths that end where they begin: for steps that wait for each other in several
 * circles at least one of them. */
function findCycles(needs: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
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
  return [...needs.keys()].flatMap((name) => {
    const found = visit(name, [])
    for (const each of found ?? []) finished.add(each)
    return found ? [found] : []
  })
}
