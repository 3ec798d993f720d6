// One item: the input and the answer.
import { z } from 'zod'
import { storedItem } from './item.ts'

export const input = z.strictObject({ id: z.string().min(1).describe('Its id, or the beginning of it.') })

export const answer = storedItem

export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
