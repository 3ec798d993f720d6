// Started processes: which processes we started, on disk, so that the next start finds what a
// kill -9 left. A line is written before the process may allocate (before its model's load is
// sent). In the window between the start of the process and its line the worker holds nothing
// yet, and ends by itself when our end of its stdin closes with us. A process is known by pid,
// start time and boot, never by the pid alone: pids are used again. Its descendants carry the
// list's name in their environment, so that those which left its group are found too.

import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { InstanceId } from '../core/state/events.ts'
import { readProcess } from '../devices/processes.ts'
import { endGroup, endStrays, isGroupAlive, namesOf, straysOf } from './owned.ts'

interface Entry {
  pid: number
  /** As the system tells it; compared, never read. */
  startTime: string
  /** Names the boot of the machine: after another one no process of ours is left. */
  boot: string
  instanceId: InstanceId
}

/** From TERM to KILL for a process that was left behind, ms. It has lost its stdin: it
 * should be ending already. */
const leftoverGraceMs = 2000

/** What does not react to KILL for so long, ms, is not waited for: its memory counts as foreign use. */
const leftoverLimitMs = 10_000

export class StartedProcesses {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  /** For the environment of an instance's processes. */
  ownerOf(instanceId: InstanceId): string {
    return `${ownerOf(this.#file)}${instanceId}`
  }

  add(pid: number, instanceId: InstanceId): void {
    const startTime = startTimeOf(pid)
    if (startTime !== null) this.#write({ pid, startTime, boot: bootId(), instanceId })
  }

  /** The whole group of the process is gone. */
  remove(pid: number): void {
    this.#write({ gone: pid })
  }

  #write(line: Entry | { gone: number }): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

function ownerOf(file: string): string {
  return `${resolve(file)}#`
}

export interface Leftovers {
  /** Process groups, and strays, that were still there. */
  foundCount: number
  /** Those that cannot be ended, for people: "process 4242 (python3)". */
  unkillable: string[]
}

/** What is still there of what a run started, for people; of a run that is on, its workers. */
export function livingOf(file: string): string[] {
  const entries = existsSync(file) ? entriesOf(readFileSync(file, 'utf8')).filter(isOurs) : []
  const pids = new Set([...entries.map(({ pid }) => pid), ...straysOf(ownerOf(file))])
  return [...pids].map((pid) => namesOf([pid]))
}

/** Stops what an earlier run left, proves that it is gone, and empties the list of it. */
export async function reapLeftovers(file: string): Promise<Leftovers> {
  const entries = existsSync(file) ? entriesOf(readFileSync(file, 'utf8')).filter(isOurs) : []
  const ended = await Promise.all(
    entries.map(({ pid }) => endGroup(pid, leftoverGraceMs, () => {}, leftoverLimitMs)),
  )
  const stuck = entries.filter((_, index) => !ended[index])
  const strays = straysOf(ownerOf(file)).filter((pid) => stuck.every((entry) => entry.pid !== pid))
  const areStraysGone = await endStrays(ownerOf(file), stuck.length > 0 ? 0 : leftoverLimitMs)
  const left = [...stuck.map(({ pid }) => pid), ...(areStraysGone ? [] : straysOf(ownerOf(file)))]
  if (stuck.length > 0) writeFileSync(file, stuck.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
  else rmSync(file, { force: true })
  return {
    foundCount: entries.length + strays.length,
    unkillable: [...new Set(left)].map((pid) => namesOf([pid])),
  }
}

/** Started and not gone. A line that a kill tore is left out: its process had no memory yet. */
function entriesOf(text: string): Entry[] {
  const byPid = new Map<number, Entry>()
  for (const line of text.split('\n')) {
    let entry: Entry | { gone: number }
    try {
      entry = JSON.parse(line)
    } catch {
      continue
    }
    if ('gone' in entry) byPid.delete(entry.gone)
    else byPid.set(entry.pid, entry)
  }
  return [...byPid.values()]
}

/** The leader lives and is the one we started; or it is gone and others of its group
 * live: while one does, the system gives the number to no other process. */
function isOurs({ pid, startTime, boot }: Entry): boolean {
  if (boot !== bootId()) return false
  const now = startTimeOf(pid)
  return (now === null || now === startTime) && isGroupAlive(pid)
}

/** When a process started; null: there is none. */
function startTimeOf(pid: number): string | null {
  const known = readProcess(pid)
  if (known || existsSync('/proc/self/stat')) return known?.startTime ?? null
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout?.trim() || null
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
