// What goes wrong with NVIDIA's cards: broken memory, cards that are lost and come back, a driver
// that hangs, the process that asks it killed, no library, no koffi. Over the stand-in for NVML.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { openNvidia } from '../../src/devices/nvidia.ts'
import { listProcesses, readProcess } from '../../src/devices/processes.ts'
import { skipWithoutCompiler } from '../stand-ins/card.ts'
import { cleanUp, deviceOf, folder, GB, gpu, open, standIn } from '../stand-ins/nvidia.ts'

after(cleanUp)

for (const [what, values, fault] of [
  ['errors that could not be corrected', { ecc: 2 }, /^2 memory errors could not be corrected/],
  ['a page that waits for a reboot', { retired: 1 }, /page/],
  ['a row that could not be replaced', { remap_failed: 1 }, /row/],
  ['an XID that a reset heals', { xids: 31, 'xids-then': 79 }, /XID 79, GPU has fallen off the bus/],
  [
    "no errors, a row that waits to be replaced, and an application's XID",
    { ecc: 0, retired: 0, remap_failed: 0, xids: 31 },
    null,
  ],
] as const) {
  test(`health: ${what}`, { skip: skipWithoutCompiler }, async () => {
    const card = standIn({ xids: '' })
    const device = deviceOf(await open())
    assert.equal((await device.read([])).fault, null)
    const { 'xids-then': second, ...first } = values as Record<string, number>
    card.add('gpu0', first)
    if (second !== undefined) card.set({ 'gpu0/xids': `${first.xids}\n${second}` })
    const reading = await device.read([])
    if (fault === null) assert.equal(reading.fault, null)
    else assert.match(reading.fault!, fault)
    assert.equal(reading.capacityBytes, 15.6 * GB, 'a card that is broken is read all the same')
  })
}

test('an XID holds until the card has been gone and is back', { skip: skipWithoutCompiler }, async () => {
  const card = standIn({ xids: 79 })
  const device = deviceOf(await open())
  assert.match((await device.read([])).fault!, /XID 79/)
  assert.match((await device.read([])).fault!, /XID 79/, 'though it is told once')
  card.set({ 'gpu0/lost': 1 })
  assert.match((await device.read([])).fault!, /lost/)
  card.remove('gpu0/lost')
  assert.equal((await device.read([])).fault, null)
})

test('a card that is taken out is a fault until it is put back; the others go on', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({}, { uuid: 'GPU-1' })
  const driver = await open()
  const [first, second] = [deviceOf(driver, 0), deviceOf(driver, 1)]
  card.remove('gpu1')
  assert.match((await second.read([])).fault!, /lost|not there/)
  assert.match((await second.read([])).fault!, /not there/)
  assert.equal((await first.read([])).fault, null)
  card.add('gpu1', { ...gpu, uuid: 'GPU-1' })
  await second.read([])
  assert.equal((await second.read([])).fault, null)
})

test('a call that hangs is a fault in time, blocks nothing, and is over when the driver answers', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({}, { uuid: 'GPU-1' })
  const driver = await open({ askMs: 1500, retryMs: 500 })
  const [first, second] = [deviceOf(driver, 0), deviceOf(driver, 1)]
  const before = await first.read([])
  card.set({ hang: 'nvmlDeviceGetMemoryInfo_v2' })
  let roundCount = 0
  const count = () => {
    roundCount++
    if (isReading) setImmediate(count)
  }
  let isReading = true
  setImmediate(count)
  const reading = await first.read([])
  isReading = false
  assert.deepEqual(reading, { ...before, fault: 'the NVIDIA driver has not answered for 1.5 s' })
  assert.ok(roundCount > 100, `${roundCount} rounds of the event loop meanwhile`)
  const startedAtMs = performance.now()
  assert.match((await first.read([])).fault!, /not answered/)
  assert.ok(performance.now() - startedAtMs < 1000, 'it is left alone for a while')
  card.remove('hang')
  assert.equal((await second.read([])).fault, null, 'the other card is asked through a new process')
  while ((await first.read([])).fault !== null) await new Promise((wake) => setImmediate(wake))
})

test('closing ends a question that is under way, and starts nothing again', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({})
  const driver = await open()
  const device = deviceOf(driver)
  await device.read([])
  const pid = findHost()
  card.set({ hang: 'nvmlDeviceGetMemoryInfo_v2' })
  const reading = device.read([])
  await device.close()
  assert.match((await reading).fault!, /was closed/)
  assert.match((await device.read([])).fault!, /was closed/)
  while (readProcess(pid) !== null) await new Promise((wake) => setImmediate(wake))
  assert.throws(findHost)
})

test('one card that hangs costs the others no reading', { skip: skipWithoutCompiler }, async () => {
  const card = standIn({}, { uuid: 'GPU-1' })
  const driver = await open({ askMs: 1500, retryMs: 60_000 })
  const [first, second] = [deviceOf(driver, 0), deviceOf(driver, 1)]
  card.set({ hang: 'nvmlDeviceGetUtilizationRates' })
  const readings = [first.read([]), second.read([])]
  assert.match((await readings[0]!).fault!, /not answered/)
  card.remove('hang')
  assert.equal((await readings[1]!).fault, null)
})

test('when the process that asks is killed, its question is a fault and the next one is answered', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({})
  const device = deviceOf(await open())
  card.set({ hang: 'nvmlDeviceGetMemoryInfo_v2' })
  const reading = device.read([])
  process.kill(findHost(), 'SIGKILL')
  assert.match((await reading).fault!, /was killed by SIGKILL/)
  card.remove('hang')
  assert.equal((await device.read([])).fault, null)
})

/** The process that calls NVML for us. */
function findHost(): number {
  const isHost = (pid: number) => {
    try {
      return (
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('nvml-host') &&
        readFileSync(`/proc/${pid}/environ`, 'utf8').includes(process.env.PLIMSOLL_STAND_IN!)
      )
    } catch {
      return false // it has ended
    }
  }
  const found = listProcesses()!.filter(({ pid }) => isHost(pid))
  assert.equal(found.length, 1)
  return found[0]!.pid
}

test('without the library and without nvidia-smi it says what was tried', async () => {
  const tried = await openNvidia({ nvml: { library: join(folder, 'none.so') }, smi: { command: 'no-smi' } })
  assert.ok(Array.isArray(tried))
  assert.match(tried[0]!, /none\.so: .*No such file/)
  assert.equal(tried[1], 'there is no no-smi on the PATH')
})

test('without the package koffi everything else works, and it is named', async () => {
  const bare = join(folder, 'bare')
  for (const part of ['core', 'devices'])
    cpSync(resolve(import.meta.dirname, '../../src', part), join(bare, part), { recursive: true })
  writeFileSync(join(bare, 'package.json'), '{ "type": "module" }')
  const { openNvidia: openBare } = (await import(join(bare, 'devices/nvidia.ts'))) as {
    openNvidia: typeof openNvidia
  }
  assert.deepEqual(await openBare({ smi: { command: 'no-smi' } }), [
    `the package @koromix/koffi-${process.platform}-${process.arch} is not installed`,
    'there is no no-smi on the PATH',
  ])
})
