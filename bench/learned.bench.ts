// What the scheduler has learned of the demo's real models, against what an independent watcher then
// measures. The demo runs anew (each time on a database of its own, with the profiles of the runs before)
// until every model has been loaded three times; then once more, watched.
//
//   learned     what an instance holds at rest, and what its largest batch adds: together what is booked
//   measured    the most that an instance of the watched run held at any time (footprint-watch.ts)
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ModelProfile } from '../src/core/state/profile.ts'
import { readPipeline } from '../src/pipelines/pipeline.ts'
import { type RunFiles, runFiles } from '../src/record/files.ts'
import { readProfiles } from '../src/record/profiles.ts'
import type { Look } from './footprint-watch.ts'
import { asJson, numberFlag, printReport } from './report.ts'

const root = resolve(import.meta.dirname, '..')
const pipelineFile = join(root, 'examples/archive/pipeline.yaml')
const leastLoads = 3
/** Every model is loaded at least once in a run; a load that runs nothing is not counted. */
const mostRuns = numberFlag('--runs', 6)

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-learned-'))
const pipeline = readPipeline(pipelineFile)
const models = pipeline.models.filter(({ vramBytes }) => vramBytes > 0)
let runs = 0
let files = filesOf(runs)

try {
  while (runs < mostRuns && models.some(({ id }) => loadsOf(id) < leastLoads)) {
    await runDemo()
    nextRun()
  }
  const learned = new Map(profiles().map((each) => [each.modelId, each]))
  const looks = await watched(runDemo)
  const rows = models.map(({ id, vramBytes }) => rowOf(learned.get(id)!, vramBytes, looks))
  printReport(
    {
      bench: 'learned',
      sections: [
        {
          title: `Footprints after ${runs} runs of the demo, MB`,
          columns: ['model', 'loads', 'declared', 'learned at rest', 'learned', 'measured', 'off by, %'],
          rows,
        },
      ],
      bars: rows.map((row) => ({
        name: `${row[0]}: off by, %`,
        value: Math.abs(Number(row.at(-1))),
        atMost: 5,
      })),
    },
    asJson,
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function rowOf(
  { modelId, footprints }: ModelProfile,
  declaredBytes: number,
  looks: readonly Look[],
): (string | number)[] {
  const { residentBytes, residentCount, loadingBytes, active } = footprints[0]!
  const batchBytes = Math.max(0, ...active.map(({ bytes }) => bytes))
  const learnedBytes = Math.max(loadingBytes, residentBytes + batchBytes)
  const own = looks.filter(({ instanceId }) => instanceId.replace(/-\d+$/, '') === modelId)
  const measuredBytes = own.reduce((most, { peakBytes }) => Math.max(most, peakBytes), 0)
  const inMB = (bytes: number) => Math.round(bytes / 1e6)
  const off = Math.round((learnedBytes / measuredBytes - 1) * 1000) / 10
  const sizes = [declaredBytes, residentBytes, learnedBytes, measuredBytes].map(inMB)
  return [modelId, residentCount, ...sizes, off]
}

function filesOf(run: number): RunFiles {
  return runFiles(join(folder, `demo${run}.db`))
}

function profiles(): ModelProfile[] {
  return readProfiles(files.profiles, pipeline)
}

function loadsOf(modelId: string): number {
  return profiles().find((each) => each.modelId === modelId)?.footprints[0]?.residentCount ?? 0
}

/** Nothing is known of it but what was learned. */
function nextRun(): void {
  const { profiles } = files
  files = filesOf(++runs)
  renameSync(profiles, files.profiles)
}

async function runDemo(): Promise<void> {
  const child = spawn(join(root, 'bin/plimsoll'), ['run', pipelineFile, '--db', files.database, '--json'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  if (code !== 0) throw new Error(`the demo ended with ${code}: ${errors}`)
}

async function watched(task: () => Promise<void>): Promise<Look[]> {
  const file = join(folder, 'looks.jsonl')
  const script = join(import.meta.dirname, 'footprint-watch.ts')
  const watcher = spawn(process.execPath, [script, files.runners, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(watcher.stdout, 'data')
  await task()
  watcher.stdin.end()
  await once(watcher, 'exit')
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Look)
}
