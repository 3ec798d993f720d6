// What people wait for most often: `plimsoll --help` and `plimsoll status`, beside a bare `node -e 0`, one
// after another in turn. CPU time, user and system, of the whole command with its shell, the mean of 20 warm
// starts.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { renderTable } from '../src/cli/table.ts'

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

const commands: [string, ...string[]][] = [
  ['node -e 0', process.execPath, '-e', '0'],
  ['plimsoll --help', plimsoll, '--help'],
  ['plimsoll status', plimsoll, 'status'],
]
for (const [, ...call] of commands) start(...call) // so that what is compiled is kept
const totals = commands.map(() => 0)
for (let round = 0; round < startCount; round++)
  for (const [index, [, ...call]] of commands.entries()) {
    const beforeMs = childrenMs()
    start(...call)
    totals[index]! += childrenMs() - beforeMs
  }
const rows = commands.map(([name], index) => [
  name,
  `${(totals[index]! / startCount).toFixed(0)} ms`,
  (totals[index]! / totals[0]!).toFixed(2),
])
console.log(
  renderTable({ title: 'Start-up', columns: ['command', 'CPU', 'of a bare Node'], rows }, { width: 80 }),
)

function start(file?: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(file!, args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}: ${stderr}`)
}

/** CPU time of all children that have ended, ms (proc(5): fields 16 and 17, in hundredths of a second). */
function childrenMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}
