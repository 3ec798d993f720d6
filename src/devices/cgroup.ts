// How much RAM the cgroups of this process leave it: a container, a systemd unit or a batch
// system may allow less than the machine has. The limit of every level above counts. Version 2
// has one tree (memory.max, memory.high, memory.current), version 1 one for memory
// (memory.limit_in_bytes, memory.usage_in_bytes). Swap has files of its own and is not counted.
//
// What the cgroup has in use includes pages of files, which the kernel takes back when
// others need them; they count as available, as they do in MemAvailable. In a container
// the path may be told as seen from outside: a level that is not there is left out, and
// the root of the tree, which is then the container's own, still counts.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface MemoryLimit {
  limitBytes: number
  availableBytes: number
}

interface Version {
  limits: readonly string[]
  used: string
  /** Keys of memory.stat. */
  reclaimable: readonly string[]
}

const versions: Record<'v1' | 'v2', Version> = {
  v1: {
    limits: ['memory.limit_in_bytes'],
    used: 'memory.usage_in_bytes',
    reclaimable: ['total_inactive_file', 'total_active_file'],
  },
  v2: {
    limits: ['memory.max', 'memory.high'],
    used: 'memory.current',
    reclaimable: ['inactive_file', 'active_file'],
  },
}

/** The tightest limit, and the least that any level leaves; null: there is none. */
export function memoryLimit(proc = '/proc', cgroup = '/sys/fs/cgroup'): MemoryLimit | null {
  const levels = foldersOf(proc, cgroup).flatMap(({ folder, version }) => readLevel(folder, version) ?? [])
  if (levels.length === 0) return null
  return {
    limitBytes: Math.min(...levels.map(({ limitBytes }) => limitBytes)),
    availableBytes: Math.min(...levels.map(({ availableBytes }) => availableBytes)),
  }
}

/** Every folder from ours to the root, in the trees that count memory. */
function foldersOf(proc: string, cgroup: string): { folder: string; version: Version }[] {
  const lines = (read(`${proc}/self/cgroup`) ?? '').split('\n')
  return lines.flatMap((line) => {
    const [, id, controllers, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? []
    if (path === undefined) return []
    if (controllers!.split(',').includes('memory'))
      return upwards(path).map((each) => ({ folder: join(cgroup, 'memory', each), version: versions.v1 }))
    // In the mixed set-up the second version is mounted beside the first.
    if (id === '0')
      return upwards(path).flatMap((each) =>
        [cgroup, join(cgroup, 'unified')].map((root) => ({
          folder: join(root, each),
          version: versions.v2,
        })),
      )
    return []
  })
}

function upwards(path: string): string[] {
  return path === '/' || path === '' || path === '.' ? ['/'] : [path, ...upwards(dirname(path))]
}

function readLevel(folder: string, { limits, used, reclaimable }: Version): MemoryLimit | null {
  const bounds = limits.map((name) => Number(read(join(folder, name)) ?? 'none')).filter(Number.isFinite)
  // Version 1 says "no limit" with the largest number of pages that it can write.
  const limitBytes = Math.min(...bounds)
  const usedBytes = Number(read(join(folder, used)) ?? 'none')
  if (limitBytes > Number.MAX_SAFE_INTEGER || !Number.isFinite(usedBytes)) return null
  const stat = new Map(
    (read(join(folder, 'memory.stat')) ?? '').split('\n').map((line) => line.split(' ') as [string, string]),
  )
  const filesBytes = reclaimable.reduce((sum, key) => sum + Number(stat.get(key) ?? 0), 0)
  return { limitBytes, availableBytes: Math.max(0, limitBytes - Math.max(0, usedBytes - filesBytes)) }
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return null
  }
}
