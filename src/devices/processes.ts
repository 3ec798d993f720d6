// Processes as the system lists them: for RAM, for AMD and for NVIDIA, whose drivers
// report process ids while our runners are process groups; and for runners, which prove
// that theirs are gone. `proc` is the root of the tree, so that a test can bring its own.
//
// A stray is a descendant of a runner that began a group of its own. It is known by a variable in its
// environment, which children inherit; one that clears it is not found, and counts as foreign use.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface Process {
  pid: number
  /** Process group: the pid of its leader, also after the leader has ended. */
  group: number
  /** It has ended and waits for its parent to ask how: it holds no memory, and may stay
   * so where nobody asks. */
  isZombie: boolean
  /** As the kernel tells it; compared, never read. */
  startTime: string
  residentPages: number
}

/** null: there is no such process (any more), or it may not be seen. */
export function readProcess(pid: number, proc = '/proc'): Process | null {
  try {
    // The command's name is in brackets and may hold anything. After it: state, parent,
    // group, …; its start is the 20th, resident pages are the 22nd.
    const stat = readFileSync(`${proc}/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      pid,
      group: Number(fields[2]),
      isZombie: fields[0] === 'Z' || fields[0] === 'X',
      startTime: fields[19]!,
      residentPages: Number(fields[21]),
    }
  } catch {
    return null
  }
}

/** All that there are, by pid; null: this system has no such list. */
export function listProcesses(proc = '/proc'): Process[] | null {
  let names: string[]
  try {
    names = readdirSync(proc)
  } catch {
    return null
  }
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number)
  return pids.sort((a, b) => a - b).flatMap((pid) => readProcess(pid, proc) ?? [])
}

/** Its value is `<ledger file>#<instance id>`. */
export const ownerVariable = 'PLIMSOLL_OWNER'

/** The instance that a process was started by, itself or an ancestor of it; null: none,
 * it has ended, or is another user's. */
export function ownerOf(pid: number, proc = '/proc'): string | null {
  try {
    const start = `${ownerVariable}=`
    const lines = readFileSync(`${proc}/${pid}/environ`, 'utf8').split('\0')
    return lines.find((line) => line.startsWith(start))?.slice(start.length) ?? null
  } catch {
    return null
  }
}

/** The inode of the first process namespace of a kernel (PROC_PID_INIT_INO). */
const initialNamespace = 'pid:[4026531836]'

/** We count processes as the drivers do: not in a container with process ids of its own. */
export function seesAllProcesses(proc = '/proc'): boolean {
  try {
    return readlinkSync(`${proc}/self/ns/pid`) === initialNamespace
  } catch {
    return false
  }
}

/** The name of a process's program, for people. */
export function programOf(pid: number, proc = '/proc'): string {
  try {
    return readFileSync(`${proc}/${pid}/comm`, 'utf8').trim()
  } catch {
    return String(pid)
  }
}

/** Bytes of a page: 4096 on most machines, 16 or 64 KiB on some with ARM. */
export const pageBytes = readPageBytes()

function readPageBytes(): number {
  try {
    // The vector of numbers that the kernel gives a program at its start: pairs of key
    // and value; 6 is AT_PAGESZ.
    const vector = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === 6n) return Number(vector.readBigUInt64LE(at + 8))
    }
  } catch {
    // Not Linux.
  }
  return 4096
}
