// How far a run is: items by step and state, how long the rest takes, and of a run that is on what its devices hold and what
// is not as it should be.
import { z } from 'zod'
import { deviceNotes, modelNotes } from '../core/explain/memory.ts'
import { bookedBytes, headroomBytes } from '../core/state/ledger.ts'
import { cpuDeviceId } from '../core/state/state.ts'
import type { LastRun } from '../record/last-run.ts'
import { itemState } from './item.ts'
import { amount, type ReadingUseCase, whole } from './use-case.ts'

const instanceFigures = z.object({
  id: z.string(),
  modelId: z.string(),
  phase: z.string().describe('starting, ready, stopping or quarantined.'),
  bytes: amount.describe('Booked for it.'),
  runningCount: whole.describe('Batches that it runs.'),
})

const deviceFigures = z.object({
  id: z.string(),
  kind: z.string().describe('What reads it, such as nvidia or host.'),
  capacityBytes: amount,
  budgetBytes: amount.describe('What may be promised of it.'),
  bookedBytes: amount.describe('What is promised or held.'),
  headroomBytes: z.number().describe('What may still be promised; below 0: too much is held.'),
  deficitBytes: amount.describe('Held beyond what is booked.'),
  quarantinedBytes: amount.describe('Should have come back, and has not.'),
  foreignBytes: amount.describe('Held by processes that are not ours.'),
  fault: z.string().nullable().describe('What is wrong with it; null: it is well.'),
  instances: z.array(instanceFigures),
})

const statusInput = z.strictObject({})
const statusAnswer = z.object({
  database: z.string().describe('The file.'),
  groups: z
    .array(
      z.object({
        pipeline: z.string().nullable(),
        step: z.string().nullable(),
        modelId: z.string(),
        state: itemState,
        count: whole,
      }),
    )
    .describe('Items by pipeline, step, model and state. Parts that a fan-out made have no step.'),
  isRunning: z.boolean().describe('A run of the database is on.'),
  etaMs: z
    .number()
    .nullable()
    .describe('How long the rest takes, ms; null: nothing is left, or it is not known.'),
  devices: z.array(deviceFigures).describe('Of a run that is on; empty without one.'),
  notes: z.array(z.string()).describe('What is not as it should be, in sentences.'),
})

export type Status = z.infer<typeof statusAnswer>
export type DeviceFigures = z.infer<typeof deviceFigures>

export const status: ReadingUseCase<z.infer<typeof statusInput>, Status> = {
  name: 'status',
  description: 'How far a run is, and what its devices hold.',
  input: statusInput,
  answer: statusAnswer,
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
