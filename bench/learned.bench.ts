// What the scheduler learns of the demo's real models, against what an independent watcher measures. The demo runs anew (each
// time on a database of its own, with the profiles of the runs before) until every model has been loaded three times; then
// once more, watched.
//
//   resident   held by an instance that runs nothing, after its first batch: most of the watched run
//   peak       the most that an instance held at any time
//
// Learned are the resident size and what batches add, by their size; their sum is the peak that is booked.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readProfiles } from '../src/daemon/profiles.ts'
import { readRecord } from '../src/daemon/record.ts'
import { runFiles } from '../src/daemon/run-files.ts'
import { readPipeline } from '../src/pipelines/pipeline.ts'
import type { Look } from './footprint-watch.ts'
import { asJson, numberFlag, printReport } from './report.ts'

const root = resolve(import.meta.dirname, '..')
const pipelineFile = join(root, 'examples/archive/pipeline.yaml')
const leastLoads = 3
const mostRuns = numberFlag('--runs', 6)

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-learned-'))
const files = runFiles(join(folder, 'demo.db'))
const pipeline = readPipeline(pipelineFile)
const models = pipeline.models.filter(({ vramBytes }) => vramBytes > 0)

try {
  let runs = 0
  while (runs < mostRuns && models.some(({ id }) => loadsOf(id) < leastLoads)) {
    runDemo()
    runs++
  }
  const learned = new Map(readProfiles(files.profiles, pipeline).map((each) => [each.modelId, each]))
  const looks = await watched(runDemoAside)
  const rests = restsOf()
  const rows = models.map(({ id, vramBytes }) => {
    const footprint = learned.get(id)!.footprints[0]!
    const mine = looks.filter(({ instanceId }) => instanceId.replace(/-\d+$/, '') === id)
    const resting = mine.filter(({ instanceId, atMs }) =>
      (rests.get(instanceId) ?? []).some(({ fromMs, toMs }) => atMs > fromMs && atMs < toMs),
    )
    const most = (of: (each: Look) => number, list: Look[]) =>
      list.reduce((max, each) => Math.max(max, of(each)), 0)
    const residentBytes = most(({ bytes }) => bytes, resting)
    const peakBytes = most(({ peakBytes }) => peakBytes, mine)
    const activeBytes = footprint.active.reduce((max, { bytes }) => Math.max(max, bytes), 0)
    const learnedPeakBytes = Math.max(footprint.loadingBytes, footprint.residentBytes + activeBytes)
    return {
      id,
      loads: footprint.residentCount,
      declaredBytes: vramBytes,
      learnedResidentBytes: footprint.residentBytes,
      residentBytes,
      learnedPeakBytes,
      peakBytes,
    }
  })
  const inMB = (bytes: number) => Math.round(bytes / 1e5) / 10
  const off = (learnedBytes: number, bytes: number) => Math.round((learnedBytes / bytes - 1) * 1000) / 10
  printReport(
    {
      bench: 'learned',
      sections: [
        {
          title: `Footprints after ${runs} runs of the demo, MB`,
          columns: [
            'model',
            'loads',
            'declared',
            'learned resident',
            'measured',
            'off by, %',
            'learned peak',
            'measured',
            'off by, %',
          ],
          rows: rows.map((row) => [
            row.id,
            row.loads,
            inMB(row.declaredBytes),
            inMB(row.learnedResidentBytes),
            inMB(row.residentBytes),
            off(row.learnedResidentBytes, row.residentBytes),
            inMB(row.learnedPeakBytes),
            inMB(row.peakBytes),
            off(row.learnedPeakBytes, row.peakBytes),
          ]),
        },
      ],
      bars: rows.flatMap((row) => [
        {
          name: `${row.id}: resident, off by %`,
          value: Math.abs(off(row.learnedResidentBytes, row.residentBytes)),
          atMost: 5,
        },
        {
          name: `${row.id}: peak, off by %`,
          value: Math.abs(off(row.learnedPeakBytes, row.peakBytes)),
          atMost: 5,
        },
      ]),
    },
    asJson,
  )
} finally {
  if (!process.argv.includes('--keep')) rmSync(folder, { recursive: true, force: true })
  else console.log(folder)
}

function loadsOf(modelId: string): number {
  const profile = readProfiles(files.profiles, pipeline).find((each) => each.modelId === modelId)
  return profile?.footprints[0]?.residentCount ?? 0
}

function forget(): void {
  for (const end of ['.db', '.db-wal', '.db-shm', '.db-owner', '.record.jsonl', '.runners.jsonl'])
    rmSync(join(folder, `demo${end}`), { force: true })
}

function runDemo(): void {
  forget()
  const { status, stdout, stderr } = spawnSync(join(root, 'bin/plimsoll'), args(), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the demo failed: ${stderr}${stdout}`)
}

async function runDemoAside(): Promise<void> {
  forget()
  const child = spawn(join(root, 'bin/plimsoll'), args(), { stdio: 'ignore' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the demo ended with ${code}`)
}

function args(): string[] {
  return ['run', pipelineFile, '--db', files.database, '--json']
}

async function watched(task: () => Promise<void>): Promise<Look[]> {
  const file = join(folder, 'looks.jsonl')
  const watcher = spawn(
    process.execPath,
    [join(import.meta.dirname, 'footprint-watch.ts'), files.runners, file],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  await once(watcher.stdout, 'data')
  await task()
  watcher.stdin.end()
  await once(watcher, 'exit')
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Look)
}

/** When an instance ran nothing, after its first batch, by instance. */
function restsOf(): Map<string, { fromMs: number; toMs: number }[]> {
  const rests = new Map<string, { fromMs: number; toMs: number }[]>()
  const instanceByBatch = new Map<string, string>()
  const idleSince = new Map<string, number>()
  const end = (instanceId: string, atMs: number) => {
    const fromMs = idleSince.get(instanceId)
    idleSince.delete(instanceId)
    if (fromMs !== undefined)
      rests.set(instanceId, [...(rests.get(instanceId) ?? []), { fromMs, toMs: atMs }])
  }
  for (const line of readRecord(files.record)) {
    if (line.type === 'command-issued') {
      const { command } = line
      if (command.type === 'run-batch') instanceByBatch.set(command.batchId, command.instanceId)
      if (command.type === 'run-batch' || command.type === 'stop-instance') end(command.instanceId, line.atMs)
    } else if (line.type === 'batch-finished') {
      const instanceId = instanceByBatch.get(line.batchId)
      if (instanceId !== undefined) idleSince.set(instanceId, line.atMs)
    }
  }
  return rests
}
