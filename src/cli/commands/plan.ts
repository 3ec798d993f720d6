// `plimsoll plan PIPELINE`: how long a pipeline would take on a card, and which card is enough.
import type { Command } from 'commander'
import { plan } from '../../api/plan.ts'
import type { Answer, Input } from '../../api/schemas/plan.ts'
import { SchedulerError } from '../../core/errors.ts'
import { formatBytes, formatMs } from '../../core/units.ts'
import { formatLate } from '../../forecast/late-steps.ts'
import { enoughRatio } from '../../forecast/plan.ts'
import { readPipeline } from '../../pipelines/pipeline.ts'
import { databaseOf, runFiles } from '../../record/files.ts'
import { ask } from '../ask.ts'
import { parseSizes } from '../gpu-sizes.ts'
import { type DatabaseFlags, gpuOption, jsonOption, wholeNumber } from '../options.ts'
import { print, printJson, printTable } from '../output.ts'

interface Flags extends DatabaseFlags {
  sources?: string
  gpu?: string[]
  compare?: string
}

export function planCommand(command: Command): void {
  command
    .option(
      '--sources <count>',
      'records of each source of files or stdin (default: the files that are there)',
    )
    .addOption(gpuOption("memory of the device instead of the pipeline's, such as 16GB or 2x8GB"))
    .option('--compare <sizes>', 'several cards beside each other: 8GB,16GB,24GB,2x16GB')
    .option('--db <file>', 'database of earlier runs (default: .plimsoll/<name>.db beside the pipeline)')
    .addOption(jsonOption())
    .action(printPlan)
}

async function printPlan(file: string, flags: Flags): Promise<void> {
  const pipeline = readPipeline(file)
  const files = runFiles(flags.db ?? databaseOf(pipeline.folder, pipeline.name))
  const answer = await ask(plan, inputOf(flags), { files, pipeline })
  if (flags.json) return printJson(answer)
  const { items, isMeasured, forecasts, enough } = answer
  printForecasts(`${pipeline.name}: ${items} items`, forecasts)
  print(
    isMeasured
      ? 'Times and shares are measured, from earlier runs.'
      : 'Times are declared; a run measures them, and a later plan uses them.',
  )
  printRemarks(answer)
  if (forecasts.length > 1)
    print(
      `Enough: ${enough}, the smallest that is within ${Math.round((enoughRatio - 1) * 100)} % of the best.`,
    )
}

/** The cards to compare, or those of --gpu together. */
function inputOf({ sources, gpu = [], compare }: Flags): Input {
  if (gpu.length > 0 && compare !== undefined)
    throw new SchedulerError(
      'BAD_VALUE',
      '--gpu and --compare both name cards; write all of them under --compare, such as --compare 8GB,2x16GB.',
    )
  const records = sources === undefined ? undefined : wholeNumber('--sources', sources, 1)
  const compared = compare?.split(',').map((gpus) => ({ gpus, memoryBytes: parseSizes([gpus], '--compare') }))
  const own = gpu.length > 0 ? [{ gpus: gpu.join(','), memoryBytes: parseSizes(gpu) }] : undefined
  return { records, choices: compared ?? own }
}

function printForecasts(title: string, forecasts: Answer['forecasts']): void {
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

function countOf({ deadlines: { met, missed } }: { deadlines: { met: number; missed: number } }): number {
  return met + missed
}

/** What the figures do not say. */
function printRemarks({ unsizedModels, forecasts }: Answer): void {
  if (unsizedModels.length > 0)
    print(
      `No size is known of ${unsizedModels.join(', ')}: counted as needing a whole card alone. Declare vram, or run it once.`,
    )
  for (const each of forecasts) {
    if ('tooSmall' in each) print(`On ${each.gpus}: ${each.tooSmall}`)
    else for (const late of each.infeasibleDeadlines) print(`On ${each.gpus}: ${formatLate(late)}`)
  }
}
