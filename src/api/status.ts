// How far a run is: items by step and state, how long the rest takes, and of a run that is on what its
// devices hold and what is not as it should be.
import { deviceNotes, modelNotes } from '../core/explain/memory.ts'
import { bookedBytes, headroomBytes } from '../core/state/ledger.ts'
import { cpuDeviceId } from '../core/state/state.ts'
import type { LastRun } from '../record/last-run.ts'
import type { Answer, DeviceFigures, Input } from './schemas/status.ts'
import type { ReadingUseCase } from './use-case.ts'

export const status: ReadingUseCase<Input, Answer> = {
  name: 'status',
  description: 'How far a run is, and what its devices hold.',
  schemas: () => import('./schemas/status.ts'),
  effect: 'reads',
  async answerOf(host) {
    const { groups } = await host.store.stats()
    const last = await host.lastRun()
    const isRunning = last?.isRunning ?? false
    return {
      database: host.files.database,
      groups,
      isRunning,
      etaMs: last && (await host.restMs({ groups })),
      devices: last && isRunning ? figuresOf(last) : [],
      notes: last && isRunning ? notesOf(last) : [],
    }
  },
}

/** What is not as it should be with the devices and models of a run, in sentences. */
export function notesOf({ state, nowMs }: Pick<LastRun, 'state' | 'nowMs'>): string[] {
  return [
    ...state.devices.flatMap((device) => deviceNotes(state, device, nowMs)),
    ...state.models.flatMap((model) => modelNotes(state, model, nowMs)),
  ]
}

function figuresOf({ state }: LastRun): DeviceFigures[] {
  return state.devices
    .filter(({ id }) => id !== cpuDeviceId)
    .map((device) => {
      const { id, kind, capacityBytes, budgetBytes, ledger, deficitBytes, foreignBytes, fault } = device
      return {
        id,
        kind,
        capacityBytes,
        budgetBytes,
        bookedBytes: bookedBytes(ledger),
        headroomBytes: headroomBytes(device),
        deficitBytes,
        quarantinedBytes: ledger.quarantinedBytes,
        foreignBytes,
        fault,
        instances: device.instances.map(({ id, model, phase, bytes, runningCount }) => {
          return { id, modelId: model.model.id, phase, bytes, runningCount }
        }),
      }
    })
}
