// What it costs to read a GPU through a process of its own, over the stand-in for NVML (so without the
// driver's own time), and what that buys: how long our exit takes while the driver hangs, beside koffi's
// asynchronous call in our process.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { cardDevice } from '../src/devices/card.ts'
import { hostDevice } from '../src/devices/host.ts'
import { openNvidia } from '../src/devices/nvidia.ts'
import { listProcesses } from '../src/devices/processes.ts'
import { compile, StandIn } from '../test/stand-ins/card.ts'

const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-bench-devices-'))
const library = compile('nvml.c', join(folder, 'libnvidia-ml.so.1'))
const card = new StandIn(join(folder, 'card'))
card.add('gpu0', { uuid: 'GPU-0', name: 'a card', total: 16e9, reserved: 4e8 })
process.env.PLIMSOLL_STAND_IN = card.folder

const driver = await openNvidia({ nvml: { library } })
if (!('cards' in driver)) throw new Error(driver.join('; '))
const gpu = cardDevice(driver, driver.cards[0]!, { id: 'gpu0', capBytes: null })
const { group } = listProcesses()!.find(({ pid }) => pid === process.pid)!
card.set({ [`gpu0/compute/${process.pid}`]: 1e9 })

const readCount = 1000
for (const [name, device] of [
  ['nvidia', gpu],
  ['host', hostDevice('ram', 1e9)],
] as const) {
  const cpu = process.cpuUsage()
  const times: number[] = []
  for (let index = 0; index < readCount; index++) {
    const startedAtMs = performance.now()
    await device.read([group])
    times.push(performance.now() - startedAtMs)
  }
  const { user, system } = process.cpuUsage(cpu)
  times.sort((a, b) => a - b)
  const [median, p99] = [0.5, 0.99].map((share) => times[Math.floor(share * readCount)]!.toFixed(2))
  console.log(
    `${name}: a reading takes ${median} ms (p99 ${p99} ms), ${((user + system) / readCount / 1000).toFixed(2)} ms of our CPU`,
  )
}

const host = listProcesses()!.find(({ pid }) => {
  try {
    return (
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('nvml-host') &&
      readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder)
    )
  } catch {
    return false // it has ended
  }
})!
const rollup = readFileSync(`/proc/${host.pid}/smaps_rollup`, 'utf8')
const megabytes = (key: string) =>
  (Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(rollup)![1]) * 1024) / 1e6
console.log(
  `the process that calls NVML: ${megabytes('Rss').toFixed(0)} MB resident, ${megabytes('Anonymous').toFixed(0)} MB of its own`,
)
await driver.close()

/** A process that asks, and ends 500 ms later while the driver hangs; from its exit call to its end, ms. */
async function exitMs(script: string): Promise<number> {
  card.set({ hang: 'nvmlInit_v2' })
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `${script}\nsetTimeout(() => { console.log('exit'); process.exit(0) }, 500)`,
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await once(child.stdout, 'data')
  const startedAtMs = performance.now()
  const timer = setTimeout(() => card.remove('hang'), 5000)
  await once(child, 'exit')
  clearTimeout(timer)
  card.remove('hang')
  return performance.now() - startedAtMs
}

const inOurs = await exitMs(`import koffi from '@koromix/koffi-linux-x64'
  koffi.load(${JSON.stringify(library)}).func('nvmlInit_v2', 'int', []).async(() => {})`)
const inAnother = await exitMs(`import { openNvidia } from './src/devices/nvidia.ts'
  openNvidia({ nvml: { library: ${JSON.stringify(library)} } })`)
console.log(
  `exit while the driver hangs for 5 s: ${inOurs.toFixed(0)} ms with the call in our process, ${inAnother.toFixed(0)} ms with it in another`,
)
rmSync(folder, { recursive: true, force: true })
