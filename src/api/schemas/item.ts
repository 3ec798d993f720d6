// An item as it is answered: the same as in the store.
import { z } from 'zod'
import { itemStates } from '../../core/work/item.ts'
import type { StoredItem } from '../../stores/store.ts'
import { whole } from './numbers.ts'

export const itemState = z.enum(itemStates, {
  error: ({ input }) => `${JSON.stringify(input)} is not a state. States: ${itemStates.join(', ')}`,
})

const momentOrNone = whole.nullable()

export const storedItem = z.object({
  id: z.string().describe('`<sourceId>_<model>_<hash>`, or what the caller called it.'),
  modelId: z.string().describe('The model that it is run by.'),
  input: z.unknown().describe('What the model is given; of an item with a step that waits: null.'),
  priority: whole.describe('−100 to 100, higher first.'),
  dependencies: z
    .array(z.object({ id: z.string(), policy: z.enum(['fail', 'skip', 'continue']) }))
    .readonly()
    .describe('Items that it needs, and what becomes of it when one does not finish.'),
  step: z.string().nullable().describe('Its step of the pipeline; null: a part that a fan-out made.'),
  sourceId: z.string().nullable().describe('The record of the source that it came from.'),
  source: z.unknown().describe('That record.'),
  maxAttempts: whole.describe('Attempts before it has failed.'),
  timeoutMs: z.number().nullable().describe('Longest run of an attempt, ms; null: the limit of its runner.'),
  deadlineAtMs: z.number().nullable().describe('When it should have ended, ms since 1970.'),
  pipeline: z.string().nullable().describe('The name of its pipeline.'),
  tenant: z.string().nullable().describe('For whom it is done.'),
  sequence: whole.describe('Its place in the order of submission, from 1.'),
  state: itemState.describe('What has become of it.'),
  parentId: z.string().nullable().describe('The fan-out item that made it.'),
  effectivePriority: whole.describe('Its priority, or a higher one of an item that waits for it.'),
  latestEndAtMs: z
    .number()
    .nullable()
    .describe('The earliest deadline of it and of what waits for it, ms since 1970.'),
  output: z.unknown().describe('What the model answered.'),
  error: z
    .object({ code: z.string(), message: z.string() })
    .nullable()
    .describe('Why it failed or was skipped, or what went wrong in its last attempt.'),
  attempt: whole.describe('Attempts so far.'),
  submittedAtMs: z.number().describe('ms since 1970.'),
  readyAtMs: momentOrNone.describe('Since when it could run.'),
  startedAtMs: momentOrNone.describe('When its last attempt began.'),
  endedAtMs: momentOrNone.describe('When it ended.'),
}) satisfies z.ZodType<StoredItem>

export const itemIds = z.array(z.string().min(1)).describe('Ids of items, or beginnings of ids.')
