// `plimsoll doctor` and its --gpu-check: on RAM for real, and over stand-ins for NVML and
// for the libraries that a worker allocates with, through the real worker and its ctypes.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { checkColumns, checkDevice, rowsOf } from '../src/cli/commands/gpu-check.ts'
import { renderTable } from '../src/cli/table.ts'
import type { Device } from '../src/devices/device.ts'
import { hostDevice } from '../src/devices/host.ts'
import { createRunner } from '../src/runners/create.ts'
import { StartedProcesses } from '../src/runners/started.ts'
import { compile, type StandIn, skipWithoutCompiler } from './stand-ins/card.ts'
import { cleanUp, deviceOf, folder, GB, open, standIn } from './stand-ins/nvidia.ts'
import { plimsollWith } from './support/command.ts'

after(cleanUp)

const root = resolve(import.meta.dirname, '..')
const MiB = 2 ** 20
const small = { sizeBytes: 256 * MiB, cycleCount: 2 }
const steps = [
  'the worker has opened it',
  'holds',
  'holds more',
  'gives some back',
  'has ended',
  'a further worker has opened it',
  'holds',
  'has ended',
]

test('on RAM: what a real worker holds is measured to a few pages, and is back when it has ended', async () => {
  const result = await checkDevice(hostDevice('ram', GB), small)
  console.log(renderTable({ title: 'RAM', columns: checkColumns, rows: rowsOf(result) }, { width: 120 }))
  assert.equal(result.failure, null)
  assert.deepEqual(
    result.rows.map(({ step }) => step),
    steps,
  )
  for (const { step, bookedBytes, measuredBytes } of result.rows)
    assert.ok(Math.abs(bookedBytes - measuredBytes) < 4 * MiB, `${step}: ${bookedBytes} and ${measuredBytes}`)
  assert.equal(result.releaseMs.length, 2)
  assert.ok(result.isGood)
})

test('where torch is, the worker holds with it', async () => {
  const environment = { PYTHONPATH: join(import.meta.dirname, 'stand-ins') }
  const device: Device = { ...hostDevice('gpu0', GB), kind: 'nvidia', environment }
  const result = await checkDevice(device, small)
  assert.equal(result.how, 'torch 0.stand-in')
  assert.equal(result.failure, null)
  assert.ok(result.isGood, JSON.stringify(result.rows))
})

test('without the library the check says so', async () => {
  const device: Device = { ...hostDevice('gpu0', GB), kind: 'amd' }
  const { failure, isGood } = await checkDevice(device, small)
  assert.match(failure!, /the worker cannot open it: .*libamdhip64\.so/)
  assert.equal(isGood, false)
})

const libraries = join(folder, 'libraries')

function prepare(values: Record<string, string | number> = {}): StandIn {
  compile('nvml.c', join(libraries, 'libnvidia-ml.so.1'))
  compile('compute.c', join(libraries, 'libcuda.so.1'))
  return standIn({ extra: 0.5 * GB, ...values })
}

async function check(settleMs = 5000) {
  const device = deviceOf(await open())
  const environment = { ...device.environment, LD_LIBRARY_PATH: libraries }
  return checkDevice({ ...device, environment }, { ...small, settleMs })
}

test('NVIDIA: measured, booked and released agree to the byte', { skip: skipWithoutCompiler }, async () => {
  prepare()
  const result = await check()
  assert.equal(result.failure, null)
  assert.equal(result.how, 'libcuda.so.1')
  assert.deepEqual(
    result.rows.map(({ statedBytes, bookedBytes, measuredBytes }) => [
      statedBytes,
      bookedBytes,
      measuredBytes,
    ]),
    [
      [null, 0.3 * GB, 0.3 * GB],
      ...[64, 256, 64].map((size) => [size * MiB, 0.3 * GB + size * MiB, 0.3 * GB + size * MiB]),
      [0, 0, 0],
      [null, 0.3 * GB, 0.3 * GB],
      [256 * MiB, 0.3 * GB + 256 * MiB, 0.3 * GB + 256 * MiB],
      [0, 0, 0],
    ],
  )
  assert.ok(result.isGood)
})

test('memory that lingers is timed until it is back', { skip: skipWithoutCompiler }, async () => {
  const card = prepare({ linger: 1 })
  let isOver = false
  const driver = (async () => {
    while (!isOver) {
      const listed = join(card.folder, 'gpu0/compute')
      const pids = existsSync(listed) ? readdirSync(listed).filter((name) => /^\d+$/.test(name)) : []
      for (const pid of pids) {
        if (existsSync(`/proc/${pid}`)) continue
        await new Promise((wake) => setTimeout(wake, 100)) // the driver's own time
        card.remove(`gpu0/compute/${pid}`)
      }
      await new Promise((wake) => setImmediate(wake))
    }
  })()
  const result = await check()
  isOver = true
  await driver
  assert.ok(result.isGood, JSON.stringify(result.rows))
  for (const ms of result.releaseMs) assert.ok(ms >= 60, `${ms} ms`)
})

test('memory that does not come back, listed or not, fails the check', {
  skip: skipWithoutCompiler,
}, async () => {
  for (const [what, values, measuredBytes] of [
    ['listed for the process that has ended', { linger: 1 }, 0.3 * GB + 64 * MiB],
    ['for nobody', {}, 0],
  ] as const) {
    const card = prepare(values)
    const running = check(300)
    if (what === 'for nobody') {
      const listed = join(card.folder, 'gpu0/compute')
      while (!existsSync(listed)) await new Promise((wake) => setImmediate(wake))
      card.set({ 'gpu0/extra': 0.8 * GB })
    }
    const result = await running
    const ended = result.rows.find(({ step }) => step === 'has ended')!
    assert.deepEqual([ended.measuredBytes, ended.tookMs], [measuredBytes, null], what)
    if (what === 'for nobody') assert.match(ended.note, /^300 MB more are used than before, not by it/)
    assert.equal(result.isGood, false, what)
  }
})

test('a driver that takes more than was asked for fails the steps that hold', {
  skip: skipWithoutCompiler,
}, async () => {
  prepare({ overhead: 20 })
  const { rows, isGood } = await check(300)
  assert.deepEqual(
    rows.slice(0, 5).map(({ step, tookMs }) => [step, tookMs !== null]),
    [
      [steps[0], true],
      [steps[1], true], // 20 % of 64 MiB are less than the tolerance
      [steps[2], false],
      [steps[3], true],
      [steps[4], true],
    ],
  )
  assert.equal(isGood, false)
})

test('where the driver does not tell who holds what, all that is used is compared', {
  skip: skipWithoutCompiler,
}, async () => {
  prepare({ untold: 1 })
  const result = await check()
  assert.ok(result.isGood, JSON.stringify(result))
  for (const { step, note } of result.rows)
    assert.equal(note, step === 'has ended' ? '' : 'by what is used in all', step)
})

test('a worker that cannot hold the memory says so', { skip: skipWithoutCompiler }, async () => {
  prepare({ total: 1.2 * GB })
  const result = await check()
  assert.match(result.failure!, /too little to tell|cannot hold/)
  assert.equal(result.isGood, false)
})

test("AMD: the worker holds through the HIP runtime, on the card that ROCm's variable shows", {
  skip: skipWithoutCompiler,
}, async () => {
  const hip = join(folder, 'hip')
  compile('compute.c', join(hip, 'libamdhip64.so'), ['-DHIP'])
  const card = standIn({}, { uuid: 'GPU-1' })
  const runner = createRunner(
    {
      modelId: 'm',
      kind: 'command',
      argv: ['python3', join(root, 'workers/python/plimsoll_gpu_check.py')],
      options: { kind: 'amd' },
      environment: { LD_LIBRARY_PATH: hip, PYTHONDONTWRITEBYTECODE: '1' },
      cwd: folder,
      timeouts: {},
    },
    { started: new StartedProcesses(join(folder, 'runners.jsonl')), logFolder: folder },
  )
  const instance = runner.start('hip-1', { ROCR_VISIBLE_DEVICES: 'GPU-1', HIP_VISIBLE_DEVICES: '0' })
  const held = () => Number(readFileSync(join(card.folder, `gpu1/compute/${instance.pid}`), 'utf8'))
  assert.equal((await instance.load()).type, 'loaded')
  assert.equal(held(), 0.3 * GB)
  for (const size of [64, 256, 64]) {
    const items = [{ id: 'a', input: { holdBytes: size * MiB } }]
    const { answers } = await instance.run({ items, timeoutMs: null })
    assert.deepEqual(answers[0], {
      type: 'output',
      id: 'a',
      output: { heldBytes: size * MiB, how: 'libamdhip64.so' },
    })
    assert.equal(held(), 0.3 * GB + size * MiB)
  }
  await instance.stop()
})

test('plimsoll doctor shows the cards, and --gpu-check checks them, through the libraries that the system finds', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = prepare({ utilisation: 25, [`compute/${process.pid}`]: 2 * GB })
  const environment = { LD_LIBRARY_PATH: libraries, PLIMSOLL_STAND_IN: card.folder }
  const plimsoll = (...args: string[]) => plimsollWith(environment, folder, ...args)
  const shown = plimsoll('doctor')
  assert.equal(shown.status, 0, shown.stdout + shown.stderr)
  assert.match(shown.stdout, /ok {4}NVIDIA: NVML 12\.stand-in, driver 550\.54\.14, koffi 3\./)
  const lines =
    /^nvidia 0: NVIDIA GeForce RTX 4080, GPU-0\n {2}15\.6 GB, 2\.5 GB used, 25 % busy, read in \d+ ms\n {2}held by .* 2 GB$/m
  assert.match(shown.stdout, lines)
  assert.match(shown.stdout, /^host: RAM$/m)
  const { devices } = JSON.parse(plimsoll('doctor', '--json').stdout)
  assert.deepEqual(devices[0].processes[0].bytes, 2 * GB)
  const checked = plimsoll('doctor', '--gpu-check')
  assert.equal(checked.status, 0, checked.stdout + checked.stderr)
  assert.match(checked.stdout, /^PASS {2}gpu0: measured, booked and released agree; memory back after/m)
})

test('plimsoll doctor --gpu-check without a GPU says what was looked for', () => {
  const path = `${join(root, 'node_modules/.bin')}:/usr/bin:/bin`
  const { status, stderr } = plimsollWith({ PATH: path }, folder, 'doctor', '--gpu-check')
  assert.equal(status, 2)
  assert.match(stderr, /No GPU is found\. NVIDIA: .* AMD: .*kind: static.*kind: host/)
})
