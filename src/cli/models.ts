// `plimsoll models PIPELINE`: the models, what they need, and what was measured beside what is declared: what runs have
// learned of their memory, and the load times and peaks of the last record.
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { Footprint } from '../core/state/state.ts'
import { formatBytes, formatMs } from '../core/units.ts'
import { readPipeline } from '../pipelines/pipeline.ts'
import { databaseOf, runFiles } from '../record/files.ts'
import { readJournal } from '../record/journal.ts'
import { measureModels } from '../record/measured.ts'
import { readProfiles } from '../record/profiles.ts'
import { printJson, printTable } from './output.ts'

export function modelsCommand(): Command {
  return new Command('models')
    .description(
      "show a pipeline's models: what is declared, what runs have learned, and what the last one measured",
    )
    .argument('<pipeline>', 'pipeline file')
    .option('--db <file>', 'database of the run (default: .plimsoll/<name>.db beside the pipeline)')
    .option('--json', 'answer in JSON')
    .action((file: string, { db, json }: { db?: string; json?: boolean }) => {
      const pipeline = readPipeline(file)
      const { record, profiles } = runFiles(db ?? databaseOf(pipeline.folder, pipeline.name))
      const measured = existsSync(record) ? measureModels(readJournal(record)) : new Map()
      const learned = new Map(readProfiles(profiles, pipeline).map((each) => [each.modelId, each.footprints]))
      const models = pipeline.models.map((model) => ({
        ...model,
        vramBytes: model.isSized ? model.vramBytes : null,
        learned: learned.get(model.id) ?? [],
        measured: measured.get(model.id) ?? null,
      }))
      if (json) return printJson(models)
      const rows = models.map(({ id, vramBytes, learned, loadMs, batch, measured }) => [
        id,
        vramBytes === null ? 'measured' : vramBytes === 0 ? '' : formatBytes(vramBytes),
        ...learnedCells(learned),
        measured?.peakBytes ? formatBytes(measured.peakBytes) : '',
        vramBytes === 0 ? '' : formatMs(loadMs),
        measured?.loadMs ? formatMs(measured.loadMs) : '',
        String(measured?.loads ?? ''),
        String(batch.max),
      ])
      printTable({
        title: `Models of ${pipeline.name}`,
        columns: [
          'model',
          'declared',
          'learned',
          'booked off by',
          'samples',
          'peak',
          'load',
          'measured load',
          'loads',
          'max batch',
        ],
        rows,
      })
    })
}

/** What an instance was learned to hold, the mean error of what was booked for it, and the instances that it is from. */
function learnedCells(footprints: readonly Footprint[]): [string, string, string] {
  const seen = footprints.filter(({ residentCount }) => residentCount > 0)
  const each = (text: (footprint: Footprint) => string) => seen.map(text).join(' / ')
  return [
    each(({ kind, residentBytes }) => `${formatBytes(residentBytes)}${seen.length > 1 ? ` ${kind}` : ''}`),
    each(({ errorRatio }) => `${Math.round(errorRatio * 100)} %`),
    each(({ residentCount }) => String(residentCount)),
  ]
}
