// The sketch that Plimsoll began with (seed/rust-gpu-scheduling.txt, GPUScheduler::get_next_batch):
// one resident model; as long as it has ready items it runs, by priority; when its queue is empty,
// the model with the most ready items is loaded in its place. Ties, which the sketch leaves to the
// order of a hash map, end at the order in which the models are listed. Several devices share the
// queues and follow the rule each for itself. Policy S of the lab (docs/policy.md).
import type { Model } from '../../core/model.ts'
import type { ModelState } from '../../core/state/state.ts'
import { plainOrder } from '../../core/work/queue-head.ts'
import type { SimulatedPolicy } from '../simulate.ts'
import { canHold, follow, instanceOf, largestBatch, type Rule } from './follow.ts'

export const seed: SimulatedPolicy = {
  name: 'seed',
  create: (_, models) => (state) => follow(state, ruleFor(models)),
}

function ruleFor(models: readonly Model[]): Rule {
  return {
    isAlone: true,
    overlaps: false,
    victims: (device) => device.instances.filter(({ phase }) => phase === 'ready'),
    next(state, device) {
      for (const instance of device.instances) {
        const maxCount = largestBatch(instance)
        if (maxCount > 0) return { type: 'run', instance, maxCount, order: plainOrder }
      }
      let most: ModelState | null = null
      for (const { id } of models) {
        const model = state.modelById.get(id)!
        if (model.readyCount === 0 || !canHold(device, model) || instanceOf(device, model)) continue
        if (!most || model.readyCount > most.readyCount) most = model
      }
      return most && { type: 'load', model: most }
    },
  }
}
