// Static residency, as a model server such as NVIDIA Triton does it by default
// (--model-control-mode=none): every model is loaded at the start and stays, batches are formed
// from what waits, the oldest queue first. Only for sets that fit; models are spread over several
// devices largest first, each to the device with the most room, and copied where all still fit.
import { SchedulerError } from '../../core/errors.ts'
import { leastBytes } from '../../core/model.ts'
import type { DeviceId } from '../../core/state/events.ts'
import type { ModelState, State } from '../../core/state/state.ts'
import { formatBytes } from '../../core/units.ts'
import type { SimulatedPolicy } from '../simulate.ts'
import { firstInFirstOut, follow, instanceOf, largestBatch, type Rule } from './follow.ts'

export const triton: SimulatedPolicy = {
  name: 'triton',
  create(backlog) {
    let places: Map<DeviceId, ModelState[]> | null = null
    const rule: Rule = {
      isAlone: false,
      overlaps: true,
      victims: () => [],
      next(state, device) {
        places ??= placeAll(state)
        const model = places.get(device.id)?.find((each) => !instanceOf(device, each))
        if (model && !device.loading) return { type: 'load', model }
        if (device.runningCount >= device.slots) return null
        const canRun = (id: string) => {
          const instance = instanceOf(device, state.modelById.get(id)!)
          return instance !== null && largestBatch(instance) > 0
        }
        const next = backlog.oldestModel(canRun)
        if (next === null) return null
        const instance = instanceOf(device, state.modelById.get(next)!)!
        return { type: 'run', instance, maxCount: largestBatch(instance), order: firstInFirstOut }
      },
    }
    return (state) => follow(state, rule)
  },
}

/** Throws NEVER_FITS when the set does not fit. */
function placeAll(state: State): Map<DeviceId, ModelState[]> {
  const devices = state.devices.filter(({ budgetBytes }) => budgetBytes > 0)
  const room = new Map(devices.map((each) => [each.id, each.budgetBytes]))
  const places = new Map<DeviceId, ModelState[]>(devices.map(({ id }) => [id, []]))
  const largestFirst = state.models
    .filter(({ model }) => model.vramBytes > 0)
    .sort((a, b) => b.model.vramBytes - a.model.vramBytes)
  const activationBytes = Math.max(0, ...largestFirst.map(({ model }) => model.batch.activationBytes))
  for (const isCopy of [false, true]) {
    for (const model of largestFirst) {
      const [id, freeBytes] =
        [...room].sort((a, b) => b[1] - a[1]).find(([each]) => !places.get(each)!.includes(model)) ?? []
      if (id === undefined || freeBytes! < model.model.vramBytes + activationBytes) {
        if (isCopy) continue
        const bytes = largestFirst.reduce((sum, each) => sum + leastBytes(each.model), 0)
        throw new SchedulerError(
          'NEVER_FITS',
          `Static residency needs ${formatBytes(bytes)} for all models at once; "${model.model.id}" finds no room. Use a policy that loads on demand, or a larger device.`,
        )
      }
      places.get(id)!.push(model)
      room.set(id, freeBytes! - model.model.vramBytes)
    }
  }
  return places
}
