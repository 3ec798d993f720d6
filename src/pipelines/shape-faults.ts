// What is wrong with the shape of a pipeline file, as sentences, from what the schema says:
// keys that are not known or are missing, values of another kind or out of their range.
import type { z } from 'zod'
import { pipelineSchema } from './schema.ts'
import { suggest } from './suggest.ts'

export interface Fault {
  path: (string | number)[]
  message: string
}

/** Notes a fault of the part of the file at `path`. */
export type ReportFault = (path: (string | number)[], message: string) => void

/** `parent`: where the value stands that the issue's own path begins in. */
export function explainIssue(issue: z.core.$ZodIssue, parent: (string | number)[] = []): Fault[] {
  const path = [...parent, ...(issue.path as (string | number)[])]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `"${key}" is not a key here${suggest(key, knownKeys(path))}`,
    }))
  }
  if (issue.code === 'invalid_union') {
    // The alternative that came farthest knows best what was meant.
    const depthOf = (issues: z.core.$ZodIssue[]) => Math.max(0, ...issues.map((each) => each.path.length))
    const depth = Math.max(0, ...issue.errors.map(depthOf))
    const farthest = issue.errors.filter((issues) => depthOf(issues) === depth)
    if (depth > 0) return farthest[0]!.flatMap((each) => explainIssue(each, path))
    const message = issue.message === 'Invalid input' ? sentenceOfAll(farthest.flat(), path) : issue.message
    return [{ path, message }]
  }
  if (issue.code === 'invalid_key')
    return [{ path, message: issue.issues.map(({ message }) => message).join(', or ') }]
  return [{ path, message: sentenceOf(issue, path) }]
}

/** Of alternatives none of which is met. */
function sentenceOfAll(issues: readonly z.core.$ZodIssue[], path: readonly (string | number)[]): string {
  const wanted = issues.flatMap((each) => (each.code === 'invalid_type' ? [kindOf(each)] : []))
  if (wanted.length === issues.length) return mustBe(wanted.join(' or '), issues[0]!.input)
  return issues.map((each) => sentenceOf(each, path).replace(/\.$/, '')).join(', or ')
}

function kindOf({ expected }: z.core.$ZodIssueInvalidType): string {
  return kinds[expected] ?? expected
}

function mustBe(wanted: string, input: unknown): string {
  return `must be ${wanted}; it is ${met(input)}`
}

/** A value as it is written, as far as a line has room for it. */
function met(input: unknown): string {
  const text = JSON.stringify(input) ?? String(input)
  if (input === null) return 'empty'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** What is wrong, the value that is met, and what it must be. */
function sentenceOf(issue: z.core.$ZodIssue, path: readonly (string | number)[]): string {
  const { input } = issue
  if (issue.code === 'invalid_type') {
    if (input === undefined) return 'is missing'
    if (path.length > 0) return mustBe(kindOf(issue), input)
    const is = input === null ? 'empty' : Array.isArray(input) ? 'a list' : 'something else'
    return `a pipeline is a map with the keys ${Object.keys(pipelineSchema.shape).join(', ')}; this file is ${is}. plimsoll.example.yaml shows one`
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String)
    return `${met(input)} is not one of ${values.join(', ')}${typeof input === 'string' ? suggest(input, values) : ''}`
  }
  if (!/^Too (small|big)/.test(issue.message)) return issue.message // the schema's own words
  if (issue.code === 'too_big') return `is ${met(input)}; it must be at most ${issue.maximum}`
  if (issue.code !== 'too_small') return issue.message
  return Array.isArray(input)
    ? `has ${input.length} elements; it needs at least ${issue.minimum}`
    : `is ${met(input)}; it must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
}

/** Kinds of values by the schema's names for them. */
const kinds: Record<string, string> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

interface SchemaNode {
  def?: {
    shape?: Record<string, SchemaNode>
    innerType?: SchemaNode
    valueType?: SchemaNode
    element?: SchemaNode
    options?: readonly SchemaNode[]
  }
}

/** Keys that the schema has at a path, for suggestions. */
function knownKeys(path: readonly (string | number)[]): string[] {
  const last = path.reduce<SchemaNode | undefined>(
    (schema, key) => {
      const { shape, valueType, element } = partsOf(schema)
      return shape?.[key] ?? valueType ?? element
    },
    pipelineSchema as unknown as SchemaNode,
  )
  return Object.keys(partsOf(last).shape ?? {})
}

/** What a schema is made of, below what only wraps it; of alternatives, the one that has parts. */
function partsOf(schema: SchemaNode | undefined): NonNullable<SchemaNode['def']> {
  const def = schema?.def ?? {}
  const inner = def.innerType ?? def.options?.find((each) => Object.keys(partsOf(each)).some(isPart))
  return inner ? partsOf(inner) : def
}

function isPart(key: string): boolean {
  return ['shape', 'valueType', 'element'].includes(key)
}
