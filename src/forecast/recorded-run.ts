// A recorded run as a workload, to be run again under another policy or on another card: its items with what
// they waited for and when they were submitted, its models with the sizes and times that were measured, its
// devices and its policy.
import { SchedulerError } from '../core/errors.ts'
import { defaultPolicy } from '../core/policy.ts'
import type { DeviceOptions } from '../core/state/state.ts'
import { findDatabase } from '../record/files.ts'
import { type RunLine, readJournal } from '../record/journal.ts'
import { hasJournal } from '../record/journal-files.ts'
import { measureModels } from '../record/measured.ts'
import { replay } from '../record/replay.ts'
import { type RunSummary, summarizeRun } from '../record/summary.ts'
import type { Workload } from '../sim/workload.ts'
import { openSqliteReader } from '../stores/sqlite/store.ts'
import { allItems } from '../stores/store.ts'
import { bookedModels } from './booked-models.ts'
import { measuredModel } from './plan-workload.ts'
import { ranBefore } from './stored-workload.ts'

export interface RecordedRun {
  name: string
  workload: Workload
  devices: DeviceOptions[]
  policy: RunLine['policy']
  /** What really happened. */
  summary: RunSummary
}

/** Throws BAD_VALUE where there is no such run, or none of its items has run. */
export async function readRecordedRun(database: string): Promise<RecordedRun> {
  const files = findDatabase(database)
  const store = await openSqliteReader(files.database)
  const items = await allItems(store).finally(() => store.close())
  if (!hasJournal(files.journal)) {
    throw new SchedulerError(
      'BAD_VALUE',
      `${files.journal} is missing: the run of ${database} was not recorded, so it cannot be run again. \`plimsoll run PIPELINE\` records it.`,
    )
  }
  const runs = [...readJournal(files.journal)].filter((line) => line.type === 'run')
  const [first, last] = [runs[0], runs.at(-1)]
  if (!first || !last)
    throw new SchedulerError(
      'BAD_VALUE',
      `${files.journal} holds no run. \`plimsoll run PIPELINE\` writes it anew once it is moved away.`,
    )
  const { state } = replay(readJournal(files.journal))!
  const measured = measureModels(readJournal(files.journal))
  const models = bookedModels(state).map((model) => measuredModel(model, measured.get(model.id)))
  const known = new Set(models.map(({ id }) => id))
  const ran = ranBefore(items, first.atMs).filter(({ model }) => known.has(model))
  if (ran.length === 0) {
    throw new SchedulerError(
      'BAD_VALUE',
      `No item of ${database} has run yet. \`plimsoll run PIPELINE\` runs it.`,
    )
  }
  const summary = summarizeRun(readJournal(files.journal))
  return {
    name: last.pipeline,
    workload: { models, items: ran },
    devices: devicesOf(last),
    policy: { ...defaultPolicy, ...last.policy },
    summary,
  }
}

function devicesOf({ devices }: RunLine): DeviceOptions[] {
  return devices
    .filter(({ kind }) => kind !== 'cpu')
    .map(({ id, capacityBytes, budgetBytes }) => ({
      id,
      kind: 'simulated',
      capacityBytes,
      safetyRatio: budgetBytes / capacityBytes,
    }))
}
