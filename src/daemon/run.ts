// A run of a pipeline: its database, its processes and its record, started in the order of recovery.ts. The command line
// and programs that embed Plimsoll use the same function.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { parsePolicy } from '../core/policy.ts'
import type { SchedulerEvent } from '../core/protocol.ts'
import type { NewItem } from '../core/work-item.ts'
import { openDevice } from '../devices/open.ts'
import { expandPipeline } from '../pipelines/expand.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import { pipelineResolver } from '../pipelines/resolver.ts'
import { createRunner } from '../runners/create.ts'
import { RunnerLedger, reapLeftovers } from '../runners/ledger.ts'
import { openSqliteStore } from '../stores/sqlite.ts'
import type { Store } from '../stores/store.ts'
import { machineClock } from './clock.ts'
import { Daemon, type DaemonOptions } from './daemon.ts'
import { RunRecord } from './record.ts'
import { recover } from './recovery.ts'
import type { RunFiles } from './run-files.ts'

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
  record: RunRecord
  /** Items of the pipeline as it is now, without the children that fan-out makes. */
  items: NewItem[]
  addedCount: number
  /** By the wall clock. */
  startedAtMs: number
  /** Processes of an earlier run that were still alive. */
  reapedCount: number
  /** Closes the database; the daemon must have been closed before. */
  close(): Promise<void>
}

/** Opens, clears up, submits and starts. Throws BAD_PIPELINE, BAD_VALUE, NEVER_FITS, STORE_LOCKED, STORE_CORRUPT. */
export async function startRun({ pipeline, files, inputs = [], onEvent }: RunOptions): Promise<Run> {
  const policy = parsePolicy(pipeline.policy)
  const readsStdin = [...pipeline.sources.values()].some(({ stdin }) => stdin !== undefined)
  const items = expandPipeline(pipeline, { inputs, stdin: readsStdin ? await text(process.stdin) : '' })
  mkdirSync(dirname(files.database), { recursive: true })
  let record: RunRecord | null = null
  const { daemon, store, addedCount, reapedCount } = await recover({
    items,
    machine: machineClock,
    openStore: () => openSqliteStore({ file: files.database, resolver: pipelineResolver(pipeline) }),
    async reapLeftovers() {
      const reapedCount = await reapLeftovers(files.runners)
      mkdirSync(files.logs, { recursive: true })
      return reapedCount
    },
    createDaemon: (store, clock) =>
      createDaemon(pipeline, files, {
        store,
        policy,
        clock,
        random: Math.random,
        onEvent(event) {
          record?.add(event)
          onEvent?.(event)
        },
      }),
    onReady({ state }, clock) {
      record = new RunRecord(files.record, pipeline.name, state, clock.nowMs())
    },
  })
  return {
    daemon,
    store,
    record: record!,
    items,
    addedCount,
    startedAtMs: machineClock.wallMs(),
    reapedCount,
    close: () => store.close(),
  }
}

function createDaemon(
  pipeline: Pipeline,
  files: RunFiles,
  options: Omit<DaemonOptions, 'models' | 'devices' | 'runners'>,
): Daemon {
  const ledger = new RunnerLedger(files.runners)
  const { models, gpus, runnerSpecs } = pipeline
  const runners = new Map(
    [...runnerSpecs].map(([modelId, spec]) => [
      modelId,
      createRunner(spec, { ledger, logFolder: files.logs }),
    ]),
  )
  const devices = gpus.map((gpu) => {
    const { id, kind, memoryBytes: capacityBytes, safetyRatio } = gpu
    return { options: { id, kind, capacityBytes, safetyRatio }, device: openDevice(gpu) }
  })
  return new Daemon({ ...options, models, devices, runners })
}
