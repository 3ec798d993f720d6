// RAM as a device: what our process groups hold, by the resident pages of each process. A page that two processes share
// is counted for both, so the sum errs to the safe side; a proportional count (smaps_rollup) takes the kernel
// milliseconds for each large process, this one microseconds.
//
// Capacity is the smallest of what was declared, what the machine has and what our cgroups allow. Others count as far as
// they leave less of it than we may still take. Swap is not memory here: neither as capacity nor as what a process holds.
import { readFileSync } from 'node:fs'
import { memoryLimit } from './cgroup.ts'
import type { Device, DeviceReading } from './device.ts'
import { listProcesses, pageBytes } from './processes.ts'

/** The trees that are read; a test brings its own. */
export interface HostRoots {
  proc?: string
  cgroup?: string
}

/** A device of at most `capBytes` of this machine's RAM. */
export function hostDevice(id: string, capBytes: number, { proc, cgroup }: HostRoots = {}): Device {
  return {
    id,
    kind: 'host',
    name: 'RAM',
    uuid: null,
    environment: {},
    read: (groups) => Promise.resolve(readHost(capBytes, groups, proc, cgroup)),
    close: () => Promise.resolve(),
  }
}

function readHost(
  capBytes: number,
  groups: readonly number[],
  proc = '/proc',
  cgroup?: string,
): DeviceReading {
  const bytesByGroup = residentBytes(new Set(groups), proc)
  const machine = readMachine(proc)
  const limit = memoryLimit(proc, cgroup)
  const capacityBytes = Math.min(capBytes, machine?.totalBytes ?? capBytes, limit?.limitBytes ?? capBytes)
  const ours = [...(bytesByGroup?.values() ?? [])].reduce((sum, each) => sum + each, 0)
  const available = Math.min(machine?.availableBytes ?? capBytes, limit?.availableBytes ?? capBytes)
  const foreignBytes = Math.max(0, capacityBytes - ours - available)
  return {
    capacityBytes,
    foreignBytes,
    usedBytes: bytesByGroup === null ? null : foreignBytes + ours,
    bytesByGroup,
    utilisationRatio: null,
    fault: null,
  }
}

/** One pass over the processes for all groups. null where the system has no list of them. */
function residentBytes(groups: ReadonlySet<number>, proc: string): Map<number, number> | null {
  const processes = listProcesses(proc)
  if (processes === null) return null
  const bytesByGroup = new Map<number, number>()
  for (const { group, residentPages } of processes) {
    if (groups.has(group)) bytesByGroup.set(group, (bytesByGroup.get(group) ?? 0) + residentPages * pageBytes)
  }
  return bytesByGroup
}

function readMachine(proc: string): { totalBytes: number; availableBytes: number } | null {
  try {
    const text = readFileSync(`${proc}/meminfo`, 'utf8')
    const kiB = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)![1])
    return { totalBytes: kiB('MemTotal') * 1024, availableBytes: kiB('MemAvailable') * 1024 }
  } catch {
    return null
  }
}
