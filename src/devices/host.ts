// RAM as a device: what our process groups and their strays hold, by the resident pages of each process.
// A page that two processes share is counted for both, so the sum errs to the safe side; a proportional
// count (smaps_rollup) takes the kernel milliseconds for each large process, this one microseconds.
//
// Capacity is the smallest of what was declared, what the machine has and what our
// cgroups allow. Others count as far as they leave less of it than we may still take.
// Swap is not memory here: neither as capacity nor as what a process holds.
//
// The kernel keeps the most that a process ever held, and begins anew when it is told
// to: so each reading knows the peak since the last one. The peaks of a group's
// processes are added, although they may not have come at once.
import { readFileSync, writeFileSync } from 'node:fs'
import { memoryLimit } from './cgroup.ts'
import type { Device, DeviceReading } from './device.ts'
import { listProcesses, pageBytes } from './processes.ts'
import { Strays } from './strays.ts'

/** The trees that are read; a test brings its own. */
export interface HostRoots {
  proc?: string
  cgroup?: string
}

/** A device of at most `capBytes` of this machine's RAM. */
export function hostDevice(id: string, capBytes: number, { proc, cgroup }: HostRoots = {}): Device {
  const strays = new Strays(proc)
  return {
    id,
    kind: 'host',
    name: 'RAM',
    uuid: null,
    environment: {},
    read: (groups) => Promise.resolve(readHost(capBytes, groups, strays, proc, cgroup)),
    close: () => Promise.resolve(),
  }
}

function readHost(
  capBytes: number,
  groups: readonly number[],
  strays: Strays,
  proc = '/proc',
  cgroup?: string,
): DeviceReading {
  const { bytesByGroup, peakByGroup } = heldByGroup(new Set(groups), strays, proc)
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
    peakByGroup,
    utilisationRatio: null,
    fault: null,
  }
}

/** One pass over the processes for all groups. null where the system has no list of them. */
function heldByGroup(
  groups: ReadonlySet<number>,
  strays: Strays,
  proc: string,
): { bytesByGroup: Map<number, number> | null; peakByGroup: Map<number, number> } {
  const peakByGroup = new Map<number, number>()
  const processes = listProcesses(proc)
  if (processes === null) return { bytesByGroup: null, peakByGroup }
  const bytesByGroup = new Map<number, number>()
  const add = (sums: Map<number, number>, group: number, bytes: number) =>
    sums.set(group, (sums.get(group) ?? 0) + bytes)
  for (const [{ pid, residentPages }, group] of strays.groupsOf(processes, groups)) {
    const bytes = residentPages * pageBytes
    add(bytesByGroup, group, bytes)
    add(peakByGroup, group, Math.max(bytes, takePeak(pid, proc) ?? 0))
  }
  return { bytesByGroup, peakByGroup }
}

/** Most bytes that a process held since the last call; null: the system does not say,
 * or is not to be told. */
function takePeak(pid: number, proc: string): number | null {
  try {
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`${proc}/${pid}/status`, 'utf8'))
    writeFileSync(`${proc}/${pid}/clear_refs`, '5', { flag: 'r+' })
    return peak ? Number(peak[1]) * 1024 : null
  } catch {
    return null
  }
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
