// The pipeline file as a JSON schema, as far as the pages that are made of it read it.
import { z } from 'zod'
import { pipelineSchema } from '../src/pipelines/schema.ts'

export interface Schema {
  title?: string
  minimum?: number
  exclusiveMinimum?: number
  maximum?: number
  description?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
}

export const schema = z.toJSONSchema(pipelineSchema, { io: 'input' }) as Schema
