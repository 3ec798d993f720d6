// A run of a pipeline: its database, its processes and its record, started in the order of recovery.ts. The command line
// and programs that embed Plimsoll use the same function.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { leadTimes } from '../core/model.ts'
import { parsePolicy } from '../core/policy.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import { profilesOf } from '../core/state/profile.ts'
import type { State } from '../core/state/state.ts'
import type { NewItem } from '../core/work/item.ts'
import { type OpenedDevice, openDevices } from '../devices/open.ts'
import { expandPipeline } from '../pipelines/expand.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import { pipelineResolver } from '../pipelines/resolver.ts'
import type { RunFiles } from '../record/files.ts'
import { Journal } from '../record/journal.ts'
import { readProfiles, writeProfiles } from '../record/profiles.ts'
import { createRunner } from '../runners/create.ts'
import { reapLeftovers, StartedProcesses } from '../runners/started.ts'
import { openSqliteStore } from '../stores/sqlite/store.ts'
import type { Store } from '../stores/store.ts'
import { type Clock, machineClock } from './clock.ts'
import { Daemon, type DaemonOptions } from './daemon.ts'
import { recover } from './recovery.ts'

/** What was learned is written down so often, ms, and at the end. A kill costs no more. */
const profileMs = 10_000

export interface RunOptions {
  pipeline: Pipeline
  files: RunFiles
  /** Files or `source=glob` that replace a source's; none: the pipeline's own. */
  inputs?: readonly string[]
  onEvent?: (event: SchedulerEvent) => void
}

export interface Run {
  daemon: Daemon
  store: Store
  record: Journal
  /** Items of the pipeline as it is now, without the children that fan-out makes. */
  items: NewItem[]
  addedCount: number
  /** The daemon's, which the moments of items and of the record are of; it may be ahead of the wall clock. */
  clock: Clock
  startedAtMs: number
  /** Processes of an earlier run that were still alive. */
  reapedCount: number
  /** Those of them that cannot be ended, for people; their memory counts as foreign use. */
  leftovers: readonly string[]
  /** Closes the devices and the database; the daemon must have been closed before. */
  close(): Promise<void>
}

/** Opens, clears up, submits and starts. Throws BAD_PIPELINE, BAD_VALUE, NEVER_FITS, NO_DEVICE, STORE_LOCKED,
 * STORE_CORRUPT. */
export async function startRun({ pipeline, files, inputs = [], onEvent }: RunOptions): Promise<Run> {
  const policy = parsePolicy(pipeline.policy)
  const readsStdin = [...pipeline.sources.values()].some(({ stdin }) => stdin !== undefined)
  const stdin = readsStdin ? await text(process.stdin) : ''
  const items = expandPipeline(pipeline, { inputs, stdin })
  mkdirSync(dirname(files.database), { recursive: true })
  let record: Journal | null = null
  let devices: OpenedDevice[] = []
  let leftovers: string[] = []
  const closeDevices = () => Promise.all(devices.map(({ device }) => device.close()))
  let profiledAtMs = machineClock.wallMs()
  let state: State | null = null
  const keepProfiles = () => {
    if (state) writeProfiles(files.profiles, profilesOf(state), pipeline)
  }
  const { daemon, store, clock, addedCount, reapedCount } = await recover({
    items,
    machine: machineClock,
    openStore: () =>
      openSqliteStore({
        file: files.database,
        resolver: pipelineResolver(pipeline),
        leadMs: leadTimes(pipeline.models),
      }),
    async reapLeftovers() {
      const { foundCount, unkillable } = await reapLeftovers(files.runners)
      leftovers = unkillable
      mkdirSync(files.logs, { recursive: true })
      return foundCount
    },
    async createDaemon(store, clock) {
      countDeadlinesFrom(clock.nowMs(), items)
      // Not before what the last run left is gone: it would count as foreign.
      devices = await openDevices(pipeline.gpus)
      return createDaemon(pipeline, files, devices, {
        store,
        policy,
        clock,
        random: Math.random,
        profiles: readProfiles(files.profiles, pipeline),
        onEvent(event) {
          record?.add(event)
          onEvent?.(event)
          if (event.atMs - profiledAtMs < profileMs) return
          profiledAtMs = event.atMs
          keepProfiles()
        },
      })
    },
    onReady(ready, clock) {
      state = ready.state
      record = new Journal(files.record, pipeline.name, state, clock.nowMs())
    },
  }).catch(async (error) => {
    await closeDevices()
    throw error
  })
  return {
    daemon,
    store,
    record: record!,
    items,
    addedCount,
    clock,
    startedAtMs: clock.nowMs(),
    reapedCount,
    leftovers,
    async close() {
      keepProfiles()
      await closeDevices()
      await store.close()
    },
  }
}

/** Until then they are durations: what time it is, is known only when the store is. */
function countDeadlinesFrom(nowMs: number, items: readonly NewItem[]): void {
  for (const item of items) if (item.deadlineAtMs !== null) item.deadlineAtMs += nowMs
}

function createDaemon(
  pipeline: Pipeline,
  files: RunFiles,
  opened: readonly OpenedDevice[],
  options: Omit<DaemonOptions, 'models' | 'devices' | 'runners'>,
): Daemon {
  const started = new StartedProcesses(files.runners)
  const { models, runnerSpecs } = pipeline
  const runners = new Map(
    [...runnerSpecs].map(([modelId, spec]) => [
      modelId,
      createRunner(spec, { started, logFolder: files.logs }),
    ]),
  )
  const devices = opened.map(({ device, capacityBytes, safetyRatio }) => ({
    options: { id: device.id, kind: device.kind, capacityBytes, safetyRatio },
    device,
  }))
  return new Daemon({ ...options, models, devices, runners })
}
