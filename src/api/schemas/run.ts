// The end of a run: what `plimsoll run --json` prints.
import { z } from 'zod'
import { amount, whole } from './numbers.ts'
import { lateStep } from './plan.ts'

const figures = {
  computeMs: amount.describe(
    'Sum of the batches’ run times, ms; more than the wall time when batches run side by side.',
  ),
  loadMs: amount.describe('Sum of the load times, ms.'),
  loads: whole,
  failedLoads: whole,
  evictions: whole.describe('Instances that were stopped to make room.'),
  batches: whole,
  items: whole.describe(
    'Runs of items, failed ones too: one that was tried twice counts twice, one that was skipped not at all.',
  ),
  failedItems: whole,
  peakBookedBytes: amount,
  peakMeasuredBytes: amount.describe('0: nothing was measured. In the total: the sum of the devices’ peaks.'),
  budgetBytes: amount.describe('What might be promised.'),
}

export const answer = z.object({
  pipeline: z.string(),
  wallMs: amount.describe('Time in which the run was on, without the pauses between resumed runs, ms.'),
  resumes: whole.describe('How often it was taken up again.'),
  knownSinceMs: z
    .number()
    .nullable()
    .describe(
      'What came before is no longer in the journal and not counted; null: all is. By the run’s clock, ms.',
    ),
  ...figures,
  devices: z.array(z.object({ id: z.string(), kind: z.string(), ...figures })),
  itemCount: whole.describe('Items of the pipeline, with those that its fan-outs made.'),
  failedCount: whole.describe('Those that have failed.'),
  openCount: whole.describe('Those that have not ended; the same command goes on with them.'),
  reapedCount: whole.describe('Processes of an earlier run that were still alive and were ended.'),
  leftovers: z.array(z.string()).describe('Those that could not be ended, for people.').readonly(),
  infeasibleDeadlines: z
    .array(lateStep)
    .describe('Steps with deadlines that no order of work could meet when the run began.'),
  unproven: z
    .array(z.object({ instanceId: z.string(), deviceId: z.string(), bytes: amount, cause: z.string() }))
    .describe('Instances whose end or whose memory could not be proven.'),
  results: z.string().describe('The file of the results.'),
  timeline: z.string().describe('The file of the picture.'),
  database: z.string().describe('The file of the database.'),
})

export type Answer = z.infer<typeof answer>
