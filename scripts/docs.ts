// Writes what is made from the code: plimsoll.schema.json, which editors use, docs/configuration.md and the type
// PipelineFile from the schema of the pipeline file, docs/json.md from those of the answers. With --check it only
// says whether they are as they should be.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { useCases } from '../src/api/index.ts'
import { storedItem } from '../src/api/schemas/item.ts'
import { answer as runAnswer } from '../src/api/schemas/run.ts'
import { type Schema, schema } from './schema.ts'
import { interfacesOf, publicComment } from './schema-types.ts'

const root = resolve(import.meta.dirname, '..')
const itemSchema = toSchema(storedItem)
const linkToItem = ['An [item](#an-item).']
const fileExample = `const file: PipelineFile = {
  name: 'shout',
  gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
  models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
  sources: { words: { list: [{ text: 'hello' }] } },
  steps: { shout: { source: 'words', model: 'loud', input: '\${source.text}' } },
}
definePipeline(file).name // => 'shout'`
const files: Record<string, string> = {
  'plimsoll.schema.json': `${JSON.stringify(schema, null, 2)}\n`,
  'docs/configuration.md': `${configuration()}\n`,
  'src/pipelines/pipeline-file.ts': types(),
  'docs/json.md': `${await json()}\n`,
}

function configuration(): string {
  const head = [
    '# Configuration',
    '',
    'Every key of a pipeline file. This page and `plimsoll.schema.json` are made from `src/pipelines/schema.ts` by `npm run docs`;',
    '[plimsoll.example.yaml](../plimsoll.example.yaml) shows the keys in use. A size is `4.5GB`, `4.5G`, `512MiB` or, from a million on, a number of bytes (GB is 10⁹, GiB 2³⁰);',
    'a duration is `250ms`, `1.5s`, `10m`, `1h30m`, `2d` or 0; any other number is asked for its unit. Each key of `policy` can be set for one run with `--set policy.KEY=VALUE`.',
    '',
    '| key | values | meaning |',
    '|---|---|---|',
  ]
  return [...head, ...rows(schema, '', 'Optional. ')].join('\n')
}

function types(): string {
  return `// The pipeline file as a type, for \`definePipeline\`. Made from schema.ts by \`npm run docs\`: change it there.

${publicComment('A size: `4.5GB`, `512MiB`, or a number of bytes.', "const size: Size = '4.5GB'")}export type Size = string | number

${publicComment('A duration: `250ms`, `1.5s`, `10m`, `2h`, or a number of milliseconds.', "const duration: Duration = '10m'")}export type Duration = string | number

${interfacesOf({ name: 'PipelineFile', text: 'A pipeline, as it is written in YAML.', example: fileExample }, schema)}`
}

/** What each command prints with --json, from the schemas that check it. */
async function json(): Promise<string> {
  const pages = [page('run', 'The end of a run.', fieldsOf(runAnswer))]
  for (const { name, description, schemas } of useCases)
    pages.push(page(name, description, fieldsOf((await schemas()).answer)))
  pages.push(page('export', 'Every item, in the order of submission; also without `--json`.', linkToItem))
  pages.push(
    page('An item', 'As `items` lists it, and as `result` and `export` write it.', table(itemSchema)),
  )
  return [
    '# JSON',
    '',
    'What each command prints with `--json`: one value on one line (`export`: a line for each item). This page is',
    'made by `npm run docs` from the schemas in `src/api/schemas/`, which check the same answers where a running',
    'daemon gives them. Fields may be added. Durations and moments are in ms, sizes in bytes.',
    '',
    'An error is `{"error": {"code", "message", "details"}}`, with the codes and exit codes of [errors.md](errors.md).',
    '',
    '`simulate --json` prints the result of the simulation with the names of `src/sim/report.ts`, `doctor --json` its',
    'findings and devices; both may still change.',
    ...pages.flat(),
  ].join('\n')
}

function page(title: string, description: string, fields: string[]): string[] {
  return ['', `## ${title}`, '', description, '', ...fields]
}

function fieldsOf(answer: z.ZodType): string[] {
  if (answer === storedItem) return linkToItem
  const schema = toSchema(answer)
  if (schema.items === undefined) return table(schema)
  const isItems = JSON.stringify(schema.items) === JSON.stringify(itemSchema)
  return isItems ? ['A list of [items](#an-item).'] : ['A list of:', '', ...table(schema.items)]
}

function toSchema(answer: z.ZodType): Schema {
  const { $schema, ...schema } = z.toJSONSchema(answer, { io: 'output' })
  return schema as Schema
}

function table(schema: Schema): string[] {
  return ['| field | value | meaning |', '|---|---|---|', ...rows(schema, '', 'May be left out. ')]
}

function rows({ properties = {}, required = [] }: Schema, prefix: string, optional: string): string[] {
  return Object.entries(properties).flatMap(([key, value]) => {
    const path = `${prefix}${key}`
    const text = `${required.includes(key) ? '' : optional}${value.description ?? ''}`.trim()
    const inner = innerOf(value).flatMap(([end, schema]) => rows(schema, `${path}${end}`, optional))
    return [`| \`${path}\` | ${valuesOf(value)} | ${text} |`, ...new Set(inner)]
  })
}

/** The objects in a value, with what stands between its path and theirs. */
function innerOf(value: Schema): [string, Schema][] {
  const { properties, items, additionalProperties, anyOf = [] } = value
  const inner = anyOf.flatMap(innerOf)
  if (properties) inner.push(['.', value])
  if (typeof additionalProperties === 'object' && additionalProperties.properties)
    inner.push(['.NAME.', additionalProperties])
  if (items) inner.push(...innerOf(items).map(([end, schema]): [string, Schema] => [`[]${end}`, schema]))
  return inner
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
