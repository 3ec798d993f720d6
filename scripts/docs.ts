// Writes what is made from the schema of the pipeline file: plimsoll.schema.json, which editors use,
// docs/configuration.md and the type PipelineFile. With --check it only says whether they are as they should be.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Schema, schema } from './schema.ts'
import { interfacesOf } from './schema-types.ts'

const root = resolve(import.meta.dirname, '..')
const files: Record<string, string> = {
  'plimsoll.schema.json': `${JSON.stringify(schema, null, 2)}\n`,
  'docs/configuration.md': `${configuration()}\n`,
  'src/pipelines/pipeline-file.ts': types(),
}

function configuration(): string {
  const head = [
    '# Configuration',
    '',
    'Every key of a pipeline file. This page and `plimsoll.schema.json` are made from `src/pipelines/schema.ts` by `npm run docs`;',
    '[plimsoll.example.yaml](../plimsoll.example.yaml) shows the keys in use. A size is `4.5GB`, `512MiB` or bytes (GB is 10⁹, GiB 2³⁰);',
    'a duration is `250ms`, `1.5s`, `10m`, `2h` or milliseconds. Each key of `policy` can be set for one run with `--set policy.KEY=VALUE`.',
    '',
    '| key | values | meaning |',
    '|---|---|---|',
  ]
  return [...head, ...rows(schema, '')].join('\n')
}

function types(): string {
  return `// The pipeline file as a type, for \`definePipeline\`. Made from schema.ts by \`npm run docs\`: change it there.

/** \`4.5GB\`, \`512MiB\`, or a number of bytes. */
export type Size = string | number

/** \`250ms\`, \`1.5s\`, \`10m\`, \`2h\`, or a number of milliseconds. */
export type Duration = string | number

${interfacesOf({ name: 'PipelineFile', text: 'A pipeline, as it is written in YAML.' }, schema)}`
}

function rows({ properties = {}, required = [] }: Schema, prefix: string): string[] {
  return Object.entries(properties).flatMap(([key, value]) => {
    const path = `${prefix}${key}`
    const list = [value, ...(value.anyOf ?? [])].find(({ items }) => items?.properties)
    const inner =
      list?.items ?? (typeof value.additionalProperties === 'object' ? value.additionalProperties : value)
    const nested = list ? `${path}[].` : inner === value ? `${path}.` : `${path}.NAME.`
    const text = `${required.includes(key) ? '' : 'Optional. '}${value.description ?? ''}`.trim()
    return [
      `| \`${path}\` | ${valuesOf(value)} | ${text} |`,
      ...(inner.properties ? rows(inner, nested) : []),
    ]
  })
}

function valuesOf(schema: Schema): string {
  const { title, type, enum: values, const: value, anyOf, items } = schema
  if (title !== undefined) return title
  if (value !== undefined) return `\`${value}\``
  if (values) return values.map((each) => `\`${each}\``).join(', ')
  if (anyOf) return [...new Set(anyOf.map(valuesOf))].join(' or ')
  if (type === 'array') return `list${items?.type && !items.properties ? ` of ${items.type}s` : ''}`
  if (type === 'number' || type === 'integer') return `${type}${rangeOf(schema)}`
  return type === 'object' ? 'map' : Array.isArray(type) ? type.join(' or ') : (type ?? 'anything')
}

function rangeOf({ minimum, exclusiveMinimum, maximum = Number.MAX_SAFE_INTEGER }: Schema): string {
  const from = exclusiveMinimum === undefined ? minimum : exclusiveMinimum
  if (from === undefined || from <= Number.MIN_SAFE_INTEGER) return ''
  const least = exclusiveMinimum === undefined ? `from ${from}` : `above ${from}`
  return ` ${least}${maximum < Number.MAX_SAFE_INTEGER ? ` to ${maximum}` : ''}`
}

for (const [name, content] of Object.entries(files)) {
  const file = join(root, name)
  if (!process.argv.includes('--check')) writeFileSync(file, content)
  else if (readFileSync(file, 'utf8') !== content) {
    console.error(`${name} is not what the code says; run \`npm run docs\`.`)
    process.exitCode = 1
  }
}
