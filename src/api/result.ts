// One item: what it was given, what it answered, or why it did not.
import { findItem } from './item.ts'
import type { Answer, Input } from './schemas/result.ts'
import type { ReadingUseCase } from './use-case.ts'

export const result: ReadingUseCase<Input, Answer> = {
  name: 'result',
  description: 'What an item answered, or why it did not.',
  schemas: () => import('./schemas/result.ts'),
  effect: 'reads',
  answerOf: ({ store }, { id }) => findItem(store, id),
}
