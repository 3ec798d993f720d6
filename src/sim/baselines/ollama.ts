// Ollama (github.com/ollama/ollama, server/sched.go: processPending, findRunnerToUnload): requests are taken from one
// queue in arrival order. One for a resident model goes to its runner; one for a missing model holds up all behind it
// until the model is there. One load at a time. To make room the runner with the shortest keep-alive goes, an idle one
// first; all have the same keep-alive here (the default, five minutes, counted from the last use), so it is the one
// unused for longest. Runners work on what they were given while another model is loaded.
import type { SimulatedPolicy } from '../simulate.ts'
import { canHold, firstInFirstOut, follow, instanceOf, largestBatch, type Rule } from './follow.ts'
import { RecentUse } from './recent-use.ts'

export const ollama: SimulatedPolicy = {
  name: 'ollama',
  create(backlog) {
    const recent = new RecentUse()
    const rule: Rule = {
      isAlone: false,
      overlaps: true,
      victims: (device) => recent.order(device).filter(({ model }) => !isGiven(device.id, model.model.id)),
      next(state, device) {
        const isOut = (id: string) => {
          const model = state.modelById.get(id)!
          return canHold(device, model) && instanceOf(device, model) === null
        }
        const missing = backlog.oldestModel(isOut)
        heldFrom.set(device.id, missing === null ? Number.POSITIVE_INFINITY : backlog.firstTurn(missing))
        const given = backlog.oldestModel((id) => isGiven(device.id, id) && !isOut(id))
        if (given !== null && device.runningCount < device.slots) {
          const instance = instanceOf(device, state.modelById.get(given)!)
          const most = instance ? largestBatch(instance) : 0
          const maxCount = Math.min(most, backlog.countBefore(given, heldFrom.get(device.id)!, most))
          if (instance && maxCount > 0) {
            recent.use(instance)
            return { type: 'run', instance, maxCount, order: firstInFirstOut }
          }
        }
        return missing === null ? null : { type: 'load', model: state.modelById.get(missing)! }
      },
    }
    /** The turn of the first item for a missing model, by device: those behind it are not given out. */
    const heldFrom = new Map<string, number>()
    const isGiven = (deviceId: string, modelId: string) =>
      backlog.firstTurn(modelId) < (heldFrom.get(deviceId) ?? Number.POSITIVE_INFINITY)
    return (state) => follow(state, rule)
  },
}
