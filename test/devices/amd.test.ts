// AMD's cards without one: a tree of files as amdgpu and the kernel write them.
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { openAmd } from '../../src/devices/amd.ts'
import { cardDevice, type Driver } from '../../src/devices/card.ts'
import { temporaryFolder } from '../support/folder.ts'

const root = temporaryFolder('amd')

const GB = 2 ** 30
let treeCount = 0

interface Tree {
  sys: string
  proc: string
  names: string
  set(files: Record<string, string | number>): void
  remove(path: string): void
}

function tree(): Tree {
  const folder = join(root, String(++treeCount))
  const set = (files: Record<string, string | number>) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), `${text}\n`)
    }
  }
  set({ names: '# a comment\n744C,\tC8,\tAMD Radeon RX 7900 XTX' })
  const remove = (path: string) => rmSync(join(folder, path), { recursive: true, force: true })
  return { sys: join(folder, 'sys'), proc: join(folder, 'proc'), names: join(folder, 'names'), set, remove }
}

const slots = ['0000:03:00.0', '0000:0a:00.0']

/** card0 has a name and a unique id; card1 has neither, and is the first that ROCm
 * counts. card2 is another vendor's. */
function twoCards(): Tree {
  const made = tree()
  const device = (card: number) => `sys/class/drm/card${card}/device`
  for (const [card, slot] of slots.entries()) {
    made.set({
      [`${device(card)}/mem_info_vram_total`]: 24 * GB,
      [`${device(card)}/mem_info_vram_used`]: 1 * GB,
      [`${device(card)}/gpu_busy_percent`]: 40,
      [`${device(card)}/uevent`]: `DRIVER=amdgpu\nPCI_SLOT_NAME=${slot}`,
      [`${device(card)}/device`]: '0x744c',
      [`${device(card)}/revision`]: '0xc8',
      [`${device(card)}/drm/renderD${128 + card}/dev`]: '226:128',
      [`sys/class/kfd/kfd/topology/nodes/${2 - card}/gpu_id`]: 1000 + card,
      [`sys/class/kfd/kfd/topology/nodes/${2 - card}/properties`]: `simd_count 1\ndrm_render_minor ${128 + card}`,
    })
  }
  made.set({
    [`${device(0)}/unique_id`]: '9d2c54a01b2c3d4e',
    [`${device(1)}/device`]: '0x9999',
    'sys/class/kfd/kfd/topology/nodes/0/gpu_id': 0,
    'sys/class/drm/card2/device/vendor': '0x10de',
    'sys/class/drm/card0-DP-1/status': 'connected',
  })
  return made
}

async function open(files: Tree): Promise<Driver> {
  const driver = await openAmd(files)
  assert.ok('cards' in driver)
  return driver
}

function deviceOf(driver: Driver, index = 0) {
  return cardDevice(driver, driver.cards[index]!, { id: `gpu${index}`, capBytes: null })
}

function process(pid: number, group: number): Record<string, string> {
  return { [`proc/${pid}/stat`]: `${pid} (python3) S 1 ${group} 0` }
}

/** An open device file of a process. */
function client(
  pid: number,
  file: number,
  id: number,
  memory: string,
  slot = slots[0]!,
): Record<string, string> {
  const lines = ['pos:\t0', 'drm-driver:\tamdgpu', `drm-client-id:\t${id}`, `drm-pdev:\t${slot}`, memory]
  return { [`proc/${pid}/fdinfo/${file}`]: lines.join('\n') }
}

test('cards are listed with their names, and shown to ROCm by unique id or by its own order', async () => {
  const driver = await open(twoCards())
  assert.deepEqual(driver.cards, [
    {
      index: 0,
      name: 'AMD Radeon RX 7900 XTX',
      uuid: 'GPU-9d2c54a01b2c3d4e',
      environment: { ROCR_VISIBLE_DEVICES: 'GPU-9d2c54a01b2c3d4e', HIP_VISIBLE_DEVICES: '0' },
    },
    {
      index: 1,
      name: 'AMD GPU 9999',
      uuid: null,
      environment: { ROCR_VISIBLE_DEVICES: '0', HIP_VISIBLE_DEVICES: '0' },
    },
  ])
})

test('bytes of our groups: each client once, of this card only, whatever the unit; the rest is foreign', async () => {
  const files = twoCards()
  const device = deviceOf(await open(files))
  files.set({
    'sys/class/drm/card0/device/mem_info_vram_used': 12 * GB,
    ...process(20, 20),
    ...process(21, 20),
    ...process(30, 30),
    ...process(40, 40),
    ...client(20, 5, 1, `drm-memory-vram:\t${2 * 1024 * 1024} KiB`),
    ...client(20, 6, 1, `drm-memory-vram:\t${2 * 1024 * 1024} KiB`), // the same file, open twice
    ...client(21, 5, 1, `drm-memory-vram:\t${2 * 1024 * 1024} KiB`), // inherited by a child
    ...client(21, 7, 2, 'drm-resident-vram:\t1024 MiB'),
    ...client(21, 8, 3, `drm-memory-vram:\t${4 * 1024 * 1024} KiB`, slots[1]),
    ...client(30, 5, 4, `drm-memory-vram:\t${GB / 2}`), // no unit: bytes
    ...client(40, 5, 5, 'drm-memory-vram:\t3 GiB'), // not ours
    'proc/20/fdinfo/1': 'pos:\t0\nflags:\t02',
  })
  const { bytesByGroup, foreignBytes, usedBytes, utilisationRatio, fault } = await device.read([20, 30, 50])
  assert.deepEqual(
    [...bytesByGroup!],
    [
      [20, 3 * GB],
      [30, GB / 2],
    ],
  )
  assert.deepEqual([usedBytes, foreignBytes, utilisationRatio, fault], [12 * GB, 8.5 * GB, 0.4, null])
})

test('what KFD tells of a ROCm process counts where it is more', async () => {
  const files = twoCards()
  const device = deviceOf(await open(files))
  files.set({
    ...process(20, 20),
    ...client(20, 5, 1, 'drm-memory-vram:\t64 MiB'),
    'sys/class/kfd/kfd/proc/20/vram_1000': 5 * GB,
    'sys/class/kfd/kfd/proc/20/vram_1001': 7 * GB,
  })
  assert.equal(
    (await device.read([20])).bytesByGroup!.get(20),
    64 * 2 ** 20,
    'in a container its pids are others',
  )
  mkdirSync(join(files.proc, 'self/ns'), { recursive: true })
  symlinkSync('pid:[4026531836]', join(files.proc, 'self/ns/pid'))
  assert.equal((await device.read([20])).bytesByGroup!.get(20), 5 * GB)
})

test('memory errors are a fault', async () => {
  const files = twoCards()
  const device = deviceOf(await open(files))
  files.set({ 'sys/class/drm/card0/device/ras/umc_err_count': 'ue: 0\nce: 12' })
  assert.equal((await device.read([])).fault, null)
  files.set({ 'sys/class/drm/card0/device/ras/umc_err_count': 'ue: 3\nce: 12' })
  assert.match((await device.read([])).fault!, /^3 memory errors could not be corrected/)
})

test('a card that vanishes is a fault with its last numbers, and is found again under another number', async () => {
  const files = twoCards()
  const driver = await open(files)
  const [first, second] = [deviceOf(driver, 0), deviceOf(driver, 1)]
  const before = await first.read([])
  const drm = join(files.sys, 'class/drm')
  renameSync(join(drm, 'card0'), join(drm, 'gone'))
  assert.deepEqual({ ...(await first.read([])), fault: null }, before)
  assert.match((await first.read([])).fault!, /it cannot be read: it is no longer under/)
  assert.equal((await second.read([])).fault, null, 'the other keeps its place')
  renameSync(join(drm, 'gone'), join(drm, 'card7'))
  await first.read([])
  assert.deepEqual(await first.read([]), before)
})

test('files that may not be read: it cannot tell', async () => {
  const files = twoCards()
  const device = deviceOf(await open(files))
  const before = await device.read([])
  files.set({ ...process(20, 20), 'sys/class/drm/card0/device/mem_info_vram_used': 9 * GB })
  // The superuser may read everything; a name that leads to itself is refused to all.
  symlinkSync('fdinfo', join(files.proc, '20/fdinfo'))
  const { bytesByGroup, usedBytes, foreignBytes } = await device.read([20])
  assert.deepEqual([bytesByGroup, usedBytes, foreignBytes], [null, 9 * GB, before.foreignBytes])
  const ofUsed = async (bytes: number) => {
    files.set({ ...process(20, 20), 'sys/class/drm/card0/device/mem_info_vram_used': bytes })
    return (await device.read([20])).foreignBytes
  }
  assert.deepEqual([await ofUsed(0), await ofUsed(9 * GB)], [0, 0], 'what was there before us, and has gone')
})

test('without a card it says what was looked for', async () => {
  const files = tree()
  assert.deepEqual(await openAmd(files), [`no mem_info_vram_total under ${files.sys}/class/drm/card*/device`])
})
