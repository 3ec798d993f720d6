// A page of items: the input and the answer.
import { z } from 'zod'
import { pageSize } from '../page.ts'
import { itemState, storedItem } from './item.ts'
import { whole } from './numbers.ts'

export const input = z.strictObject({
  state: itemState.optional().describe('Only those in this state.'),
  step: z.string().optional().describe('Only those of this step.'),
  after: whole
    .min(0)
    .default(0)
    .describe('Only those after this sequence: that of the last item of the page before.'),
  limit: whole.min(1).max(pageSize).default(pageSize).describe('At most so many.'),
})
export const answer = z.array(storedItem)

export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
