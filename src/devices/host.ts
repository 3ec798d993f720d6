// RAM as a device: what our process groups hold, by the resident pages of each process. A page that two processes share
// is counted for both, so the sum errs to the safe side; a proportional count (smaps_rollup) takes the kernel
// milliseconds for each large process, this one microseconds.
import { readdirSync, readFileSync } from 'node:fs'
import type { Device, DeviceReading } from './device.ts'

const pageBytes = 4096

/** A device of `capacityBytes` of this machine's RAM. Foreign use counts as far as it leaves less than we may still take. */
export function hostDevice(id: string, capacityBytes: number): Device {
  return {
    id,
    kind: 'host',
    environment: {},
    async read(groups): Promise<DeviceReading> {
      const bytesByGroup = residentBytes(new Set(groups))
      const ours = [...bytesByGroup.values()].reduce((sum, each) => sum + each, 0)
      const available = availableBytes()
      const foreignBytes = available === null ? 0 : Math.max(0, capacityBytes - ours - available)
      return { capacityBytes, foreignBytes, bytesByGroup }
    },
  }
}

/** One pass over /proc for all groups. Where there is no /proc nothing is known, and nothing is counted. */
function residentBytes(groups: ReadonlySet<number>): Map<number, number> {
  const bytesByGroup = new Map<number, number>()
  if (groups.size === 0) return bytesByGroup
  for (const pid of listProcesses()) {
    try {
      // After the name in brackets: state, parent, group, …; resident pages are the 22nd.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const group = Number(fields[2])
      if (groups.has(group))
        bytesByGroup.set(group, (bytesByGroup.get(group) ?? 0) + Number(fields[21]) * pageBytes)
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return bytesByGroup
}

function listProcesses(): string[] {
  try {
    return readdirSync('/proc').filter((name) => name >= '0' && name <= '99999999')
  } catch {
    return []
  }
}

function availableBytes(): number | null {
  try {
    const match = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))
    return match ? Number(match[1]) * 1024 : null
  } catch {
    return null
  }
}
