// Items that have not ended never will, nor what depends on them.
import { z } from 'zod'
import { findIds, itemIds } from './item.ts'
import { type ChangingUseCase, whole } from './use-case.ts'

const cancelInput = z.strictObject({ ids: itemIds.min(1) })
const cancelAnswer = z.object({
  cancelledCount: whole.describe(
    'Items that were cancelled, with what depends on them. What has ended stays as it is.',
  ),
})

export const cancel: ChangingUseCase<z.infer<typeof cancelInput>, z.infer<typeof cancelAnswer>> = {
  name: 'cancel',
  description: 'Cancel items and what depends on them.',
  input: cancelInput,
  answer: cancelAnswer,
  effect: 'changes',
  async answerOf({ store, jobs }, { ids }) {
    return jobs.cancel(await findIds(store, ids))
  },
}
