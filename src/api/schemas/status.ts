// How far a run is: the input and the answer.
import { z } from 'zod'
import { itemState } from './item.ts'
import { amount, whole } from './numbers.ts'

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

export const input = z.strictObject({})
export const answer = z.object({
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

export type DeviceFigures = z.infer<typeof deviceFigures>

export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
