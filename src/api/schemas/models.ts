// The models of a pipeline: the input and the answer.
import { z } from 'zod'
import { amount, whole } from './numbers.ts'

const batchProfile = z.object({
  max: whole.describe('Most items in one batch.'),
  overheadMs: amount.describe('A batch of n items takes overheadMs + perItemMs × n ^ exponent.'),
  perItemMs: amount,
  exponent: z.number(),
  activationBytes: amount.describe('What each item of a running batch needs on top.'),
})

const footprint = z.object({
  kind: z.string().describe('Of device.'),
  residentBytes: amount.describe('What an instance holds that runs nothing.'),
  residentCount: amount.describe('Instances that this is from.'),
  loadingBytes: amount.describe('What it holds at most while it is loaded; 0: no more than that.'),
  active: z
    .array(z.object({ itemCount: amount, seenCount: amount, bytes: amount, batchCount: amount }))
    .describe('What a batch of up to itemCount items holds on top, and the batches that this is from.'),
  errorRatio: amount.describe('Mean error of what was booked: 0.05 is 5 %.'),
})

const measured = z.object({
  loads: whole,
  loadMs: amount.describe('Mean of the loads.'),
  unloads: whole,
  unloadMs: amount.describe('Mean time until the memory was back.'),
  peakBytes: amount.describe('Most that was seen of an instance; 0: the device does not measure.'),
  items: whole.describe('Items that ran.'),
  itemMs: amount.describe('Their mean share of a batch.'),
  batches: z
    .object({ count: whole, items: whole, ms: amount, itemsSquared: amount, itemsMs: amount })
    .describe('Sums over the batches.'),
})

const model = z.object({
  id: z.string(),
  vramBytes: amount
    .nullable()
    .describe('As declared; 0: it needs no device; null: its first load measures it.'),
  isSized: z.boolean().describe('A size is declared.'),
  loadMs: amount.describe('Declared, like all times up to `learned`.'),
  unloadMs: amount,
  batch: batchProfile,
  concurrency: whole.describe('Batches that one instance runs at once.'),
  keepAliveMs: z
    .number()
    .nullable()
    .describe('An instance that is idle for so long is stopped; null: only to make room.'),
  isPinned: z.boolean(),
  isPreloaded: z.boolean(),
  learned: z.array(footprint).describe('What runs have learned, by kind of device.'),
  measured: measured.nullable().describe('What the last run measured; null: it did not run it.'),
})

export const input = z.strictObject({})
export const answer = z.array(model)

export type KnownModel = z.infer<typeof model>
export type Footprint = z.infer<typeof footprint>

export type Input = z.infer<typeof input>
export type Answer = z.infer<typeof answer>
