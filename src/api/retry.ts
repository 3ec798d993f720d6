// Failed or cancelled items are new again, with what failed because of them: by id, or all that failed.
import { findIds } from './item.ts'
import type { Answer, Input } from './schemas/retry.ts'
import type { ChangingUseCase } from './use-case.ts'

export const retry: ChangingUseCase<Input, Answer> = {
  name: 'retry',
  description: 'Make failed or cancelled items new again, and what failed because of them.',
  schemas: () => import('./schemas/retry.ts'),
  effect: 'changes',
  async answerOf({ store, jobs }, { ids }) {
    return jobs.retry(ids ? await findIds(store, ids) : { state: 'failed' })
  },
}
