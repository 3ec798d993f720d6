// A process of its own that looks at the round some forty times a second: what each
// model's processes hold together goes to a file, one look a line.
//
// It is also the machine's bookkeeper. The round runs on a machine that is small: as a
// container sees it, by a /proc/meminfo of its own (machine.ts), which this process writes
// from what it counts. So a foreign process that eats memory really leaves the scheduler less.
//
//   node observer.ts ROUND FOLDER CAPACITY-BYTES MACHINE-BYTES
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isScheduler, type Seen, Sight } from './sight.ts'

export interface Sample {
  atMs: number
  /** Resident, by model: its workers, their children and strays. */
  byModel: Record<string, number>
  /** Of the models. */
  pids: number[]
  /** What others than the models hold, as far as it leaves them less than the capacity. */
  foreignBytes: number
}

const everyMs = 25

const [round, folder, capacity, machine] = process.argv.slice(2) as [string, string, string, string]
const capacityBytes = Number(capacity)
const machineBytes = Number(machine)
const sight = new Sight(round)
const samples = openSync(join(folder, 'samples.jsonl'), 'a')
const meminfo = openSync(join(folder, 'meminfo'), 'w')

process.stdin.resume()
process.stdin.on('end', () => {
  closeSync(samples)
  process.exit(0)
})

look()
console.log('looking')
setInterval(look, everyMs)

function look(): void {
  const seen = sight.look()
  const ofModels = seen.filter(({ model }) => model !== null)
  const heldBytes = sumOf(ofModels)
  const othersBytes = sumOf(seen.filter((each) => isScheduler(each) || each.role === 'eater'))
  const availableBytes = Math.max(0, machineBytes - heldBytes - othersBytes)
  writeMeminfo(availableBytes)
  const byModel: Record<string, number> = {}
  for (const { model, bytes } of ofModels) byModel[model!] = (byModel[model!] ?? 0) + bytes
  const sample: Sample = {
    atMs: Date.now(),
    byModel,
    pids: ofModels.map(({ pid }) => pid),
    foreignBytes: Math.max(0, capacityBytes - heldBytes - availableBytes),
  }
  writeSync(samples, `${JSON.stringify(sample)}\n`)
}

function sumOf(seen: readonly Seen[]): number {
  return seen.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** In place, always as many bytes: who reads meanwhile sees the old figures or the new ones. */
function writeMeminfo(availableBytes: number): void {
  const line = (name: string, bytes: number) =>
    `${`${name}:`.padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(10)} kB\n`
  const text =
    line('MemTotal', machineBytes) + line('MemFree', availableBytes) + line('MemAvailable', availableBytes)
  writeSync(meminfo, text, 0)
}
