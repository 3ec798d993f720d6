// What people wait for most often: `plimsoll --help` and `plimsoll status`, beside a bare `node -e 0`, one
// after another in turn; then `status` once more, with a million events in the run's journal. CPU time, user
// and system, and wall time of the whole command with its shell, the means of 20 warm starts.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { renderTable } from '../src/cli/table.ts'
import { decide } from '../src/core/decide/decide.ts'
import { apply } from '../src/core/state/apply.ts'
import type { SchedulerEvent } from '../src/core/state/events.ts'
import { databaseOf, runFiles } from '../src/record/files.ts'
import { JournalWriter } from '../src/record/journal-writer.ts'
import { readLastRun } from '../src/record/last-run.ts'

const plimsoll = resolve(import.meta.dirname, '../bin/plimsoll')
const startCount = 20
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-startup-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

mkdirSync(join(folder, 'texts'))
for (const text of ['one', 'two', 'three']) writeFileSync(join(folder, 'texts', `${text}.txt`), text)
const worker = 'export async function load() {}\nexport async function run(inputs) { return inputs }\n'
writeFileSync(join(folder, 'echo.js'), worker)
writeFileSync(
  join(folder, 'pipeline.yaml'),
  `name: small
gpus: [{ name: ram, kind: host, memory: 1GB }]
models: { echo: { module: echo.js, vram: 200MB } }
sources: { texts: { files: "texts/*.txt" } }
steps: { say: { source: texts, model: echo, input: { name: "\${source.name}" } } }
`,
)
start(plimsoll, 'run', 'pipeline.yaml', '--json')

const status = [plimsoll, 'status']
const commands: [string, string[]][] = [
  ['node -e 0', [process.execPath, '-e', '0']],
  ['plimsoll --help', [plimsoll, '--help']],
  ['plimsoll status', status],
]
const rows = measure(commands)
writeEvents(1_000_000)
rows.push(...measure([commands[0]!, ['plimsoll status, 1 M events', status]]).slice(1))
console.log(
  renderTable(
    { title: 'Start-up', columns: ['command', 'CPU', 'of a bare Node', 'wall'], rows },
    { width: 80 },
  ),
)

/** The first is what the others are compared with. */
function measure(calls: [string, string[]][]): string[][] {
  for (const [, call] of calls) start(...call) // so that what is compiled is kept
  const cpuMs = calls.map(() => 0)
  const wallMs = calls.map(() => 0)
  for (let round = 0; round < startCount; round++)
    for (const [index, [, call]] of calls.entries()) {
      const cpuBeforeMs = childrenMs()
      const beforeMs = performance.now()
      start(...call)
      wallMs[index]! += performance.now() - beforeMs
      cpuMs[index]! += childrenMs() - cpuBeforeMs
    }
  return calls.map(([name], index) => [
    name,
    `${(cpuMs[index]! / startCount).toFixed(0)} ms`,
    (cpuMs[index]! / cpuMs[0]!).toFixed(2),
    `${(wallMs[index]! / startCount).toFixed(0)} ms`,
  ])
}

/** A further run of the same database, of batches of one item; it is over. */
function writeEvents(count: number): void {
  const { journal } = runFiles(databaseOf(folder, 'small'))
  const { state } = readLastRun({ journal })!
  const writer = new JournalWriter({ file: journal, pipeline: 'small', state, atMs: 0 })
  const add = (event: SchedulerEvent) => {
    writer.add(event)
    apply(state, event)
  }
  const modelId = 'echo'
  const level = { priority: 0, tenant: null, count: 1 }
  let isReady = false
  for (let index = 0, atMs = 0; index < count; atMs++) {
    const head = {
      modelId,
      readyCount: 1,
      blockedCount: 0,
      levels: [{ ...level, submittedMeanMs: atMs, oldestReadyAtMs: atMs }],
      latestEndAtMs: null,
      waitsOn: [],
    }
    add({ type: 'queue-changed', atMs, heads: [head] })
    const { command } = decide(state, atMs)
    if (command === null) throw new Error(`nothing is decided after ${index} events`)
    add({ type: 'command-issued', atMs, command })
    index += 2
    if (command.type === 'start-load') {
      add({
        type: 'load-finished',
        atMs,
        instanceId: command.instanceId,
        loadMs: 5,
        residentBytes: null,
        maxBatch: null,
      })
      isReady = true
    } else if (command.type === 'run-batch') {
      const { batchId } = command
      add({ type: 'batch-claimed', atMs, batchId, itemCount: 1 })
      add({ type: 'queue-changed', atMs, heads: [{ ...head, readyCount: 0, levels: [] }] })
      add({ type: 'batch-finished', atMs, batchId, failedCount: 0, runMs: 1, peakBytes: null })
      index += 3
    }
  }
  if (!isReady) throw new Error('no batch ran')
  writer.flush()
}

function start(file?: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(file!, args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}: ${stderr}`)
}

/** CPU time of all children that have ended, ms (proc(5): fields 16 and 17, in hundredths of a second). */
function childrenMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}
