// Watches the workers of a run from outside: forty to a hundred times a second it reads /proc/PID/status of
// every process that says whose it is, and writes a line for each instance. It shares no code with the device
// that the run measures by.
//
//   node bench/footprint-watch.ts OWNER FILE      until its stdin ends
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'

export interface Look {
  atMs: number
  instanceId: string
  /** Resident now, and the most since somebody last told the kernel to begin anew. */
  bytes: number
  peakBytes: number
}

const everyMs = 10

const [owner, file] = process.argv.slice(2) as [string, string]
const out = openSync(file, 'a')
/** By pid and start: whose a process is; null: not ours. */
const instanceOf = new Map<string, string | null>()

process.stdin.resume()
process.stdin.on('end', () => {
  closeSync(out)
  process.exit(0)
})
console.log('watching')
setInterval(look, everyMs)

function look(): void {
  const atMs = Date.now()
  const sums = new Map<string, { bytes: number; peakBytes: number }>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const instanceId = instanceIdOf(name)
      if (instanceId === null) continue
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      const kiB = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
      const sum = sums.get(instanceId) ?? { bytes: 0, peakBytes: 0 }
      sum.bytes += kiB('VmRSS') * 1024
      sum.peakBytes += kiB('VmHWM') * 1024
      sums.set(instanceId, sum)
    } catch {
      // It has ended meanwhile.
    }
  }
  for (const [instanceId, sum] of sums)
    writeSync(out, `${JSON.stringify({ atMs, instanceId, ...sum } satisfies Look)}\n`)
}

function instanceIdOf(pid: string): string | null {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const key = `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`
  const known = instanceOf.get(key)
  if (known !== undefined && known !== null) return known
  // Until it is a worker it has the environment of who started it; after that it does not change any more.
  const line = readFileSync(`/proc/${pid}/environ`, 'utf8')
    .split('\0')
    .find((each) => each.startsWith(`PLIMSOLL_OWNER=${owner}#`))
  const instanceId = line?.slice(line.indexOf('#') + 1) ?? null
  instanceOf.set(key, instanceId)
  return instanceId
}
