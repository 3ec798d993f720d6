// A JSON schema as TypeScript, with its descriptions as comments: so that the types which people get with the
// package need no schema library to be read, by them or by a compiler.
import type { Schema } from './schema.ts'

const width = 110

/** Titles of schemas that are types of their own there. */
const namedTypes: Record<string, string> = { size: 'Size', duration: 'Duration' }

/** What a schema with keys of its own becomes, by the key under which it is. */
const interfaces: Record<string, Interface> = {
  gpus: {
    name: 'PipelineGpu',
    text: 'A device.',
    example: "const gpu: PipelineGpu = { name: 'ram', kind: 'host', memory: '1GB' }",
  },
  models: {
    name: 'PipelineModel',
    text: 'A model: how it is run, and what it needs.',
    example: "const model: PipelineModel = { module: 'workers/whisper.ts', vram: '4.5GB', loadTime: '5s' }",
  },
  batch: {
    name: 'PipelineBatch',
    text: 'How batches of a model are.',
    example: "const batch: PipelineBatch = { max: 16, perItem: '150ms', activation: '200MB' }",
  },
  timeouts: {
    name: 'PipelineTimeouts',
    text: 'How long processes of a model may take.',
    example: "const timeouts: PipelineTimeouts = { load: '10m', run: '2m' }",
  },
  policy: {
    name: 'PipelinePolicy',
    text: 'How the scheduler chooses (docs/policy.md).',
    example: "const policy: PipelinePolicy = { goal: 'throughput', maxWait: '2m' }",
  },
  sources: {
    name: 'PipelineSource',
    text: 'Where records come from.',
    example: "const source: PipelineSource = { files: 'videos/*.mp4' }",
  },
  steps: {
    name: 'PipelineStep',
    text: 'What runs over each record.',
    example:
      "const step: PipelineStep = { source: 'videos', model: 'whisper', input: { path: '${source.path}' } }",
  },
  report: {
    name: 'PipelineTable',
    text: 'A table that is shown at the end.',
    example:
      "const table: PipelineTable = { title: 'Videos', each: 'videos', columns: { name: '${source.name}' } }",
  },
}

/** What is said of an interface. */
export interface Interface {
  name: string
  text: string
  example: string
}

/** An interface, and those that it is made of before it. */
export function interfacesOf({ name, text, example }: Interface, schema: Schema): string {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([key, each]) => {
    const found = [each, ...(each.anyOf ?? [])].flatMap((one) => [one, elementOf(one)])
    const own = found.find(({ properties }) => properties)
    return own ? [interfacesOf(interfaces[key]!, own)] : []
  })
  return [...inner, `${publicComment(text, example)}export interface ${name} {\n${fieldsOf(schema)}}\n`].join(
    '\n',
  )
}

function fieldsOf({ properties = {}, required = [] }: Schema): string {
  return Object.entries(properties)
    .map(([key, each]) => {
      const mark = required.includes(key) ? '' : '?'
      return `${commentOf(each.description ?? '', '  ')}  ${key}${mark}: ${typeOf(each, key)}\n`
    })
    .join('')
}

function typeOf(schema: Schema, key: string): string {
  const { title = '', type, enum: values, const: value, anyOf, items, properties } = schema
  if (namedTypes[title]) return namedTypes[title]
  if (value !== undefined) return literal(value)
  if (values) return values.map(literal).join(' | ')
  if (anyOf) return [...new Set(anyOf.map((each) => typeOf(each, key)))].join(' | ')
  if (properties) return interfaces[key]!.name
  if (type === 'array') return `${typeOf(items ?? {}, key)}[]`
  if (type === 'object') return `Record<string, ${typeOf(elementOf(schema), key)}>`
  return type === undefined ? 'unknown' : scalar(type)
}

/** Of a list or a map. */
function elementOf({ items, additionalProperties }: Schema): Schema {
  return items ?? (typeof additionalProperties === 'object' ? additionalProperties : {})
}

function scalar(type: string | string[]): string {
  return [type]
    .flat()
    .map((each) => (each === 'integer' ? 'number' : each))
    .join(' | ')
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

/** As the reference wants it (scripts/reference/completeness.ts). */
export function publicComment(text: string, example: string): string {
  const lines = [text, '', '@beta', '@example', '```ts', ...example.split('\n'), '```']
  return `/**\n${lines.map((each) => ` * ${each}`.trimEnd()).join('\n')}\n */\n`
}

/** Wrapped as the comments of the house are. */
function commentOf(text: string, indent: string): string {
  if (text === '') return ''
  const words = text.replaceAll('*/', '*\\/').split(' ')
  const last = words.pop()!
  const lines: string[] = []
  let line = `${indent}/**`
  for (const word of [...words, `${last} */`]) {
    if (line.length + 1 + word.length > width) {
      lines.push(line)
      line = `${indent} *`
    }
    line += ` ${word}`
  }
  return [...lines, line].map((each) => `${each}\n`).join('')
}
