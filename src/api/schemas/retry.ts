// Retrying items: the input and the answer.
import { z } from 'zod'
import { itemIds } from './item.ts'
import { whole } from './numbers.ts'

export const input = z.strictObject({ ids: itemIds.optional().describe('Left out: all that failed.') })
export const answer = z.object({
  retriedCount: whole.describe('Items that are tried again; those in other states stay as they are.'),
})

export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
