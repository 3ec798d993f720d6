// `plimsoll doctor`: whether this machine has what Plimsoll needs, each as a line with what to do about it,
// and the devices that are seen; and whether the runs whose databases are here are well. With --gpu-check,
// whether what they show can be trusted.
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { notesOf } from '../../api/status.ts'
import { SchedulerError } from '../../core/errors.ts'
import { formatBytes, formatMs } from '../../core/units.ts'
import { memoryLimit } from '../../devices/cgroup.ts'
import type { DeviceSpec } from '../../devices/device.ts'
import { openDevices } from '../../devices/open.ts'
import { type SeenVendor, seeDevices } from '../../devices/seen.ts'
import { databasesHere, runFiles } from '../../record/files.ts'
import { readLastRun } from '../../record/last-run.ts'
import { livingOf } from '../../runners/started.ts'
import { openSqlite } from '../../stores/sqlite/driver.ts'
import { jsonOption } from '../options.ts'
import { print, printJson, printTable } from '../output.ts'
import { type CheckResult, checkColumns, checkDevice, rowsOf } from './gpu-check.ts'
import { linesOf } from './seen-devices.ts'

interface Finding {
  what: string
  isGood: boolean
  found: string
  /** What to do, where it is not good. */
  advice: string
}

interface Flags {
  json?: boolean
  /** true: of the GPUs that are found. */
  gpuCheck?: true | string
}

export function doctorCommand(command: Command): void {
  command
    .option(
      '--gpu-check [kind]',
      'hold stated amounts of memory on each GPU, and check what is measured and given back; host: the same on RAM',
    )
    .addOption(jsonOption())
    .action(({ json = false, gpuCheck }: Flags) =>
      gpuCheck === undefined ? examine(json) : checkGpus(json, gpuCheck),
    )
}

async function examine(json: boolean): Promise<void> {
  const { vendors, devices } = await seeDevices()
  const runs = databasesHere().map(run)
  const findings = [node(), database(), processes(), folder(), memory(), ...vendors.map(driver), ...runs]
  if (json) printJson({ findings, devices })
  else {
    for (const { what, isGood, found, advice } of findings)
      print(`${isGood ? 'ok  ' : 'look'}  ${what}: ${found}${isGood || advice === '' ? '' : `. ${advice}`}`)
    print(['', ...devices.flatMap(linesOf)].join('\n'))
  }
  if (findings.some(({ isGood }) => !isGood)) process.exitCode = 1
}

/** Of RAM a part is checked: what others do with the rest does not count against it. */
const hostBytes = 4 * 2 ** 30

async function checkGpus(json: boolean, kind: true | string): Promise<void> {
  if (kind !== true && kind !== 'host')
    throw new SchedulerError(
      'BAD_VALUE',
      `--gpu-check ${kind}: write host for RAM, or nothing for the GPUs that are found.`,
    )
  const any = { memoryBytes: null, safetyRatio: 1, index: null, uuid: null }
  const spec: DeviceSpec =
    kind === 'host'
      ? { ...any, id: 'ram', kind, memoryBytes: hostBytes }
      : { ...any, id: 'gpu', kind: 'auto' }
  const opened = await openDevices([spec])
  const results: CheckResult[] = []
  for (const { device } of opened) {
    const result = await checkDevice(device)
    results.push(result)
    if (!json) printCheck(result)
  }
  await Promise.all(opened.map(({ device }) => device.close()))
  if (json) printJson(results)
  if (results.some(({ isGood }) => !isGood)) process.exitCode = 1
}

function printCheck(result: CheckResult): void {
  const { device, how, failure, isGood, releaseMs } = result
  const title = `${device.id}: ${device.name}${device.uuid ? ` (${device.uuid})` : ''}, held with ${how}`
  printTable({ title, columns: checkColumns, rows: rowsOf(result) })
  if (failure !== null) print(`The check could not go on: ${failure}`)
  const release = releaseMs.length > 0 ? `; memory back after ${releaseMs.map(formatMs).join(', ')}` : ''
  print(
    `${isGood ? 'PASS' : 'FAIL'}  ${device.id}: measured, booked and released ${isGood ? 'agree' : 'do not agree'}${release}`,
  )
}

/** Whether it is new enough, the line about SQLite says. */
function node(): Finding {
  return { what: 'Node', isGood: true, found: process.version, advice: '' }
}

function database(): Finding {
  let folder: string | null = null
  try {
    folder = mkdtempSync('.plimsoll-doctor-')
    const db = openSqlite(join(folder, 'probe.db'))
    const { journal_mode: mode } = db.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string }
    const { version } = db.prepare('SELECT sqlite_version() AS version').get() as { version: string }
    db.close()
    return {
      what: 'SQLite',
      isGood: mode === 'wal',
      found: version,
      advice: 'This disk has no WAL; use a local one with --db.',
    }
  } catch (error) {
    const isOld = error instanceof SchedulerError && error.code === 'OLD_NODE'
    return {
      what: 'SQLite',
      isGood: false,
      found: (error as Error).message,
      advice: isOld ? '' : 'Use a local, writable disk with --db.',
    }
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true })
  }
}

function processes(): Finding {
  const isGood = process.platform !== 'linux' || readdirSync('/proc').includes(String(process.pid))
  return {
    what: 'process list',
    isGood,
    found: isGood ? 'readable' : '/proc is hidden',
    advice: 'Mount /proc without hidepid; memory of workers is read there.',
  }
}

function folder(): Finding {
  try {
    accessSync('.', constants.W_OK)
    return { what: 'folder', isGood: true, found: 'writable', advice: '' }
  } catch {
    return {
      what: 'folder',
      isGood: false,
      found: 'not writable',
      advice: 'Name a database elsewhere with --db.',
    }
  }
}

function memory(): Finding {
  const limit = memoryLimit()
  const allowed = limit === null ? '' : `, of which this process may have ${formatBytes(limit.limitBytes)}`
  return { what: 'memory', isGood: true, found: `${formatBytes(totalmem())} RAM${allowed}`, advice: '' }
}

/** A run whose database is here: of one that is on, what is not as it should be with its memory; of one that
 * is over, what it left behind. */
function run(file: string): Finding {
  const files = runFiles(file)
  const what = `run ${file}`
  const last = readLastRun(files)
  if (last?.isRunning) {
    const notes = notesOf(last)
    const found = ['is on', ...notes].join('; ').replace(/\.$/, '')
    return { what, isGood: notes.length === 0, found, advice: `\`plimsoll status --db ${file}\` shows more.` }
  }
  const left = livingOf(files.runners)
  return {
    what,
    isGood: left.length === 0,
    found: left.length === 0 ? 'is over, and left no process' : `is over, and left ${left.join(', ')}`,
    advice: 'The next `plimsoll run` stops it; or end it by hand.',
  }
}

/** Where a card is there without what reads it, that is worth a look; no card is nothing to do about. */
function driver({ kind, how, notes }: SeenVendor): Finding {
  const { what, node: path, advice } = drivers[kind]
  return {
    what,
    isGood: (how !== null && notes.length === 0) || !existsSync(path),
    found: [how ?? 'none is seen', ...notes].join('; '),
    advice,
  }
}

const drivers = {
  nvidia: {
    what: 'NVIDIA',
    node: '/dev/nvidiactl',
    advice: 'Install the driver with its library libnvidia-ml.so.1, and `npm ci` with optional packages.',
  },
  amd: {
    what: 'AMD',
    node: '/dev/kfd',
    advice: 'Load the kernel module amdgpu, and let /sys be seen.',
  },
} as const
