// plimsoll.example.yaml is what people copy from: it has every key that the schema has.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { policyOptions } from '../core/policy.ts'
import type { PipelineFile } from './pipeline-file.ts'
import { pipelineSchema } from './schema.ts'

interface Schema {
  description?: string
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  additionalProperties?: Schema | boolean
}

function keysOf({ properties = {}, items, anyOf = [], additionalProperties }: Schema): string[] {
  const inner = [items, additionalProperties, ...anyOf].filter((each) => typeof each === 'object')
  const own = Object.entries(properties).flatMap(([key, each]) => [key, ...keysOf(each)])
  return [...own, ...inner.flatMap(keysOf)]
}

test('the example has every key but the options of the policy, which docs/configuration.md lists', () => {
  const schema = z.toJSONSchema(pipelineSchema, { io: 'input' }) as Schema
  const { policy: _, ...properties } = schema.properties!
  const keys = keysOf({ properties })
  assert.ok(keys.includes('forEach') && keys.includes('unloadTime'))
  const example = readFileSync(resolve(import.meta.dirname, '../../plimsoll.example.yaml'), 'utf8')
  const missing = keys.filter((key) => !new RegExp(`(^|[ {#])${key}:`, 'm').test(example))
  assert.deepEqual(missing, [])
})

/** Path and schema of every key. */
function entriesOf(
  { properties = {}, items, anyOf = [], additionalProperties, required = [] }: Schema,
  at = '',
): {
  path: string
  text: string
  isRequired: boolean
}[] {
  const inner = [items, additionalProperties, ...anyOf].filter((each) => typeof each === 'object')
  const own = Object.entries(properties).flatMap(([key, each]) => [
    { path: `${at}${key}`, text: each.description ?? '', isRequired: required.includes(key) },
    ...entriesOf(each, `${at}${key}.`),
  ])
  return [...own, ...inner.flatMap((each) => entriesOf(each, at))]
}

test('every key says what it means, and one that may be left out what happens then', () => {
  const entries = entriesOf(z.toJSONSchema(pipelineSchema, { io: 'input' }) as Schema)
  assert.ok(entries.length > 70)
  const silent = entries.filter(({ text }) => text.length < 15).map(({ path }) => path)
  assert.deepEqual(silent, [])
  const open = entries.filter(
    ({ text, isRequired }) => !isRequired && !/\b[Dd]efault|^One of |Left out|Required/.test(text),
  )
  assert.deepEqual(
    open.map(({ path }) => path),
    [],
  )
})

type Input = z.input<typeof pipelineSchema>

test('a file of the type PipelineFile is one that the schema takes', () => {
  const file: PipelineFile = {
    name: 'small',
    gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
    models: { echo: { module: 'echo.js', vram: '1MB', keepAlive: -1 } },
    policy: { maxWait: '5m', goal: 'latency', tenants: { a: 2 } },
    sources: { texts: { files: ['*.txt'] } },
    steps: { say: { source: 'texts', model: 'echo', needs: { other: 'skip' } } },
  }
  // Each is given for the other: the compiler says where they differ.
  const input: Input = { ...file, policy: { ...file.policy } }
  const again: PipelineFile = input
  assert.equal(pipelineSchema.safeParse(again).error, undefined)
})

test('every option of the policy says where its default is from', () => {
  for (const [name, { text }] of Object.entries(policyOptions))
    assert.match(text, /Lab: |Study: |Chosen, not measured|From /, name)
})
