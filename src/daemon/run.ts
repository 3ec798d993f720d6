// A run of one pipeline: a daemon that is given the pipeline's items and works until they are done. The
// command line and programs that embed Plimsoll use the same function. It reads no standard input: whoever
// calls it passes the text in.
import { admit } from '../core/decide/admission.ts'
import { parsePolicy } from '../core/policy.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import type { NewItem } from '../core/work/item.ts'
import { expandPipeline } from '../pipelines/expand.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import { pipelineResolver } from '../pipelines/resolver.ts'
import type { RunFiles } from '../record/files.ts'
import type { JournalWriter } from '../record/journal-writer.ts'
import type { Store } from '../stores/store.ts'
import type { Clock } from './clock.ts'
import type { Daemon, Rest } from './daemon.ts'
import type { Jobs } from './jobs.ts'
import { type OpenDaemon, openDaemon } from './open.ts'
import type { EventStream } from './subscribe.ts'

export interface RunOptions {
  pipeline: Pipeline
  files: RunFiles
  /** Files or `source=glob` that replace a source's; none: the pipeline's own. */
  inputs?: readonly string[]
  /** Text for the source that reads standard input; default: none. */
  stdin?: string
  /** Called with every event, in order, before it is applied. It must not throw. */
  onEvent?: (event: SchedulerEvent) => void
}

export interface Run {
  addedCount: number
  pipeline: Pipeline
  files: RunFiles
  daemon: Daemon
  store: Store
  /** The daemon's, which the moments of items and of the journal are of; it may be ahead of the wall
   * clock. */
  clock: Clock
  /** Submit, cancel and retry while it runs. */
  jobs: Jobs
  events: EventStream
  journal: JournalWriter
  /** Items of the pipeline as it is now, without the parts that fan-out makes. */
  items: NewItem[]
  startedAtMs: number
  /** Processes of an earlier run that were still alive. */
  reapedCount: number
  /** Those of them that cannot be ended, for people; their memory counts as foreign use. */
  leftovers: readonly string[]
  /** Resolves when nothing is left that could run, or a drain has ended; rejects when the daemon cannot go
   * on. */
  finished: Promise<void>
  /** Closes the devices and the database; the daemon must have been closed before. */
  close(): Promise<void>
}

/** Opens, clears up, submits and starts. Throws BAD_PIPELINE, BAD_VALUE, NEVER_FITS, NO_DEVICE, STORE_LOCKED,
 * STORE_CORRUPT. */
export async function startRun({ pipeline, files, inputs, stdin, onEvent }: RunOptions): Promise<Run> {
  const policy = parsePolicy(pipeline.policy)
  const items = expandPipeline(pipeline, { inputs, stdin })
  const resolver = pipelineResolver(pipeline)
  const opened = await openDaemon({
    ...{ files, policy, resolver, machinery: pipeline, name: pipeline.name },
    serves: (name) => name === pipeline.name || name === null,
  })
  try {
    countDeadlinesFrom(opened.clock.nowMs(), items)
    const submitted = await submitRun(opened, pipeline.name, items)
    if (onEvent) opened.events.listen(({ event }) => onEvent(event))
    const journal = opened.start()
    const { daemon, store, clock, jobs, events, leftovers } = opened
    return {
      ...{ pipeline, files, daemon, store, clock, jobs, events, journal, items, ...submitted },
      startedAtMs: clock.nowMs(),
      reapedCount: leftovers.foundCount,
      leftovers: leftovers.unkillable,
      finished: daemon.whenAtRest(isRunOver),
      close: () => opened.close(),
    }
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** Between the opening of a daemon and its start. Throws NEVER_FITS and UNKNOWN_MODEL; then nothing is
 * submitted. */
export async function submitRun(
  { daemon, jobs }: Pick<OpenDaemon, 'daemon' | 'jobs'>,
  pipeline: string,
  items: readonly NewItem[],
): Promise<{ addedCount: number }> {
  for (const modelId of new Set(items.map((item) => item.modelId))) admit(daemon.state, modelId)
  return jobs.submit(pipeline, items)
}

/** Until then they are durations: what time it is, is known only when the store is. */
function countDeadlinesFrom(nowMs: number, items: readonly NewItem[]): void {
  for (const item of items) if (item.deadlineAtMs !== null) item.deadlineAtMs += nowMs
}

/** Nothing is left that could run: nothing is ready, and what is blocked waits for nothing that comes by
 * itself. After the start of a drain no more is asked for than the end of what runs. */
export function isRunOver({ state, dueAtMs }: Rest): boolean {
  if (state.isDraining) return true
  if (state.models.some(({ readyCount }) => readyCount > 0)) return false
  return state.models.every(({ blockedCount }) => blockedCount === 0) || dueAtMs === Number.POSITIVE_INFINITY
}
