// `plimsoll plan PIPELINE`: how long a pipeline would take on a card, before anyone buys it: the same decisions, simulated,
// with times and sizes measured by earlier runs or, where there are none, declared ones.
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { SchedulerError } from '../core/errors.ts'
import { parsePolicy } from '../core/policy.ts'
import type { DeviceOptions } from '../core/state/state.ts'
import { formatBytes, formatMs } from '../core/units.ts'
import { defaultSafetyRatio } from '../core/vram.ts'
import { openDevices } from '../devices/open.ts'
import { formatLate } from '../forecast/late-steps.ts'
import {
  type Choice,
  enoughOf,
  enoughRatio,
  type Forecast,
  forecast,
  type Plan,
  type TooSmall,
} from '../forecast/plan.ts'
import { planWorkload, type StepShape, shapesOf } from '../forecast/plan-workload.ts'
import { type Pipeline, readPipeline } from '../pipelines/pipeline.ts'
import { readSources } from '../pipelines/sources.ts'
import { databaseOf, type RunFiles, runFiles } from '../record/files.ts'
import { readJournal } from '../record/journal.ts'
import { type Measured, measureModels } from '../record/measured.ts'
import { readProfiles } from '../record/profiles.ts'
import { openSqliteReader } from '../stores/sqlite/store.ts'
import { parseGpus } from './gpu-sizes.ts'
import { print, printJson, printTable } from './output.ts'

interface Flags {
  sources?: string
  gpu?: string[]
  compare?: string
  db?: string
  json?: boolean
}

export function planCommand(): Command {
  const collect = (value: string, all: string[] = []) => [...all, value]
  return new Command('plan')
    .description('forecast how long a pipeline takes on a card, and which card is enough')
    .argument('<pipeline>', 'pipeline file')
    .option(
      '--sources <count>',
      'records of each source of files or stdin (default: the files that are there)',
    )
    .option(
      '--gpu <size>',
      "memory of the device instead of the pipeline's, such as 16GB or 2x8GB; again for each further one",
      collect,
    )
    .option('--compare <sizes>', 'several cards beside each other: 8GB,16GB,24GB,2x16GB')
    .option('--db <file>', 'database of earlier runs (default: .plimsoll/<name>.db beside the pipeline)')
    .option('--json', 'answer in JSON')
    .action(plan)
}

async function plan(file: string, flags: Flags): Promise<void> {
  const pipeline = readPipeline(file)
  const files = runFiles(flags.db ?? databaseOf(pipeline.folder, pipeline.name))
  const choices = await choicesOf(pipeline, flags)
  const measured: ReadonlyMap<string, Measured> = existsSync(files.record)
    ? measureModels(readJournal(files.record))
    : new Map()
  const shapes = await readShapes(pipeline, files)
  const workload = planWorkload(pipeline, measured, shapes, countsOf(pipeline, flags.sources))
  if (workload.items.length === 0)
    throw new SchedulerError(
      'BAD_VALUE',
      `There is nothing to plan: the sources of ${pipeline.name} have no records. Fill them, or say how many there will be with --sources 1000.`,
    )
  const profiles = readProfiles(files.profiles, pipeline)
  const known: Plan = { workload, policy: parsePolicy(pipeline.policy), profiles }
  const forecasts = choices.map((choice) => forecast(known, choice))
  const enough = enoughOf(forecasts)
  if (enough === null) {
    const { tooSmall } = forecasts[0] as TooSmall
    const others = forecasts.length > 1 ? ' The others are too small as well.' : ''
    throw new SchedulerError('NEVER_FITS', `${forecasts[0]!.gpus}: ${tooSmall}${others}`)
  }
  const isMeasured = measured.size > 0
  if (flags.json) return printJson({ items: workload.items.length, isMeasured, forecasts, enough })
  printForecasts(`${pipeline.name}: ${workload.items.length} items`, forecasts)
  print(
    isMeasured
      ? 'Times and shares are measured, from earlier runs.'
      : 'Times are declared; a run measures them, and a later plan uses them.',
  )
  printRemarks(known, forecasts)
  if (forecasts.length > 1)
    print(
      `Enough: ${enough}, the smallest that is within ${Math.round((enoughRatio - 1) * 100)} % of the best.`,
    )
}

/** The cards to compare, those of --gpu, or the pipeline's own. */
async function choicesOf(pipeline: Pipeline, { gpu = [], compare }: Flags): Promise<Choice[]> {
  if (gpu.length > 0 && compare !== undefined)
    throw new SchedulerError(
      'BAD_VALUE',
      '--gpu and --compare both name cards; write all of them under --compare, such as --compare 8GB,2x16GB.',
    )
  const safety = pipeline.gpus[0]?.safetyRatio ?? defaultSafetyRatio
  if (compare !== undefined)
    return compare.split(',').map((gpus) => ({ gpus, devices: parseGpus([gpus], safety, 1, '--compare') }))
  if (gpu.length > 0) return [{ gpus: gpu.join(','), devices: parseGpus(gpu, safety, 1) }]
  const devices = await ownDevices(pipeline)
  return [{ gpus: devices.map(({ capacityBytes }) => formatBytes(capacityBytes)).join(', '), devices }]
}

async function readShapes(pipeline: Pipeline, { database }: RunFiles): Promise<Map<string, StepShape>> {
  if (!existsSync(database)) return new Map()
  const store = await openSqliteReader(database)
  return store
    .stats()
    .then((stats) => shapesOf(pipeline, stats))
    .finally(() => store.close())
}

/** `--sources` stands for files and standard input only: a list of questions does not grow with the archive. */
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

function printForecasts(title: string, forecasts: readonly (Forecast | TooSmall)[]): void {
  const hasDeadlines = forecasts.some((each) => 'deadlines' in each && countOf(each) > 0)
  const rows = forecasts.map((each) =>
    'tooSmall' in each
      ? [each.gpus, ...Array<string>(6).fill('–'), 'too small']
      : [
          each.gpus,
          formatMs(each.makespanMs),
          String(each.loads),
          String(each.evictions),
          formatMs(each.waitMs),
          `${Math.round(each.busyRatio * 100)} %`,
          formatBytes(each.peakBytes),
          each.bottleneck,
          ...(hasDeadlines ? [`${each.deadlines.missed} of ${countOf(each)}`] : []),
        ],
  )
  const columns = ['gpus', 'takes', 'loads', 'evictions', 'mean wait', 'busy', 'peak', 'bottleneck']
  printTable({ title, columns: [...columns, ...(hasDeadlines ? ['too late'] : [])], rows })
}

function countOf({ deadlines: { met, missed } }: Forecast): number {
  return met + missed
}

/** What the figures do not say. */
function printRemarks({ workload, profiles }: Plan, forecasts: readonly (Forecast | TooSmall)[]): void {
  const unsized = workload.models.filter(
    ({ id, isSized }) =>
      !isSized && !profiles.some(({ modelId, footprints }) => modelId === id && footprints.length > 0),
  )
  if (unsized.length > 0)
    print(
      `No size is known of ${unsized.map(({ id }) => id).join(', ')}: counted as needing a whole card alone. Declare vram, or run it once.`,
    )
  for (const each of forecasts) {
    if ('tooSmall' in each) print(`On ${each.gpus}: ${each.tooSmall}`)
    else for (const late of each.infeasibleDeadlines) print(`On ${each.gpus}: ${formatLate(late)}`)
  }
}
