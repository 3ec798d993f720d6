// NVIDIA's cards without one: the real code, koffi included, over a library of ours
// that implements what is called of NVML (stand-ins/nvml.c) on a folder that the tests
// edit. Processes are real ones, since their groups are.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { cardDevice } from '../../src/devices/card.ts'
import { skipWithoutCompiler } from '../stand-ins/card.ts'
import {
  cleanUp,
  deviceOf,
  endGroup,
  endProcesses,
  folder,
  GB,
  gpu,
  open,
  standIn,
  startGroup,
  startProcess,
} from '../stand-ins/nvidia.ts'

afterEach(endProcesses)
after(cleanUp)

const gigabytes = (bytes: number | null | undefined) => (bytes == null ? null : Math.round(bytes / 1e7) / 100)

test('a reading follows the card: growth, memory that lingers, foreign use, a card that is lost and comes back', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({ extra: 0.1 * GB, utilisation: 0, linger: 1 })
  const device = deviceOf(await open())
  const [a, b, foreign] = [await startGroup(), startProcess(), startProcess()]
  /** Reads, and checks what is used, ours by group, and foreign. */
  async function step(what: string, expected: (number | null)[], fault: RegExp | null = null): Promise<void> {
    const reading = await device.read([a.group, b])
    const { foreignBytes, usedBytes, bytesByGroup } = reading
    const ours = [a.group, b].map((group) => (bytesByGroup ? (bytesByGroup.get(group) ?? 0) : null))
    const numbers = [usedBytes, ...ours, foreignBytes].map(gigabytes)
    assert.deepEqual(numbers, expected, what)
    if (fault) assert.match(reading.fault!, fault)
    else assert.equal(reading.fault, null, what)
  }

  const { capacityBytes, foreignBytes } = await device.read([])
  assert.deepEqual([capacityBytes, foreignBytes], [15.6 * GB, 0.1 * GB], 'without what the driver keeps')
  await step('nothing of ours yet', [0.1, 0, 0, 0.1])
  card.set({ [`gpu0/compute/${a.group}`]: 4 * GB })
  await step('A loads', [4.1, 4, 0, 0.1])
  card.set({ [`gpu0/compute/${a.child}`]: GB })
  await step("A's child allocates", [5.1, 5, 0, 0.1])
  card.set({ [`gpu0/compute/${foreign}`]: 3 * GB })
  await step('another program takes 3 GB', [8.1, 5, 0, 3.1])
  card.set({ [`gpu0/compute/${b}`]: 2 * GB, [`gpu0/graphics/${b}`]: 2 * GB })
  await step('B loads, computes and draws', [10.1, 5, 2, 3.1])
  card.set({ [`gpu0/compute/${b}`]: 2.5 * GB })
  await step('B grows in a batch', [10.6, 5, 2.5, 3.1])
  await endGroup(a.group)
  await step('A has ended, its memory lingers', [10.6, 5, 2.5, 3.1])
  card.remove('gpu0/compute')
  card.set({ [`gpu0/compute/${b}`]: 2.5 * GB, [`gpu0/compute/${foreign}`]: 3 * GB, 'gpu0/extra': 1.1 * GB })
  await step("1 GB of A's is listed for nobody", [6.6, 0, 2.5, 4.1])
  card.set({ 'gpu0/extra': 0.1 * GB })
  await step('it is back', [5.6, 0, 2.5, 3.1])
  card.remove(`gpu0/compute/${foreign}`)
  await step('the other program has ended', [2.6, 0, 2.5, 0.1])
  card.set({ [`gpu0/compute/${b}`]: `na ${2.5 * GB}` })
  await step('the driver no longer tells who holds what', [2.6, null, null, 0.1])
  card.set({ [`gpu0/compute/${b}`]: 2.5 * GB, 'gpu0/lost': 1 })
  await step('the card is lost', [2.6, null, null, 0.1], /GPU is lost/)
  card.remove('gpu0/lost', 'gpu0/graphics')
  await step('it is back, with what it held', [2.6, 0, 2.5, 0.1])
})

test('a runner is started with its card alone', { skip: skipWithoutCompiler }, async () => {
  standIn({}, { uuid: 'GPU-1', name: 'NVIDIA L4' })
  const driver = await open()
  assert.deepEqual(
    driver.cards.map(({ index, name, uuid, environment }) => [index, name, uuid, environment]),
    [
      [0, gpu.name, 'GPU-0', { CUDA_VISIBLE_DEVICES: 'GPU-0' }],
      [1, 'NVIDIA L4', 'GPU-1', { CUDA_VISIBLE_DEVICES: 'GPU-1' }],
    ],
  )
  assert.match(driver.how, /^NVML 12\.stand-in, driver 550\.54\.14, koffi 3\./)
})

for (const [what, flags, foreignBytes] of [
  // What the driver keeps is in the used bytes of the first version: it counts as foreign.
  ['an old driver, without the newer calls', ['-DOLD_DRIVER'], 0.4 * GB],
  ['drivers 535.43 to 535.86, with longer entries', ['-DENTRY_SIZE=32'], 0],
  ['a driver with short entries', ['-DENTRY_SIZE=16'], 0],
] as const) {
  test(`reads ${what}`, { skip: skipWithoutCompiler }, async () => {
    const card = standIn({ utilisation: 37 })
    const device = deviceOf(await open({}, [...flags]))
    const groups = [startProcess(), startProcess(), startProcess()]
    for (const [index, group] of groups.entries()) card.set({ [`gpu0/compute/${group}`]: (index + 1) * GB })
    const reading = await device.read(groups)
    assert.deepEqual(
      [...reading.bytesByGroup!].sort(),
      groups.map((group, index) => [group, (index + 1) * GB]).sort(),
    )
    assert.deepEqual(
      [reading.foreignBytes, reading.utilisationRatio, reading.fault],
      [foreignBytes, 0.37, null],
    )
  })
}

test('a list is asked for its size first, and read whole', { skip: skipWithoutCompiler }, async () => {
  const card = standIn({})
  const device = deviceOf(await open())
  const groups = Array.from({ length: 20 }, () => startProcess())
  for (const group of groups) card.set({ [`gpu0/compute/${group}`]: 0.1 * GB })
  assert.equal((await device.read(groups)).bytesByGroup!.size, 20)
})

test('memory that was declared caps what is used, and others count only beyond what it leaves them', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({ extra: 6 * GB })
  const driver = await open()
  const device = cardDevice(driver, driver.cards[0]!, { id: 'gpu0', capBytes: 8 * GB })
  const figures = async () => {
    const { capacityBytes, foreignBytes, usedBytes } = await device.read([])
    return [capacityBytes, foreignBytes, usedBytes]
  }
  assert.deepEqual(await figures(), [8 * GB, 0, 0])
  card.set({ 'gpu0/extra': 10 * GB })
  assert.deepEqual(await figures(), [8 * GB, 2.4 * GB, 2.4 * GB])
})

test('a split GPU is its parts: each with its memory and name, the health is that of the whole', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({ ecc: 0 }, { uuid: 'GPU-1' })
  const part = { name: 'NVIDIA A100 MIG 3g.20gb', total: 20 * GB, reserved: 0 }
  card.add('gpu0/mig0', { ...part, uuid: 'MIG-a' })
  card.add('gpu0/mig2', { ...part, uuid: 'MIG-c' })
  const driver = await open()
  assert.deepEqual(
    driver.cards.map(({ index, uuid }) => [index, uuid]),
    [
      [0, 'MIG-a'],
      [0, 'MIG-c'],
      [1, 'GPU-1'],
    ],
  )
  const group = startProcess()
  card.set({ [`gpu0/mig2/compute/${group}`]: 5 * GB })
  const [a, c] = [deviceOf(driver, 0), deviceOf(driver, 1)]
  assert.deepEqual(c.environment, { CUDA_VISIBLE_DEVICES: 'MIG-c' })
  const readings = await Promise.all([a.read([group]), c.read([group])])
  assert.deepEqual(
    readings.map(({ capacityBytes, bytesByGroup }) => [capacityBytes, bytesByGroup!.get(group) ?? 0]),
    [
      [20 * GB, 0],
      [20 * GB, 5 * GB],
    ],
  )
  card.set({ 'gpu0/ecc': 1 })
  for (const device of [a, c]) assert.match((await device.read([group])).fault!, /memory errors/)
})

test('in a container with process ids of its own it says that it cannot tell, unless the list is surely ours', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({ linger: 1 })
  const proc = join(folder, 'proc')
  mkdirSync(join(proc, 'self/ns'), { recursive: true })
  symlinkSync('pid:[4026532000]', join(proc, 'self/ns/pid'))
  const inside = (pid: number, group: number) => {
    mkdirSync(join(proc, String(pid)), { recursive: true })
    writeFileSync(join(proc, String(pid), 'stat'), `${pid} (a (b) c) S 1 ${group} ${group}`)
  }
  inside(20, 20)
  inside(21, 20)
  const device = deviceOf(await open({}, [], proc))
  const ours = async () => {
    const { bytesByGroup } = await device.read([20])
    return bytesByGroup && [...bytesByGroup]
  }
  const list = (values: Record<string, string | number>) => {
    card.remove('gpu0/compute')
    card.add('gpu0/compute', values)
  }
  list({ 20: GB, 21: GB })
  assert.deepEqual(await ours(), [[20, 2 * GB]], 'a driver that translates')
  list({ 20: GB, 98765: GB })
  assert.equal(await ours(), null, 'a process that is not here: the driver counts as its host does')
  list({ 98765: GB })
  assert.equal(await ours(), null)
  list({ 20: 0 })
  assert.equal(await ours(), null, 'a process with a context holds more than nothing')
  list({})
  assert.equal(await ours(), null, 'none of ours, though one is loaded')
  assert.equal((await device.read([])).bytesByGroup?.size, 0, 'nothing of ours is there')
})
