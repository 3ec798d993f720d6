// Items that have not ended never will, nor what depends on them.
import { findIds } from './item.ts'
import type { Answer, Input } from './schemas/cancel.ts'
import type { ChangingUseCase } from './use-case.ts'

export const cancel: ChangingUseCase<Input, Answer> = {
  name: 'cancel',
  description: 'Cancel items and what depends on them.',
  schemas: () => import('./schemas/cancel.ts'),
  effect: 'changes',
  async answerOf({ store, jobs }, { ids }) {
    return jobs.cancel(await findIds(store, ids))
  },
}
