// The forecast of a pipeline: the input and the answer.
import { z } from 'zod'
import { amount, whole } from './numbers.ts'

const choice = z.object({
  gpus: z.string().describe('What the choice is called in the answer.'),
  memoryBytes: z.array(whole.positive()).min(1).describe('The memory of each card.'),
})

export const lateStep = z.object({
  step: z.string(),
  count: whole.describe('Items whose deadline cannot be met.'),
  datedCount: whole.describe('Items that have one.'),
  givenMs: z.number().describe('Of the one that is latest: the time it has.'),
  neededMs: z.number().describe('The time it takes.'),
  loadedMs: z.number().describe('The time it would take were its models loaded.'),
})

const forecastAnswer = z.object({
  gpus: z.string(),
  capacityBytes: amount,
  makespanMs: amount.describe('From the start to the last end.'),
  loads: whole,
  evictions: whole.describe('Instances that are stopped to make room.'),
  busyRatio: amount.describe('Share of the time in which a card computes.'),
  stallRatio: amount.describe('Share of the time in which work waits for a load.'),
  peakBytes: amount,
  waitMs: amount.describe('Mean wait of an item.'),
  bottleneck: z.enum(['compute', 'loads', 'dependencies']).describe('What a faster run would need most.'),
  deadlines: z.object({ met: whole, missed: whole }).loose(),
  infeasibleDeadlines: z.array(lateStep).describe('Steps with deadlines that no order of work can meet.'),
})

const tooSmall = z.object({
  gpus: z.string(),
  capacityBytes: amount,
  tooSmall: z.string().describe('Which model does not fit, and what is missing.'),
})

export const input = z.strictObject({
  records: whole
    .min(1)
    .optional()
    .describe('Records of each source of files or standard input; left out: those that are there.'),
  choices: z.array(choice).min(1).optional().describe("Cards to compare; left out: the pipeline's own."),
})

export const answer = z.object({
  items: whole.describe('Items that were planned.'),
  isMeasured: z.boolean().describe('Times and shares are from earlier runs.'),
  forecasts: z.array(z.union([forecastAnswer, tooSmall])).describe('One for each choice, in order.'),
  enough: z.string().describe('The smallest choice that is nearly as fast as the best.'),
  unsizedModels: z
    .array(z.string())
    .describe('Models of unknown size: counted as needing a whole card alone.'),
})

export type Cards = z.infer<typeof choice>
export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
