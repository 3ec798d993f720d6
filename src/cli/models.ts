// `plimsoll models PIPELINE`: the models, what they need, and what the last run measured: load times and peak memory
// beside what is declared.
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { formatBytes, formatMs } from '../core/units.ts'
import { readRecord } from '../daemon/record.ts'
import { databaseOf, runFiles } from '../daemon/run-files.ts'
import { readPipeline } from '../pipelines/pipeline.ts'
import { measureModels } from './measured.ts'
import { printJson, printTable } from './output.ts'

export function modelsCommand(): Command {
  return new Command('models')
    .description("show a pipeline's models: what is declared and what the last run measured")
    .argument('<pipeline>', 'pipeline file')
    .option('--db <file>', 'database of the run (default: .plimsoll/<name>.db beside the pipeline)')
    .option('--json', 'answer in JSON')
    .action((file: string, { db, json }: { db?: string; json?: boolean }) => {
      const pipeline = readPipeline(file)
      const { record } = runFiles(db ?? databaseOf(pipeline.folder, pipeline.name))
      const measured = existsSync(record) ? measureModels(readRecord(record)) : new Map()
      const models = pipeline.models.map((model) => ({ ...model, measured: measured.get(model.id) ?? null }))
      if (json) return printJson(models)
      const rows = models.map(({ id, vramBytes, loadMs, batch, measured }) => [
        id,
        vramBytes === 0 ? '' : formatBytes(vramBytes),
        measured?.peakBytes ? formatBytes(measured.peakBytes) : '',
        vramBytes === 0 ? '' : formatMs(loadMs),
        measured?.loadMs ? formatMs(measured.loadMs) : '',
        String(measured?.loads ?? ''),
        String(batch.max),
      ])
      printTable({
        title: `Models of ${pipeline.name}`,
        columns: ['model', 'declared', 'peak', 'load', 'measured load', 'loads', 'max batch'],
        rows,
      })
    })
}
