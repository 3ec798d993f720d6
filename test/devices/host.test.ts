// RAM as a device: real processes and this machine's own limits, and trees of files for
// the limits that it does not have.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { memoryLimit } from '../../src/devices/cgroup.ts'
import { hostDevice } from '../../src/devices/host.ts'
import { ownerVariable, pageBytes } from '../../src/devices/processes.ts'
import { staticDevice } from '../../src/devices/static.ts'
import { temporaryFolder } from '../support/folder.ts'

const folder = temporaryFolder('host')

const MB = 2 ** 20
const GB = 2 ** 30
let treeCount = 0

/** A tree of files; their paths begin with proc/ or cgroup/. */
function tree(files: Record<string, string | number>): { proc: string; cgroup: string } {
  const root = join(folder, String(++treeCount))
  const meminfo = `MemTotal: ${(64 * GB) / 1024} kB\nMemFree: 1 kB\nMemAvailable: ${(40 * GB) / 1024} kB`
  for (const [path, text] of Object.entries({ 'proc/meminfo': meminfo, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), `${text}\n`)
  }
  return { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') }
}

/** inactive and active: pages of files. */
const stat = (inactive: number, active: number, prefix = '') =>
  `anon 1\n${prefix}inactive_file ${inactive}\n${prefix}active_file ${active}`

const cases: [
  string,
  Record<string, string | number>,
  { limitBytes: number; availableBytes: number } | null,
][] = [
  ['no cgroup', {}, null],
  [
    'version 2 without a limit',
    { 'proc/self/cgroup': '0::/a', 'cgroup/a/memory.max': 'max', 'cgroup/a/memory.current': MB },
    null,
  ],
  [
    'version 2: what files hold is available',
    {
      'proc/self/cgroup': '0::/a',
      'cgroup/a/memory.max': 8 * GB,
      'cgroup/a/memory.current': 3 * GB,
      'cgroup/a/memory.stat': stat(GB, GB / 2),
    },
    { limitBytes: 8 * GB, availableBytes: 6.5 * GB },
  ],
  [
    'version 2: the level above is tighter, and the one below has less left',
    {
      'proc/self/cgroup': '0::/a/b',
      'cgroup/a/memory.max': 4 * GB,
      'cgroup/a/memory.current': 1 * GB,
      'cgroup/a/b/memory.max': 6 * GB,
      'cgroup/a/b/memory.current': 5 * GB,
    },
    { limitBytes: 4 * GB, availableBytes: 1 * GB },
  ],
  [
    'version 2: from memory.high on the kernel slows everything down',
    {
      'proc/self/cgroup': '0::/a',
      'cgroup/a/memory.max': 'max',
      'cgroup/a/memory.high': 2 * GB,
      'cgroup/a/memory.current': 3 * GB,
    },
    { limitBytes: 2 * GB, availableBytes: 0 },
  ],
  [
    "version 2 in a container: the path is the host's, the limit is at the root",
    { 'proc/self/cgroup': '0::/docker/abc', 'cgroup/memory.max': GB, 'cgroup/memory.current': 0 },
    { limitBytes: GB, availableBytes: GB },
  ],
  [
    'version 1, whose largest number means no limit',
    {
      'proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/',
      'cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
      'cgroup/memory/memory.usage_in_bytes': 30 * GB,
      'cgroup/memory/a/memory.limit_in_bytes': 3 * GB,
      'cgroup/memory/a/memory.usage_in_bytes': 2 * GB,
      'cgroup/memory/a/memory.stat': stat(GB, 0, 'total_'),
    },
    { limitBytes: 3 * GB, availableBytes: 2 * GB },
  ],
  [
    'the mixed set-up: version 2 beside version 1',
    {
      'proc/self/cgroup': '1:cpu:/x\n0::/a',
      'cgroup/unified/a/memory.max': 5 * GB,
      'cgroup/unified/a/memory.current': 0,
    },
    { limitBytes: 5 * GB, availableBytes: 5 * GB },
  ],
]

for (const [what, files, expected] of cases) {
  test(`cgroup: ${what}`, () => {
    const { proc, cgroup } = tree(files)
    assert.deepEqual(memoryLimit(proc, cgroup), expected)
  })
}

test('capacity is the smallest of declared, machine and cgroup; others count as far as they leave less', async () => {
  const process = (group: number, bytes: number) =>
    `1 (x) S 1 ${group}${' 0'.repeat(18)} ${bytes / pageBytes} 0`
  const read = async (capBytes: number, files: Record<string, string | number>) => {
    const { proc, cgroup } = tree({
      'proc/20/stat': process(20, GB),
      'proc/21/stat': process(20, GB),
      'proc/30/stat': process(30, GB),
      ...files,
    })
    const reading = await hostDevice('ram', capBytes, { proc, cgroup }).read([20, 99])
    const { capacityBytes, foreignBytes, usedBytes, bytesByGroup } = reading
    return [capacityBytes, foreignBytes, usedBytes, bytesByGroup!.get(20)].map((bytes) => bytes! / GB)
  }
  assert.deepEqual(await read(8 * GB, {}), [8, 0, 2, 2], 'declared')
  assert.deepEqual(await read(100 * GB, {}), [64, 22, 24, 2], 'the machine: 64 − 2 of ours − 40 available')
  const limit = (current: number) => ({
    'proc/self/cgroup': '0::/a',
    'cgroup/a/memory.max': 5 * GB,
    'cgroup/a/memory.current': current * GB,
  })
  assert.deepEqual(await read(8 * GB, limit(2)), [5, 0, 2, 2], 'the cgroup')
  assert.deepEqual(await read(8 * GB, limit(4)), [5, 2, 4, 2], '2 GB of it are held by others')
})

test('where there is no list of processes it cannot tell', async () => {
  const { bytesByGroup, usedBytes, foreignBytes } = await hostDevice('ram', GB, {
    proc: join(folder, 'none'),
  }).read([1])
  assert.deepEqual([bytesByGroup, usedBytes, foreignBytes], [null, null, 0])
})

test('a real process is measured to the page, on this machine', async () => {
  const script =
    'const held = Buffer.alloc(200 * 2 ** 20, 1); console.log(held.length); setInterval(() => held, 1000)'
  const child = spawn(process.execPath, ['-e', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout!, 'data')
  const device = hostDevice('ram', totalmem())
  const { bytesByGroup, capacityBytes } = await device.read([child.pid!, 999_999_999])
  assert.ok(capacityBytes <= totalmem())
  assert.deepEqual([...bytesByGroup!.keys()], [child.pid])
  const bytes = bytesByGroup!.get(child.pid!)!
  assert.ok(bytes > 200 * MB && bytes < 400 * MB, `${bytes} bytes`)
  const exit = once(child, 'exit')
  process.kill(-child.pid!, 'SIGKILL')
  await exit
  assert.equal((await device.read([child.pid!])).bytesByGroup!.size, 0)
})

test('the most that a process held since the last reading is known', async () => {
  const script = `
    let held
    process.stdin.on('data', (text) => {
      held = Buffer.alloc(Number(text), 1)
      held = null
      const before = process.memoryUsage.rss()
      const look = () => {
        gc() // the system has it back some time after
        if (before - process.memoryUsage.rss() > Number(text) * 0.8) console.log('held')
        else setTimeout(look, 10)
      }
      look()
    })
    console.log('ready')`
  const child = spawn(process.execPath, ['--expose-gc', '-e', script], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  after(() => child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  const device = hostDevice('ram', totalmem())
  const read = async () => {
    const { bytesByGroup, peakByGroup } = await device.read([child.pid!])
    return [bytesByGroup!.get(child.pid!)!, peakByGroup!.get(child.pid!)!] as const
  }
  await read()
  child.stdin!.write(String(300 * MB))
  await once(child.stdout!, 'data')
  const [afterBytes, peakBytes] = await read()
  assert.ok(peakBytes - afterBytes > 200 * MB, `${peakBytes} at most, ${afterBytes} after`)
  const [nowBytes, nextPeakBytes] = await read()
  assert.ok(nextPeakBytes - nowBytes < 50 * MB, `${nextPeakBytes}: the peak before counts once`)
})

test('what a child holds that left the group counts for the group, also when its parent is gone', async () => {
  const child = `const held = Buffer.alloc(100 * 2 ** 20, 1); console.log(held.length); setInterval(() => held, 1000)`
  const script = `
    const { spawn } = require('node:child_process')
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    child.stdout.on('data', () => console.log(child.pid))
    setInterval(() => {}, 1000)`
  const start = async (owner: string) => {
    const leader = spawn(process.execPath, ['-e', script], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, [ownerVariable]: owner },
    })
    const [text] = (await once(leader.stdout!, 'data')) as [Buffer]
    after(() => {
      leader.kill('SIGKILL')
      process.kill(Number(text), 'SIGKILL')
    })
    return { leader, group: leader.pid! }
  }
  const [first, second] = [await start('/a#x-1'), await start('/a#x-2')]
  const device = hostDevice('ram', totalmem())
  const read = async (groups: number[]) => {
    const { bytesByGroup } = await device.read(groups)
    return groups.map((group) => Math.round((bytesByGroup!.get(group) ?? 0) / MB))
  }
  const [one, two] = (await read([first.group, second.group])) as [number, number]
  assert.ok(one > 180 && one < 300 && two > 180 && two < 300, `${one} and ${two} MiB`)
  const exit = once(first.leader, 'exit')
  first.leader.kill('SIGKILL')
  second.leader.kill('SIGKILL')
  await exit
  const [stray] = (await read([first.group])) as [number]
  assert.ok(stray > 120 && stray < one - 30, `${stray} MiB after ${one}`)
})

test('a device that is only declared sees nothing', async () => {
  const reading = await staticDevice('gpu', 16e9).read([process.pid])
  assert.deepEqual([reading.capacityBytes, reading.foreignBytes, reading.bytesByGroup], [16e9, 0, null])
})
