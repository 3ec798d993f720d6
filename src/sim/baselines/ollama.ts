// Ollama (github.com/ollama/ollama, server/sched.go: processPending, findRunnerToUnload):
// requests are taken from one queue in arrival order. One for a resident model goes to its
// runner; one for a missing model holds up all behind it until the model is there. One load at a
// time. To make room the runner with the shortest keep-alive goes, an idle one first; all have
// the same keep-alive here (the default, five minutes, counted from the last use), so it is the
// one unused for longest. Runners work on what they were given while another model is loaded.
import type { ModelId } from '../../core/model.ts'
import type { SimulatedPolicy } from '../simulate.ts'
import { canHold, firstInFirstOut, follow, instanceOf, largestBatch, type Rule } from './follow.ts'
import { RecentUse } from './recent-use.ts'

export const ollama: SimulatedPolicy = {
  name: 'ollama',
  create(backlog) {
    const recent = new RecentUse()
    /** The turn of the first item for a missing model: those behind it are not given out. */
    let heldFrom = Number.POSITIVE_INFINITY
    const isGiven = (modelId: ModelId) => backlog.firstTurn(modelId) < heldFrom
    const rule: Rule = {
      isAlone: false,
      overlaps: true,
      victims: (device) => recent.order(device).filter(({ model }) => !isGiven(model.model.id)),
      next(state, device) {
        const isOut = (id: string) =>
          !state.modelById.get(id)!.instances.some(({ phase }) => phase === 'ready')
        const missing = backlog.oldestModel((id) => isOut(id) && canHold(device, state.modelById.get(id)!))
        heldFrom = missing === null ? Number.POSITIVE_INFINITY : backlog.firstTurn(missing)
        const isHere = (id: string) => instanceOf(device, state.modelById.get(id)!) !== null
        const given = backlog.oldestModel((id) => isHere(id) && isGiven(id))
        if (given !== null && device.runningCount < device.slots) {
          const instance = instanceOf(device, state.modelById.get(given)!)
          const most = instance ? largestBatch(instance) : 0
          const maxCount = Math.min(most, backlog.countBefore(given, heldFrom, most))
          if (instance && maxCount > 0) {
            recent.use(instance)
            return { type: 'run', instance, maxCount, order: firstInFirstOut }
          }
        }
        const isUnderWay = missing !== null && state.modelById.get(missing)!.instances.length > 0
        return missing === null || isUnderWay ? null : { type: 'load', model: state.modelById.get(missing)! }
      },
    }
    return (state) => follow(state, rule)
  },
}
