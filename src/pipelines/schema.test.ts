// plimsoll.example.yaml is what people copy from: it has every key that the schema has.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { pipelineSchema } from './schema.ts'

interface Schema {
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
