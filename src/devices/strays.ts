// Which of our process groups a process counts for: the one that it is in, or the one
// that it strayed from (processes.ts). Who left its group holds memory all the same,
// and a device that counts groups alone would offer it to others.
import { ownerOf, ownerVariable, type Process } from './processes.ts'

export class Strays {
  readonly #proc: string | undefined
  /** What the environment of a process says is read once: it does not change. */
  readonly #known = new Map<number, { startTime: string; owner: string | null }>()
  /** By owner; also after the last process of the group has ended. */
  readonly #groups = new Map<string, number>()

  constructor(proc: string | undefined) {
    this.#proc = proc
  }

  /** Those that count, each with its group. `groups` are all that are of interest now. */
  groupsOf(processes: readonly Process[], groups: ReadonlySet<number>): [Process, number][] {
    this.#forget(processes, groups)
    const named = new Set(this.#groups.values())
    for (const { pid, group } of processes) {
      if (!groups.has(group) || named.has(group)) continue
      const owner = ownerOf(pid, this.#proc)
      // One that is about to become a worker may still have our own environment.
      if (owner !== null && owner !== process.env[ownerVariable]) this.#groups.set(owner, group)
    }
    return processes.flatMap((each): [Process, number][] => {
      if (groups.has(each.group)) return [[each, each.group]]
      const group = this.#groups.get(this.#ownerOf(each) ?? '')
      return group === undefined ? [] : [[each, group]]
    })
  }

  #forget(processes: readonly Process[], groups: ReadonlySet<number>): void {
    for (const [owner, group] of this.#groups) if (!groups.has(group)) this.#groups.delete(owner)
    const pids = new Set(processes.map(({ pid }) => pid))
    for (const pid of this.#known.keys()) if (!pids.has(pid)) this.#known.delete(pid)
  }

  #ownerOf({ pid, startTime }: Process): string | null {
    const known = this.#known.get(pid)
    if (known?.startTime === startTime) return known.owner
    const owner = ownerOf(pid, this.#proc)
    this.#known.set(pid, { startTime, owner })
    return owner
  }
}
