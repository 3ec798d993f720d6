// Which of our process groups holds what, from a driver's list of process ids and bytes.
// A driver still lists a process for a moment after its end; its group is then known from
// an earlier reading, so that a group's bytes count until the driver lets go of them.
//
// The answer is null, "cannot tell", where the list is of no use:
//  (1) There is no list, or not for us.
//  (2) A process of ours is listed without bytes: the driver does not say (WDDM, MIG
//      without rights), or says 0 (driver 560 in a container, HAMi-core issue 112).
//      Anything that is listed has a context of tens of megabytes at least.
//  (3) In a container with process ids of its own, where the driver may count as its
//      host does: a listed process that is not here, or none of ours although we have
//      some. Older drivers always count so (nvidia-docker issue 1483); newer ones
//      translate, and list what is outside the container as 0 or not at all.
import { readProcess, seesAllProcesses } from './processes.ts'

export interface ListedProcess {
  pid: number
  /** null: the driver does not say. */
  bytes: number | null
}

export class Attribution {
  readonly #proc: string
  /** Listed processes to the groups that they had when they were last seen alive. */
  #groupByPid = new Map<number, number>()

  constructor(proc = '/proc') {
    this.#proc = proc
  }

  bytesByGroup(
    listed: readonly ListedProcess[] | null,
    groups: readonly number[],
  ): Map<number, number> | null {
    if (listed === null) return null // (1)
    const groupByPid = this.#learnGroups(listed)
    const bytesByGroup = new Map<number, number>()
    for (const { pid, bytes } of listed) {
      const group = groupByPid.get(pid)
      if (group === undefined || !groups.includes(group)) continue
      if (!bytes) return null // (2)
      bytesByGroup.set(group, (bytesByGroup.get(group) ?? 0) + bytes)
    }
    if (groups.length > 0 && !seesAllProcesses(this.#proc)) {
      const isForeignCount = listed.some(({ pid }) => pid !== 0 && !groupByPid.has(pid))
      if (isForeignCount || bytesByGroup.size === 0) return null // (3)
    }
    return bytesByGroup
  }

  #learnGroups(listed: readonly ListedProcess[]): ReadonlyMap<number, number> {
    const groupByPid = new Map<number, number>()
    for (const { pid } of listed) {
      const group = readProcess(pid, this.#proc)?.group ?? this.#groupByPid.get(pid)
      if (group !== undefined) groupByPid.set(pid, group)
    }
    this.#groupByPid = groupByPid
    return groupByPid
  }
}
