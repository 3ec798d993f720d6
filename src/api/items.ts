// The items of a run, by state and step, in the order of submission, a page at a time.
import { z } from 'zod'
import { SchedulerError } from '../core/errors.ts'
import type { StoreStats } from '../stores/store.ts'
import { itemState, storedItem } from './item.ts'
import { type ReadingUseCase, whole } from './use-case.ts'

/** Items of a page at most: an item may be large, and a running daemon writes the answer between two decisions. Chosen. */
export const pageSize = 100

const itemsInput = z.strictObject({
  state: itemState.optional().describe('Only those in this state.'),
  step: z.string().optional().describe('Only those of this step.'),
  after: whole
    .min(0)
    .default(0)
    .describe('Only those after this sequence: that of the last item of the page before.'),
  limit: whole.min(1).max(pageSize).default(pageSize).describe('At most so many.'),
})
const itemsAnswer = z.array(storedItem)

export const items: ReadingUseCase<z.infer<typeof itemsInput>, z.infer<typeof itemsAnswer>> = {
  name: 'items',
  description: 'The items of a run, by state and step.',
  input: itemsInput,
  answer: itemsAnswer,
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
