// Values with `${expressions}` in their texts, in CEL (cel.dev). A text that is one
// expression becomes its value, with its type; inside a longer text values are put in
// as text. Numbers are JSON's: whole and broken ones mix freely.
import { Environment } from '@marcbachmann/cel-js'
import { SchedulerError } from '../core/errors.ts'

type Scope = Record<string, unknown>

interface Expression {
  names: Set<string>
  evaluate: (scope: Scope) => unknown
}

export interface Template {
  /** Names that its expressions use. */
  names: Set<string>
  /** It is one expression, with nothing around it. */
  isExpression: boolean
  /** Throws BAD_EXPRESSION with the expression and what it met. */
  evaluate: (scope: Scope) => unknown
}

const environment = createEnvironment()

/** Arithmetic and comparison between whole and broken numbers, which CEL keeps apart. */
function createEnvironment(): Environment {
  const created = new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false })
  const operators: Record<string, (a: number, b: number) => number> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
    '%': (a, b) => a % b,
  }
  for (const [operator, apply] of Object.entries(operators)) {
    for (const [left, right] of [
      ['int', 'double'],
      ['double', 'int'],
      ...(operator === '%' ? [['double', 'double']] : []),
    ]) {
      created.registerOperator(`${left} ${operator} ${right}`, (a, b) => apply(Number(a), Number(b)))
    }
  }
  return created
}

/** Throws BAD_EXPRESSION for a text that is not CEL, or that can give no value: an
 * unknown function, a text plus a number. */
export function compileTemplate(value: unknown): Template {
  const names = new Set<string>()
  const evaluate = compile(value, names)
  const parts = typeof value === 'string' ? split(value) : []
  return { names, isExpression: parts.length === 1 && typeof parts[0] !== 'string', evaluate }
}

function compile(value: unknown, names: Set<string>): Template['evaluate'] {
  if (typeof value === 'string') return compileText(value, names)
  if (Array.isArray(value)) {
    const parts = value.map((each) => compile(each, names))
    return (scope) => parts.map((part) => part(scope))
  }
  if (value !== null && typeof value === 'object') {
    const parts = Object.entries(value).map(([key, each]) => [key, compile(each, names)] as const)
    return (scope) => Object.fromEntries(parts.map(([key, part]) => [key, part(scope)]))
  }
  return () => value
}

function compileText(text: string, names: Set<string>): Template['evaluate'] {
  const parts = split(text).map((part) => (typeof part === 'string' ? part : parse(part.expression)))
  for (const part of parts) if (typeof part !== 'string') for (const name of part.names) names.add(name)
  if (parts.length === 1 && typeof parts[0] !== 'string') return parts[0]!.evaluate
  return (scope) =>
    parts.map((part) => (typeof part === 'string' ? part : toText(part.evaluate(scope)))).join('')
}

/** Texts and expressions in turn. Braces and quotes inside an expression are counted. */
function split(text: string): (string | { expression: string })[] {
  const parts: (string | { expression: string })[] = []
  let rest = text
  for (let start = rest.indexOf('${'); start >= 0; start = rest.indexOf('${')) {
    const end = endOfExpression(rest, start + 2)
    if (start > 0) parts.push(rest.slice(0, start))
    parts.push({ expression: rest.slice(start + 2, end) })
    rest = rest.slice(end + 1)
  }
  if (rest !== '' || parts.length === 0) parts.push(rest)
  return parts
}

function endOfExpression(text: string, from: number): number {
  let depth = 0
  let quote = ''
  for (let index = from; index < text.length; index++) {
    const character = text[index]!
    if (quote) {
      if (character === '\\') index++
      else if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '{') depth++
    else if (character === '}' && depth-- === 0) return index
  }
  throw new SchedulerError('BAD_EXPRESSION', `"${text}" has a \${ without its }.`, { text })
}

interface Node {
  op: string
  args: unknown
}

function parse(text: string): Expression {
  try {
    const parsed = environment.parse(text)
    const { valid, error } = parsed.check()
    if (!valid) throw error
    const names = new Set<string>()
    collectNames(parsed.ast as unknown as Node, new Set(), names)
    return { names, evaluate: (scope) => evaluate(text, names, parsed, scope) }
  } catch (error) {
    throw new SchedulerError(
      'BAD_EXPRESSION',
      `\${${text}} is not an expression: ${firstLine(error)}.`,
      { text },
      error,
    )
  }
}

function evaluate(
  text: string,
  names: ReadonlySet<string>,
  parsed: (scope: Scope) => unknown,
  scope: Scope,
): unknown {
  try {
    return plain(parsed(hidesType(scope) ? (asMaps(scope, 0) as Scope) : scope))
  } catch (error) {
    throw new SchedulerError(
      'BAD_EXPRESSION',
      `\${${text}} could not be evaluated: ${firstLine(error)}${whatItSaw(names, scope)}.`,
      { text },
      error,
    )
  }
}

/** CEL looks at `constructor` for the type of an object; a field of that name, from a record or an output,
 * hides it. */
function hidesType(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false
  return (
    (!Array.isArray(value) && Object.hasOwn(value, 'constructor')) || Object.values(value).some(hidesType)
  )
}

/** The same values, with maps in place of the objects in the scope: those have a type of their own. */
function asMaps(value: unknown, depth: number): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((each) => asMaps(each, depth + 1))
  const entries = Object.entries(value).map(([key, each]) => [key, asMaps(each, depth + 1)] as const)
  return depth === 0 ? Object.fromEntries(entries) : new Map(entries)
}

/** ` where ocr is null`: the values of its names, shortened. */
function whatItSaw(names: ReadonlySet<string>, scope: Scope): string {
  const seen = [...names].map((name) => `${name} is ${JSON.stringify(scope[name])?.slice(0, 100)}`)
  return seen.length > 0 ? `, where ${seen.join(', ')}` : ''
}

/** Names that CEL has of its own: its types and parts, which expressions may use, and
 * words it keeps for later. */
export const celNames: ReadonlySet<string> = new Set(
  (
    'bool bytes double dyn int list map null_type string type uint cel google optional true false null in ' +
    'as break const continue else for function if import let loop namespace package return var void while'
  ).split(' '),
)

const macros = new Set(['map', 'filter', 'all', 'exists', 'exists_one'])

/** Free names: those that no macro (`list.map(x, …)`, `cel.bind(x, …)`) brings along. */
function collectNames(node: unknown, bound: ReadonlySet<string>, names: Set<string>): void {
  if (Array.isArray(node)) {
    for (const each of node) collectNames(each, bound, names)
    return
  }
  if (node === null || typeof node !== 'object' || !('op' in node)) return
  const { op, args } = node as Node
  if (op === 'id') {
    if (!bound.has(args as string) && !celNames.has(args as string)) names.add(args as string)
  } else if (isBind(args)) {
    const [, , [variable, value, body]] = args as [string, Node, Node[]]
    collectNames(value, bound, names)
    collectNames(body, new Set([...bound, variable!.args as string]), names)
  } else if (op === 'rcall' && macros.has((args as unknown[])[0] as string)) {
    const [, target, [variable, ...body]] = args as [string, Node, Node[]]
    collectNames(target, bound, names)
    collectNames(body, new Set([...bound, variable!.args as string]), names)
  } else if (op !== 'value') collectNames(args, bound, names)
}

/** `cel.bind(name, value, body)`. */
function isBind(args: unknown): boolean {
  return Array.isArray(args) && args[0] === 'bind' && (args[1] as Node | undefined)?.args === 'cel'
}

/** CEL's whole numbers are BigInts; ours are JSON's. Throws for what JSON cannot say. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    if (BigInt(Number(value)) === value) return Number(value)
    throw new Error(`${value} is larger than the whole numbers of JSON; write it as text`)
  }
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new Error(`${value} is not a number in JSON`)
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, each]) => [String(key), plain(each)]))
  if (value !== null && typeof value === 'object') {
    const prototype = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null)
      throw new Error(`a ${value.constructor.name} is not JSON; make a text of it with string(…)`)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
  }
  return value ?? null
}

function toText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0]!
}
