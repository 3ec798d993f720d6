// Cancelling items: the input and the answer.
import { z } from 'zod'
import { itemIds } from './item.ts'
import { whole } from './numbers.ts'

export const input = z.strictObject({ ids: itemIds.min(1) })
export const answer = z.object({
  cancelledCount: whole.describe(
    'Items that were cancelled, with what depends on them. What has ended stays as it is.',
  ),
})

export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
