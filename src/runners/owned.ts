// The processes that an instance has: its process group, and strays, descendants that began a group of
// their own. A zombie is gone: it holds no memory, and in a container nobody may ever ask how it ended.
import { listProcesses, ownerOf, type Process, programOf } from '../devices/processes.ts'

/** How often processes are looked for, ms: soon at first. */
const firstPollMs = 20
const pollMs = 250

/** After so long they are looked for less often, ms. */
const impatienceMs = 500

/** Ends a process group and resolves when it is gone: TERM, after the grace KILL. Grace
 * 0: KILL at once. False: it was not gone after `limitMs` from then. */
export async function endGroup(
  group: number,
  graceMs: number,
  onSignal: (signal: 'TERM' | 'KILL') => void = () => {},
  limitMs = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  if (graceMs > 0) {
    onSignal('TERM')
    signalGroup(group, 'SIGTERM')
    if (await isTrueSoon(() => !isGroupAlive(group), graceMs)) return true
  }
  return isTrueSoon(() => {
    if (!isGroupAlive(group)) return true
    onSignal('KILL')
    signalGroup(group, 'SIGKILL')
    return false
  }, limitMs)
}

/** Kills what an owner left outside its groups; the beginning of an owner stands for
 * all of them. Resolves when they are gone; false: they were not after `limitMs`. */
export async function endStrays(owner: string, limitMs = Number.POSITIVE_INFINITY): Promise<boolean> {
  return isTrueSoon(() => {
    const pids = straysOf(owner)
    for (const pid of pids) signal(pid, 'SIGKILL')
    return pids.length === 0
  }, limitMs)
}

async function isTrueSoon(isTrue: () => boolean, limitMs: number): Promise<boolean> {
  const startMs = performance.now()
  for (;;) {
    if (isTrue()) return true
    const passedMs = performance.now() - startMs
    if (passedMs >= limitMs) return false
    await new Promise((wake) => setTimeout(wake, passedMs < impatienceMs ? firstPollMs : pollMs))
  }
}

export function isGroupAlive(group: number): boolean {
  if (!signalGroup(group, 0)) return false
  const processes = living()
  return processes === null || processes.some((each) => each.group === group)
}

/** Those of a group and strays of the owner, by pid. */
export function pidsOf(group: number, owner: string): number[] {
  const ours = (living() ?? []).filter((each) => each.group === group || isOf(each, owner))
  return ours.map(({ pid }) => pid)
}

/** `process 4242 (python3)`. */
export function namesOf(pids: readonly number[]): string {
  const named = pids.slice(0, 3).map((pid) => `${pid} (${programOf(pid)})`)
  if (pids.length > named.length) named.push(`${pids.length - named.length} more`)
  return `${pids.length === 1 ? 'process' : 'processes'} ${named.join(', ')}`
}

/** Processes of an owner in whatever group; the beginning of an owner, up to its #,
 * stands for all of them. */
export function straysOf(owner: string): number[] {
  return (living() ?? []).filter((each) => isOf(each, owner)).map(({ pid }) => pid)
}

/** null: this system has no list of them. */
function living(): Process[] | null {
  return listProcesses()?.filter(({ isZombie }) => !isZombie) ?? null
}

function isOf({ pid }: Process, owner: string): boolean {
  if (pid === process.pid) return false
  const actual = ownerOf(pid)
  return owner.endsWith('#') ? actual?.startsWith(owner) === true : actual === owner
}

function signalGroup(group: number, name: NodeJS.Signals | 0): boolean {
  return signal(-group, name)
}

/** Whether there is anything to be signalled. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
