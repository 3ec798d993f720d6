// Failed or cancelled items are new again, with what failed because of them: by id, or all that failed.
import { z } from 'zod'
import { findIds, itemIds } from './item.ts'
import { type ChangingUseCase, whole } from './use-case.ts'

const retryInput = z.strictObject({ ids: itemIds.optional().describe('Left out: all that failed.') })
const retryAnswer = z.object({
  retriedCount: whole.describe('Items that are tried again; those in other states stay as they are.'),
})

export const retry: ChangingUseCase<z.infer<typeof retryInput>, z.infer<typeof retryAnswer>> = {
  name: 'retry',
  description: 'Make failed or cancelled items new again, and what failed because of them.',
  input: retryInput,
  answer: retryAnswer,
  effect: 'changes',
  async answerOf({ store, jobs }, { ids }) {
    return jobs.retry(ids ? await findIds(store, ids) : { state: 'failed' })
  },
}
