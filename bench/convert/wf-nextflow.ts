// wf-nextflow (15 recorded nf-core pipelines, from WfInstances) as a workload: a job for each pipeline, an
// item for each task, the program as its model, a fiftieth of the run time as its cost. Run: node
// bench/convert/wf-nextflow.ts TRACE_FOLDER OUT_FOLDER [gap between pipelines in s]
import { join } from 'node:path'
import { drawnModel, meanCosts, readRows, type Trace, writeFolder } from './trace.ts'

/** Share of the recorded run time, and the least, ms: the trace's README. */
const costRatio = 0.02
const leastCostMs = 20

/** Pipelines arrive in the order of their names, `gapMs` apart. */
export function convertNextflow(folder: string, gapMs: number): Trace {
  const rows = readRows(join(folder, 'tasks.csv.gz'))
  const pipelines = [...new Set(rows.map(({ workflow }) => workflow!))].sort()
  const items = rows.map((row) => ({
    id: `${row.workflow}/${row.task}`,
    model: row.model!,
    atMs: pipelines.indexOf(row.workflow!) * gapMs,
    after: row
      .parents!.split(' ')
      .flatMap((task) => (task.trim() === '' ? [] : [`${row.workflow}/${task.trim()}`])),
    job: row.workflow!,
    costMs: Math.max(leastCostMs, costRatio * Number(row.runtime_s) * 1000),
  }))
  const models = [...meanCosts(items)].map(([name, costMs]) => drawnModel(name, `w/${name}`, costMs))
  return { models, items }
}

if (import.meta.main) {
  const [from, to, gapS = '0'] = process.argv.slice(2)
  writeFolder(to!, convertNextflow(from!, Number(gapS) * 1000))
}
