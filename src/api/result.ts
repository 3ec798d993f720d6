// One item: what it was given, what it answered, or why it did not.
import { z } from 'zod'
import { findItem, storedItem } from './item.ts'
import type { ReadingUseCase } from './use-case.ts'

const resultInput = z.strictObject({ id: z.string().min(1).describe('Its id, or the beginning of it.') })

export const result: ReadingUseCase<z.infer<typeof resultInput>, z.infer<typeof storedItem>> = {
  name: 'result',
  description: 'What an item answered, or why it did not.',
  input: resultInput,
  answer: storedItem,
  effect: 'reads',
  answerOf: ({ store }, { id }) => findItem(store, id),
}
