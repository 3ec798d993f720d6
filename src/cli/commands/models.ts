// `plimsoll models PIPELINE`: the models, what they need, and what was measured beside what is declared.
import type { Command } from 'commander'
import { models } from '../../api/models.ts'
import type { Footprint, KnownModel } from '../../api/schemas/models.ts'
import { formatBytes, formatMs } from '../../core/units.ts'
import { readPipeline } from '../../pipelines/pipeline.ts'
import { databaseOf, runFiles } from '../../record/files.ts'
import { ask } from '../ask.ts'
import { type DatabaseFlags, jsonOption } from '../options.ts'
import { printJson, printTable } from '../output.ts'

const columns = [
  ...['model', 'declared', 'learned', 'booked off by', 'samples'],
  ...['peak', 'load', 'measured load', 'loads', 'max batch'],
]

export function modelsCommand(command: Command): void {
  command
    .option('--db <file>', 'database of the run (default: .plimsoll/<name>.db beside the pipeline)')
    .addOption(jsonOption())
    .action(async (file: string, { db, json }: DatabaseFlags) => {
      const pipeline = readPipeline(file)
      const files = runFiles(db ?? databaseOf(pipeline.folder, pipeline.name))
      const answer = await ask(models, {}, { files, pipeline })
      if (json) return printJson(answer)
      printTable({ title: `Models of ${pipeline.name}`, columns, rows: answer.map(rowOf) })
    })
}

function rowOf({ id, vramBytes, learned, loadMs, batch, measured }: KnownModel): string[] {
  return [
    id,
    vramBytes === null ? 'measured' : vramBytes === 0 ? '' : formatBytes(vramBytes),
    ...learnedCells(learned),
    measured?.peakBytes ? formatBytes(measured.peakBytes) : '',
    vramBytes === 0 ? '' : formatMs(loadMs),
    measured?.loadMs ? formatMs(measured.loadMs) : '',
    String(measured?.loads ?? ''),
    String(batch.max),
  ]
}

/** What an instance was learned to hold, the mean error of what was booked for it, and the instances that it
 * is from. */
function learnedCells(footprints: readonly Footprint[]): [string, string, string] {
  const seen = footprints.filter(({ residentCount }) => residentCount > 0)
  const each = (text: (footprint: Footprint) => string) => seen.map(text).join(' / ')
  return [
    each(({ kind, residentBytes }) => `${formatBytes(residentBytes)}${seen.length > 1 ? ` ${kind}` : ''}`),
    each(({ errorRatio }) => `${Math.round(errorRatio * 100)} %`),
    each(({ residentCount }) => String(residentCount)),
  ]
}
