// A run of a pipeline: opens its database, clears up after the last run, submits what is new, and starts the daemon.
// The command line and programs that embed Plimsoll use the same function. In this order, so that kill -9 between any
// two lines is mended by the next start:
//  (1) The store's lock: one run for each database.
//  (2) Processes that the last run left are stopped and proven gone, before devices are first read and any memory is
//      promised.
//  (3) Items that were leased go back to the front of their queues.
//  (4) The pipeline's items are submitted; known ones change nothing. Waiting items that the pipeline, as it is now,
//      no longer has are cancelled as superseded, and come back when it has them again.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { admit } from '../core/admission.ts'
import { parsePolicy } from '../core/policy.ts'
import type { SchedulerEvent } from '../core/protocol.ts'
import type { NewItem } from '../core/work-item.ts'
import { type OpenedDevice, openDevices } from '../devices/open.ts'
import { expandPipeline } from '../pipelines/expand.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import { pipelineResolver } from '../pipelines/resolver.ts'
import { createRunner } from '../runners/create.ts'
import { RunnerLedger, reapLeftovers } from '../runners/ledger.ts'
import { openSqliteStore } from '../stores/sqlite.ts'
import { allItems, type Store, type StoredItem } from '../stores/store.ts'
import { systemClock } from './clock.ts'
import { Daemon, type DaemonOptions } from './daemon.ts'
import { RunRecord } from './record.ts'
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
  startedAtMs: number
  /** Processes of an earlier run that were still alive. */
  reapedCount: number
  /** Stops every instance and closes the database. */
  close(): Promise<void>
}

const superseded = { code: 'SUPERSEDED', message: 'the pipeline no longer has this item' }

/** Items handed to the store at once: bounds the time of a transaction. */
const submissionSize = 5000

/** Opens, clears up, submits and starts. Throws BAD_PIPELINE, BAD_VALUE, NEVER_FITS, NO_DEVICE, STORE_LOCKED,
 * STORE_CORRUPT. */
export async function startRun({ pipeline, files, inputs = [], onEvent }: RunOptions): Promise<Run> {
  const policy = parsePolicy(pipeline.policy)
  const readsStdin = [...pipeline.sources.values()].some(({ stdin }) => stdin !== undefined)
  const items = expandPipeline(pipeline, { inputs, stdin: readsStdin ? await text(process.stdin) : '' })
  mkdirSync(dirname(files.database), { recursive: true })
  const store = await openSqliteStore({ file: files.database, resolver: pipelineResolver(pipeline) }) // (1)
  let devices: OpenedDevice[] = []
  const close = async () => {
    await Promise.all(devices.map(({ device }) => device.close()))
    await store.close()
  }
  try {
    const reapedCount = await reapLeftovers(files.runners) // (2)
    mkdirSync(files.logs, { recursive: true })
    devices = await openDevices(pipeline.gpus)
    let record: RunRecord | null = null
    const daemon = createDaemon(pipeline, files, devices, {
      store,
      policy,
      clock: systemClock,
      random: Math.random,
      onEvent(event) {
        record?.add(event)
        onEvent?.(event)
      },
    })
    admit(
      daemon.state,
      items.map(({ modelId }) => modelId),
    )
    await store.releaseAll(systemClock.nowMs()) // (3)
    const addedCount = await submit(store, items) // (4)
    record = new RunRecord(files.record, pipeline.name, daemon.state, systemClock.nowMs())
    daemon.start()
    const startedAtMs = systemClock.nowMs()
    return { daemon, store, record, items, addedCount, startedAtMs, reapedCount, close }
  } catch (error) {
    await close()
    throw error
  }
}

function createDaemon(
  pipeline: Pipeline,
  files: RunFiles,
  opened: readonly OpenedDevice[],
  options: Omit<DaemonOptions, 'models' | 'devices' | 'runners'>,
): Daemon {
  const ledger = new RunnerLedger(files.runners)
  const { models, runnerSpecs } = pipeline
  const runners = new Map(
    [...runnerSpecs].map(([modelId, spec]) => [
      modelId,
      createRunner(spec, { ledger, logFolder: files.logs }),
    ]),
  )
  const devices = opened.map(({ device, capacityBytes, safetyRatio }) => {
    const { id, kind } = device
    return { options: { id, kind, capacityBytes, safetyRatio }, device }
  })
  return new Daemon({ ...options, models, devices, runners })
}

/** Adds what is new, takes back what an earlier run cancelled as superseded, and cancels what no longer belongs. */
async function submit(store: Store, items: readonly NewItem[]): Promise<number> {
  const nowMs = systemClock.nowMs()
  const ids = new Set(items.map(({ id }) => id))
  const current = await allItems(store)
  const isOurs = ({ id, parentId }: StoredItem) => ids.has(id) || (parentId !== null && ids.has(parentId))
  const left = current.filter(
    (item) => ['blocked', 'scheduled', 'ready'].includes(item.state) && !isOurs(item),
  )
  const back = current.filter(
    (item) => item.state === 'cancelled' && item.error?.code === superseded.code && isOurs(item),
  )
  if (left.length > 0)
    await store.cancel(
      left.map(({ id }) => id),
      nowMs,
      superseded,
    )
  if (back.length > 0)
    await store.retry(
      back.map(({ id }) => id),
      nowMs,
    )
  let addedCount = 0
  for (let from = 0; from < items.length; from += submissionSize) {
    addedCount += (await store.submit(items.slice(from, from + submissionSize), nowMs)).addedCount
  }
  return addedCount
}
