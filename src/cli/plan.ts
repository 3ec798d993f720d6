// `plimsoll plan PIPELINE`: how long a pipeline would take on a card, before anyone buys it: the same decisions, simulated,
// with times measured by earlier runs or, where there are none, declared ones.
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { SchedulerError } from '../core/errors.ts'
import { parsePolicy } from '../core/policy.ts'
import { createState, type DeviceOptions } from '../core/state.ts'
import { formatBytes, formatMs } from '../core/units.ts'
import { readRecord } from '../daemon/record.ts'
import { databaseOf, type RunFiles, runFiles } from '../daemon/run-files.ts'
import { openDevices } from '../devices/open.ts'
import { type Pipeline, readPipeline } from '../pipelines/pipeline.ts'
import { readSources } from '../pipelines/sources.ts'
import type { SimulationResult } from '../sim/report.ts'
import { simulate } from '../sim/simulate.ts'
import type { Workload } from '../sim/workload.ts'
import { openSqliteReader } from '../stores/sqlite.ts'
import { type DatedItem, formatLate, type LateStep, lateSteps } from './deadlines.ts'
import { type Measured, measureModels } from './measured.ts'
import { print, printJson, printTable } from './output.ts'
import { planWorkload, type StepShape, shapesOf } from './plan-workload.ts'
import { parseGpus } from './simulate.ts'

interface Flags {
  sources?: string
  gpu?: string[]
  compare?: string
  db?: string
  json?: boolean
}

interface Forecast
  extends Pick<
    SimulationResult,
    'makespanMs' | 'loads' | 'evictions' | 'busyRatio' | 'stallRatio' | 'peakBytes'
  > {
  gpus: string
  waitMs: number
  /** What a faster run would need most. */
  bottleneck: 'compute' | 'loads' | 'dependencies'
  deadlines: SimulationResult['deadlines']
  /** Steps with deadlines that no order of work can meet on it. */
  infeasibleDeadlines: LateStep[]
}

/** A card is enough when the run takes at most so much longer than on the best one. */
const enoughRatio = 1.05

export function planCommand(): Command {
  const collect = (value: string, all: string[] = []) => [...all, value]
  return new Command('plan')
    .description('forecast how long a pipeline takes on a card, and which card is enough')
    .argument('<pipeline>', 'pipeline file')
    .option('--sources <count>', 'records of each source of files (default: those that are there)')
    .option('--gpu <size>', "memory of the device instead of the pipeline's, such as 16GB or 2x8GB", collect)
    .option('--compare <sizes>', 'several cards beside each other: 8GB,16GB,24GB,2x16GB')
    .option('--db <file>', 'database of earlier runs (default: .plimsoll/<name>.db beside the pipeline)')
    .option('--json', 'answer in JSON')
    .action(plan)
}

async function plan(file: string, flags: Flags): Promise<void> {
  const pipeline = readPipeline(file)
  const files = runFiles(flags.db ?? databaseOf(pipeline.folder, pipeline.name))
  const measured: ReadonlyMap<string, Measured> = existsSync(files.record)
    ? measureModels(readRecord(files.record))
    : new Map()
  const shapes = await readShapes(pipeline, files)
  const workload = planWorkload(pipeline, measured, shapes, countsOf(pipeline, flags.sources))
  const choices = flags.compare ? flags.compare.split(',') : [(flags.gpu ?? []).join(',') || null]
  const own = choices.includes(null) ? await ownDevices(pipeline) : []
  const forecasts = choices.map((gpus) => forecast(pipeline, workload, gpus, own))
  const best = Math.min(...forecasts.map(({ makespanMs }) => makespanMs))
  const enough = forecasts.find(({ makespanMs }) => makespanMs <= best * enoughRatio)!.gpus
  const isMeasured = measured.size > 0
  if (flags.json) return printJson({ items: workload.items.length, isMeasured, forecasts, enough })
  const hasDeadlines = workload.items.some(({ deadlineMs }) => deadlineMs !== null)
  const rows = forecasts.map((each) => [
    each.gpus,
    formatMs(each.makespanMs),
    String(each.loads),
    String(each.evictions),
    formatMs(each.waitMs),
    `${Math.round(each.busyRatio * 100)} %`,
    formatBytes(each.peakBytes),
    each.bottleneck,
    ...(hasDeadlines ? [`${each.deadlines.missed} of ${each.deadlines.met + each.deadlines.missed}`] : []),
  ])
  printTable({
    title: `${pipeline.name}: ${workload.items.length} items`,
    columns: [
      ...['gpus', 'takes', 'loads', 'evictions', 'mean wait', 'busy', 'peak', 'bottleneck'],
      ...(hasDeadlines ? ['too late'] : []),
    ],
    rows,
  })
  print(
    isMeasured
      ? 'Times and shares are measured, from earlier runs.'
      : 'Times are declared; a run measures them, and a later plan uses them.',
  )
  for (const { gpus, infeasibleDeadlines } of forecasts)
    for (const late of infeasibleDeadlines) print(`On ${gpus}: ${formatLate(late)}`)
  if (forecasts.length > 1)
    print(`Enough: ${enough}, within ${Math.round((enoughRatio - 1) * 100)} % of the best.`)
}

async function readShapes(pipeline: Pipeline, { database }: RunFiles): Promise<Map<string, StepShape>> {
  if (!existsSync(database)) return new Map()
  const store = await openSqliteReader(database)
  return store
    .stats()
    .then((stats) => shapesOf(pipeline, stats))
    .finally(() => store.close())
}

/** `--sources` stands for files only: a list of questions does not grow with the archive. */
function countsOf(pipeline: Pipeline, sources: string | undefined): (source: string) => number {
  const count = sources === undefined ? null : Number(sources)
  if (count !== null && !(Number.isInteger(count) && count >= 1)) {
    throw new SchedulerError('BAD_VALUE', `--sources is "${sources}"; it must be a whole number from 1.`)
  }
  const own = [...pipeline.sources].filter(
    ([, { files, stdin }]) => stdin === undefined && (count === null || files === undefined),
  )
  const records = readSources({ ...pipeline, sources: new Map(own) }, {})
  return (source) => records.get(source)?.length ?? count ?? 0
}

/** With the memory that is written; where none is, the driver is asked. */
async function ownDevices({ gpus }: Pipeline): Promise<DeviceOptions[]> {
  const written = gpus.filter(({ kind, memoryBytes }) => kind !== 'auto' && memoryBytes !== null)
  if (written.length === gpus.length)
    return gpus.map(({ id, memoryBytes, safetyRatio }) => simulated(id, memoryBytes!, safetyRatio))
  const opened = await openDevices(gpus)
  await Promise.all(opened.map(({ device }) => device.close()))
  return opened.map(({ device, capacityBytes, safetyRatio }) =>
    simulated(device.id, capacityBytes, safetyRatio),
  )
}

function simulated(id: string, capacityBytes: number, safetyRatio: number): DeviceOptions {
  return { id, kind: 'simulated', capacityBytes, safetyRatio }
}

function forecast(
  pipeline: Pipeline,
  workload: Workload,
  gpus: string | null,
  own: DeviceOptions[],
): Forecast {
  const safety = pipeline.gpus[0]!.safetyRatio
  const devices = gpus === null ? own : parseGpus(gpus.split(','), safety, 1)
  const policy = parsePolicy(pipeline.policy)
  const result = simulate({ workload, devices, policy })
  const infeasibleDeadlines = lateSteps(
    createState(workload.models, devices, policy),
    datedItems(workload),
    0,
  )
  const { makespanMs, loads, evictions, busyRatio, stallRatio, peakBytes, waitMs } = result
  const bottleneck =
    busyRatio >= 0.8 ? 'compute' : stallRatio >= 1 - busyRatio - stallRatio ? 'loads' : 'dependencies'
  const name = gpus ?? own.map(({ capacityBytes }) => formatBytes(capacityBytes)).join(', ')
  return {
    gpus: name,
    makespanMs,
    loads,
    evictions,
    busyRatio,
    stallRatio,
    peakBytes,
    waitMs: waitMs.mean,
    bottleneck,
    deadlines: result.deadlines,
    infeasibleDeadlines,
  }
}

/** The step is the beginning of a planned item's id. */
function datedItems({ items }: Workload): DatedItem[] {
  return items.map(({ id, model: modelId, after, deadlineMs: deadlineAtMs }) => {
    const dependencies = after.map((each) => ({ id: each }))
    return { id, modelId, step: id.slice(0, id.indexOf('-')), deadlineAtMs, dependencies }
  })
}
