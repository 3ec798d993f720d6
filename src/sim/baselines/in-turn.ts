// The model whose item has been ready longest is next: the family of FIFO baselines. They differ
// in how many items go into a batch, how many models stay, and when another model's turn comes.
import type { SimulatedPolicy } from '../simulate.ts'
import { canHold, firstInFirstOut, follow, instanceOf, largestBatch, type Rule } from './follow.ts'
import { RecentUse } from './recent-use.ts'

export interface InTurn {
  name: string
  /** Only one model is on a device. */
  isAlone: boolean
  /** in-row: items that became ready next to each other. model: all ready items of the model. */
  batch: 'in-row' | 'model'
  /** A model that runs goes on until its queue is empty. */
  isExhaustive: boolean
}

export function inTurn({ name, isAlone, batch, isExhaustive }: InTurn): SimulatedPolicy {
  return {
    name,
    create(backlog) {
      const recent = new RecentUse()
      const rule: Rule = {
        isAlone,
        overlaps: false,
        victims: (device) => recent.order(device),
        next(state, device) {
          const current = isExhaustive ? recent.order(device).at(-1) : undefined
          const goesOn = current !== undefined && current.model.readyCount > 0
          const modelId = goesOn
            ? current.model.model.id
            : backlog.oldestModel((id) => canHold(device, state.modelById.get(id)!))
          if (modelId === null) return null
          const model = state.modelById.get(modelId)!
          const instance = instanceOf(device, model)
          if (!instance) return { type: 'load', model }
          const most = largestBatch(instance)
          const maxCount = batch === 'model' ? most : Math.min(most, backlog.countInRow(modelId, most))
          if (maxCount === 0) return null
          recent.use(instance)
          return { type: 'run', instance, maxCount, order: firstInFirstOut }
        },
      }
      return (state) => follow(state, rule)
    },
  }
}
