// Which processes belong to a round and what they hold, read from /proc without any
// code of ours under test. A process is of a round by a variable in its environment,
// which children inherit, in whatever group or session they are.
import { readdirSync, readFileSync } from 'node:fs'

/** The round, and within it the model or the role; a process of the round with neither is the scheduler. */
export const variables = { round: 'CHAOS_ROUND', model: 'CHAOS_MODEL', role: 'CHAOS_ROLE' } as const

export interface Seen {
  pid: number
  parent: number
  group: number
  /** Resident. */
  bytes: number
  model: string | null
  role: string | null
}

interface Known {
  /** Since the boot, in ticks: with the pid it names a process. */
  startTime: string
  seenAtMs: number
  /** null: it is not of this round. */
  mark: { model: string | null; role: string | null } | null
}

/** A process that has not become another program after so long, ms, is what it is. */
const settledMs = 3000

export class Sight {
  readonly #round: string
  readonly #known = new Map<number, Known>()

  constructor(round: string) {
    this.#round = round
  }

  look(): Seen[] {
    const seen: Seen[] = []
    for (const name of readdirSync('/proc')) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || pid === process.pid) continue
      const each = this.#read(pid)
      if (each) seen.push(each)
      else if (each === undefined) this.#known.delete(pid)
    }
    // Between fork and exec a child is still a picture of the scheduler.
    const schedulers = new Set(seen.filter(isScheduler).map(({ pid }) => pid))
    return seen.filter((each) => !isScheduler(each) || !schedulers.has(each.parent))
  }

  /** null: not of this round; undefined: gone. */
  #read(pid: number): Seen | null | undefined {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const startTime = fields[19]!
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined
      const mark = this.#markOf(pid, startTime)
      if (!mark) return null
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const resident = /^VmRSS:\s+(\d+) kB/m.exec(status)
      const bytes = resident ? Number(resident[1]) * 1024 : 0
      return { pid, parent: Number(fields[1]), group: Number(fields[2]), bytes, ...mark }
    } catch {
      return undefined
    }
  }

  #markOf(pid: number, startTime: string): Known['mark'] {
    const known = this.#known.get(pid)
    const nowMs = performance.now()
    const isSettled = (each: Known) => each.mark?.model || nowMs - each.seenAtMs > settledMs
    if (known?.startTime === startTime && isSettled(known)) return known.mark
    const mark = this.#readMark(pid)
    const seenAtMs = known?.startTime === startTime ? known.seenAtMs : nowMs
    this.#known.set(pid, { startTime, seenAtMs, mark })
    return mark
  }

  #readMark(pid: number): Known['mark'] {
    let text: string
    try {
      text = readFileSync(`/proc/${pid}/environ`, 'utf8')
    } catch {
      return null // of another user
    }
    const values = new Map(text.split('\0').map((line) => line.split('=', 2) as [string, string]))
    if (values.get(variables.round) !== this.#round) return null
    return { model: values.get(variables.model) ?? null, role: values.get(variables.role) ?? null }
  }
}

export function isScheduler({ model, role }: Seen): boolean {
  return model === null && role === null
}
