// The server of polling theory, to check the simulator and for nothing else: one resident
// model, each loaded in its turn even when nothing waits for it, so that every visit is
// preceded by its load. Exhaustive: a visit lasts until the queue is empty; gated: it
// serves what it found. Boxma and Groenendijk's law for such servers is exact (laws.ts).
import type { Command } from '../../src/core/state/events.ts'
import type { DeviceState, InstanceState } from '../../src/core/state/state.ts'
import { firstInFirstOut } from '../../src/sim/baselines/follow.ts'
import type { SimulatedPolicy } from '../../src/sim/simulate.ts'

export type Service = 'exhaustive' | 'gated'

/** Models take turns in the order of the workload, on the first device. */
export function cyclic(service: Service): SimulatedPolicy {
  return {
    name: `cyclic-${service}`,
    create(_, models) {
      let turn = 0
      const nextCommand = (device: DeviceState, number: number, batchNumber: number): Command | null => {
        if (device.loading || device.runningCount > 0 || device.ledger.releasingBytes > 0) return null
        const instance = device.instances[0]
        const model = models[turn]!
        if (!instance) {
          const names = { instanceId: `${model.id}-${number}`, modelId: model.id, deviceId: device.id }
          return { type: 'start-load', ...names, bytes: model.vramBytes, reason }
        }
        const names = { instanceId: instance.id, modelId: model.id, deviceId: device.id }
        if (leftCount(instance, service) > 0) {
          const batch = { batchId: `batch-${batchNumber}`, maxCount: 1, bytes: 0, order: firstInFirstOut }
          return { type: 'run-batch', ...names, ...batch, reason }
        }
        turn = (turn + 1) % models.length
        return { type: 'stop-instance', ...names, makeRoomFor: models[turn]!.id, reason }
      }
      return (state) => {
        const command = nextCommand(state.devices[0]!, state.nextInstance, state.nextBatch)
        return command ? { command, passedOver: [] } : { command: null, wakeAtMs: null }
      }
    },
  }
}

const reason = { rule: 'run-best', figures: {} } as const

/** Items that the visit still has to serve. */
function leftCount({ model, quotaCount }: InstanceState, service: Service): number {
  return service === 'exhaustive' ? model.readyCount : quotaCount
}
