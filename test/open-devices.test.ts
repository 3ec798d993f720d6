// From the devices that a pipeline names to those that are opened, and every way to be refused. Over the stand-in for NVML.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { DeviceSpec } from '../src/devices/device.ts'
import { type Openers, openDevices } from '../src/devices/open.ts'
import { skipWithoutCompiler } from './stand-ins/card.ts'
import { cleanUp, GB, gpu, open, standIn } from './stand-ins/nvidia.ts'

after(cleanUp)

const openers: Openers = { nvidia: () => open(), amd: async () => ['no AMD here'] }

function spec(id: string, kind: DeviceSpec['kind'], rest: Partial<DeviceSpec> = {}): DeviceSpec {
  return { id, kind, memoryBytes: null, safetyRatio: 0.9, index: null, uuid: null, ...rest }
}

async function refused(specs: DeviceSpec[], message: RegExp, by: Openers = openers): Promise<void> {
  await assert.rejects(openDevices(specs, by), { code: 'NO_DEVICE', message })
}

describe('opening devices', { skip: skipWithoutCompiler }, () => {
  test('a card is chosen by index or uuid, and auto takes all that are left', async () => {
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

  test('a card that is not there is refused, with what is', async () => {
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

  test('a card that cannot be read at the start is opened with its fault, unless there is no other', async () => {
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
})

test('without any GPU, auto says what was looked for and what to declare instead', async () => {
  await refused(
    [spec('gpu', 'auto')],
    /^No GPU is found\. NVIDIA: a; b\. AMD: c\. Declare one with kind: static and memory, or use RAM with kind: host\.$/,
    { nvidia: async () => ['a', 'b'], amd: async () => ['c'] },
  )
})
