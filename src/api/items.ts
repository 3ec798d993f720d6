// The items of a run, by state and step, in the order of submission, a page at a time.
import { SchedulerError } from '../core/errors.ts'
import type { StoreStats } from '../stores/store.ts'
import type { Answer, Input } from './schemas/items.ts'
import type { ReadingUseCase } from './use-case.ts'

export const items: ReadingUseCase<Input, Answer> = {
  name: 'items',
  description: 'The items of a run, by state and step.',
  schemas: () => import('./schemas/items.ts'),
  effect: 'reads',
  async answerOf({ store }, { state, step, after, limit }) {
    if (step !== undefined) assertKnown(step, await store.stats())
    return (await store.list({ state, step, after, limit })).items
  },
}

function assertKnown(step: string, { groups }: StoreStats): void {
  const known = [...new Set(groups.flatMap((each) => each.step ?? []))]
  if (known.includes(step)) return
  const names = known.length > 0 ? `Steps: ${known.join(', ')}.` : 'There are none.'
  throw new SchedulerError('BAD_VALUE', `No items are of a step "${step}". ${names}`)
}
