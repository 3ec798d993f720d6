// From the devices that a pipeline names to those that are opened, and every way to be
// refused. Over the stand-in for NVML.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { DeviceSpec } from '../../src/devices/device.ts'
import { type Openers, openDevices } from '../../src/devices/open.ts'
import { compile, skipWithoutCompiler } from '../stand-ins/card.ts'
import { cleanUp, folder, GB, gpu, open, standIn } from '../stand-ins/nvidia.ts'
import { plimsollWith } from '../support/command.ts'

after(cleanUp)

const openers: Openers = { nvidia: () => open(), amd: async () => ['no AMD here'] }

function spec(id: string, kind: DeviceSpec['kind'], rest: Partial<DeviceSpec> = {}): DeviceSpec {
  return { id, kind, memoryBytes: null, safetyRatio: 0.9, index: null, uuid: null, ...rest }
}

async function refused(specs: DeviceSpec[], message: RegExp, by: Openers = openers): Promise<void> {
  await assert.rejects(openDevices(specs, by), { code: 'NO_DEVICE', message })
}

test('a card is chosen by index or uuid, and auto takes all that are left', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({}, { uuid: 'GPU-1' }, { uuid: 'GPU-2' })
  card.add('gpu2/mig0', { ...gpu, uuid: 'MIG-a' })
  const opened = await openDevices(
    [
      spec('second', 'nvidia', { index: 1, memoryBytes: 8 * GB }),
      spec('rest', 'auto'),
      spec('ram', 'host', { memoryBytes: GB }),
      spec('other', 'static', { memoryBytes: 2 * GB }),
    ],
    openers,
  )
  assert.deepEqual(
    opened.map(({ device, capacityBytes }) => [device.id, device.kind, device.uuid, capacityBytes]),
    [
      ['second', 'nvidia', 'GPU-1', 8 * GB],
      ['rest0', 'nvidia', 'GPU-0', 15.6 * GB],
      ['rest1', 'nvidia', 'MIG-a', 15.6 * GB],
      ['ram', 'host', null, GB],
      ['other', 'static', null, 2 * GB],
    ],
  )
})

test('a card that is not there is refused, with what is', { skip: skipWithoutCompiler }, async () => {
  const card = standIn({}, { uuid: 'GPU-1' })
  for (const part of ['a', 'b']) card.add(`gpu1/mig${'ab'.indexOf(part)}`, { ...gpu, uuid: `MIG-${part}` })
  const there = String.raw`NVML .* has 0 NVIDIA GeForce RTX 4080 \(GPU-0\), 1 NVIDIA GeForce RTX 4080 \(MIG-a\), 1 `
  await refused(
    [spec('x', 'nvidia', { index: 7 })],
    new RegExp(`^"x": no NVIDIA GPU has index 7\\. ${there}`),
  )
  await refused([spec('x', 'nvidia', { uuid: 'GPU-9' })], /^"x": no NVIDIA GPU has uuid GPU-9\./)
  await refused(
    [spec('x', 'nvidia', { index: 1 })],
    /^"x": the NVIDIA GPU with index 1 is split; choose a part by uuid\./,
  )
  const twice = [spec('x', 'nvidia', { index: 0 }), spec('y', 'nvidia', { uuid: 'GPU-0' })]
  await refused(twice, /^"x" and "y" are the same device, GPU-0\.$/)
  await refused([spec('x', 'amd', { index: 0 })], /^"x" is an AMD GPU; none is found: no AMD here\.$/)
  const all = [spec('x', 'nvidia', { index: 0 }), spec('y', 'nvidia', { uuid: 'MIG-a' })]
  await refused(
    [...all, spec('z', 'nvidia', { uuid: 'MIG-b' }), spec('rest', 'auto')],
    /^No GPU is found besides those that are named\. NVIDIA: NVML .* AMD: no AMD here\. Declare one/,
  )
})

test('a card that cannot be read at the start is opened with its fault, unless there is no other', {
  skip: skipWithoutCompiler,
}, async () => {
  const card = standIn({}, { uuid: 'GPU-1' })
  const driver = await open()
  const by: Openers = { ...openers, nvidia: async () => driver }
  card.set({ 'gpu1/lost': 1 })
  const opened = await openDevices([spec('gpu', 'auto')], by)
  assert.deepEqual(
    opened.map(({ device, capacityBytes }) => [device.id, capacityBytes]),
    [
      ['gpu0', 15.6 * GB],
      ['gpu1', 0],
    ],
  )
  assert.match((await opened[1]!.device.read([])).fault!, /lost/)
  card.set({ 'gpu0/lost': 1 })
  await refused(
    [spec('gpu', 'auto')],
    /^No device can be used: gpu0 \(NVIDIA GeForce RTX 4080\): .*lost.*; gpu1/,
    by,
  )
})

const libraries = join(folder, 'libraries')
const project = join(folder, 'project')

/** Its worker answers with the GPU that it sees. */
function run(gpus: string, ...args: string[]) {
  mkdirSync(project, { recursive: true })
  const worker =
    'export async function load() {}\nexport const run = (inputs) => inputs.map(() => process.env.CUDA_VISIBLE_DEVICES)\n'
  const rest =
    'models: { m: { module: m.js, vram: 2GB, loadTime: 10ms } }\nsources: { s: { list: [1] } }\nsteps: { see: { source: s, model: m } }\n'
  writeFileSync(join(project, 'm.js'), worker)
  writeFileSync(join(project, 'p.yaml'), `name: p\ngpus: ${gpus}\n${rest}`)
  rmSync(join(project, '.plimsoll'), { recursive: true, force: true })
  return plimsollWith({ LD_LIBRARY_PATH: libraries }, project, 'run', 'p.yaml', ...args)
}

test('a run takes every GPU that is found, books on what it has, and shows a worker its own', {
  skip: skipWithoutCompiler,
}, () => {
  standIn({ total: 1.4 * GB }, { uuid: 'GPU-1' })
  compile('nvml.c', join(libraries, 'libnvidia-ml.so.1'))
  for (const [gpus, args] of [
    ['auto', []],
    ['[{ name: ram, kind: host, memory: 4GB }]', ['--gpu', 'auto']],
  ] as const) {
    const { status, stdout, stderr } = run(gpus, ...args)
    assert.equal(status, 0, stdout + stderr)
    assert.match(stdout, /gpu0 up to 900 MB, gpu1 up to 14 GB/)
    const [line] = readFileSync(join(project, '.plimsoll/p.results.jsonl'), 'utf8').split('\n')
    assert.match(line!, /"GPU-1"/, 'the model does not fit on the other')
  }
})

test('a run is refused where a model fits on no GPU, a size is given beside auto, or nothing is found', {
  skip: skipWithoutCompiler,
}, () => {
  standIn({ total: 1.4 * GB })
  const refusals: [string, string[], RegExp][] = [
    ['auto', [], /"m" needs 2 GB; the largest device offers 900 MB/],
    ['auto', ['--gpu', 'auto', '--gpu', '1GB'], /--gpu auto takes every GPU/],
    ['auto', ['--gpu', '1GB', '--gpu', '1GB'], /a GPU cannot be used twice/],
    ['[{ name: g, kind: nvidia, index: 3 }]', [], /"g": no NVIDIA GPU has index 3/],
  ]
  for (const [gpus, args, message] of refusals) {
    const { status, stderr } = run(gpus, ...args)
    assert.equal(status, 2, stderr)
    assert.match(stderr, message)
  }
})

test('without any GPU, auto says what was looked for and what to declare instead', async () => {
  await refused(
    [spec('gpu', 'auto')],
    /^No GPU is found\. NVIDIA: a; b\. AMD: c\. Declare one with kind: static and memory, or use RAM with kind: host\.$/,
    { nvidia: async () => ['a', 'b'], amd: async () => ['c'] },
  )
})
