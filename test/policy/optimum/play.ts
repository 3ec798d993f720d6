// Plays a schedule in the simulator: what the search believes of the physics, the
// simulator must confirm to the millisecond.

import type { Command } from '../../../src/core/state/events.ts'
import { headroomBytes } from '../../../src/core/state/ledger.ts'
import type { State } from '../../../src/core/state/state.ts'
import { plainOrder } from '../../../src/core/work/queue-head.ts'
import type { SimulatedPolicy } from '../../../src/sim/simulate.ts'
import type { Workload } from '../../../src/sim/workload.ts'
import type { Action } from './problem.ts'

/** The workload with priorities that make a claim take the items that the schedule
 * names: what starts earlier is higher. */
export function withPriorities({ models, items }: Workload, schedule: readonly Action[]): Workload {
  const inOrder = schedule.flatMap((action) => action.items)
  return { models, items: items.map((item) => ({ ...item, priority: 100 - inOrder.indexOf(item.id) })) }
}

/** Starts each action at its moment, on the first device. Times may differ by the rounding of a sum. */
export function played(schedule: readonly Action[]): SimulatedPolicy {
  return {
    name: 'played',
    create() {
      let next = 0
      return (state, nowMs) => {
        const action = schedule[next]
        if (!action) return { command: null, wakeAtMs: null }
        if (action.startMs > nowMs + 1e-6) return { command: null, wakeAtMs: action.startMs }
        const command = commandOf(state, action)
        if (!command) return { command: null, wakeAtMs: null }
        next++
        return { command, passedOver: [] }
      }
    },
  }
}

/** null: the bytes of an unload of no time are not back yet. */
function commandOf(state: State, { type, model: modelId, items }: Action): Command | null {
  const device = state.devices[0]!
  const names = { modelId, deviceId: device.id, reason: { rule: 'run-best', figures: {} } as const }
  if (type === 'load') {
    const bytes = state.modelById.get(modelId)!.model.vramBytes
    if (bytes > headroomBytes(device)) return null
    return { type: 'start-load', instanceId: `${modelId}-${state.nextInstance}`, bytes, ...names }
  }
  const instanceId = state.modelById.get(modelId)!.instances[0]!.id
  if (type === 'unload') return { type: 'stop-instance', instanceId, makeRoomFor: null, ...names }
  const batchId = `batch-${state.nextBatch}`
  return {
    type: 'run-batch',
    batchId,
    instanceId,
    maxCount: items.length,
    order: plainOrder,
    bytes: 0,
    ...names,
  }
}
