// Why an item waits: the input and the answer.
import { z } from 'zod'
import { itemState } from './item.ts'

export const input = z.strictObject({
  id: z.string().min(1).describe('The id of an item, or the beginning of it.'),
})
export const answer = z.object({
  id: z.string().describe('The whole id.'),
  state: itemState,
  reasons: z.array(z.string()).describe('What it waits for, or why it does not, in sentences.'),
  startsInMs: z
    .number()
    .nullable()
    .describe('From now, ms; null: it does not wait, or that cannot be foreseen.'),
})

export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
