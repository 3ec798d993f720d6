// The daemon's loop with real workers and the memory store: what the ledger says while things go wrong.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { defineModel } from '../src/core/model.ts'
import { defaultPolicy } from '../src/core/policy.ts'
import type { SchedulerEvent } from '../src/core/state/events.ts'
import { bookedBytes } from '../src/core/state/ledger.ts'
import { newItem } from '../src/core/work/item.ts'
import { machineClock, startClock } from '../src/daemon/clock.ts'
import { Daemon } from '../src/daemon/daemon.ts'
import { isRunOver } from '../src/daemon/run.ts'
import type { DeviceReading } from '../src/devices/device.ts'
import { hostDevice } from '../src/devices/host.ts'
import { createRunner } from '../src/runners/create.ts'
import { StartedProcesses } from '../src/runners/started.ts'
import { openMemoryStore } from '../src/stores/memory.ts'
import { allItems, type Store } from '../src/stores/store.ts'
import { temporaryFolder } from './support/folder.ts'

const clock = startClock(machineClock)
const folder = temporaryFolder('daemon')

/** Answers its input; dies at "die" the first time it sees it, which a file remembers, at "poison" each time, and runs out of
 *  memory at "large" and with more than three items. */
const worker = `
import { existsSync, writeFileSync } from 'node:fs'
export async function load() {}
export async function run(inputs) {
  if (inputs.includes('poison')) process.exit(9)
  if (inputs.includes('large') || inputs.length > 3) throw new Error('CUDA out of memory. Tried to allocate 2 GiB')
  for (const input of inputs) {
    if (input !== 'die' || existsSync('${folder}/died')) continue
    writeFileSync('${folder}/died', '')
    process.exit(7)
  }
  return inputs
}`
writeFileSync(join(folder, 'worker.mjs'), worker)

interface Options {
  store?: Store
  maxBatch?: number
  /** What each model needs; default 200 MB. */
  vram?: Partial<Record<'a' | 'b' | 'c', string>>
  /** What shows the memory, in place of RAM of 500 MB. */
  read?: () => DeviceReading
}

function create({ store = openMemoryStore(), maxBatch = 2, vram = {}, read }: Options = {}) {
  const models = (['a', 'b', 'c'] as const).map((id) =>
    defineModel({ id, vram: vram[id] ?? '200MB', loadMs: 100, batch: { max: maxBatch } }),
  )
  const events: SchedulerEvent[] = []
  const waiting = new Map<SchedulerEvent['type'], () => void>()
  const context = { started: new StartedProcesses(join(folder, 'runners.jsonl')), logFolder: folder }
  const file = join(folder, 'worker.mjs')
  const spec = { kind: 'module' as const, file, options: {}, environment: {}, cwd: folder, timeouts: {} }
  const runners = new Map(models.map(({ id }) => [id, createRunner({ ...spec, modelId: id }, context)]))
  const ram = hostDevice('ram', 500e6)
  let peakBytes = 0
  const daemon: Daemon = new Daemon({
    store,
    models,
    runners,
    devices: [
      {
        options: { id: 'ram', kind: 'host', capacityBytes: read ? 0 : 500e6, safetyRatio: 1 },
        device: read ? { ...ram, read: async () => read() } : ram,
      },
    ],
    policy: defaultPolicy,
    clock,
    random: () => 0, // half a second until the first retry
    onEvent(event) {
      events.push(event)
      waiting.get(event.type)?.()
      const { ledger, budgetBytes } = daemon.state.devices[0]!
      peakBytes = Math.max(peakBytes, bookedBytes(ledger))
      assert.ok(bookedBytes(ledger) <= budgetBytes)
    },
  })
  const happens = (type: SchedulerEvent['type']) =>
    new Promise<void>((resolve) => {
      waiting.set(type, resolve)
    })
  return { daemon, store, events, happens, peakBytes: () => peakBytes }
}

test('three models share room for two; a worker that dies costs one attempt, and everything is done', async () => {
  const { daemon, store, events, peakBytes } = create()
  const items = ['a', 'b', 'c', 'a', 'b', 'c'].map((modelId, index) =>
    newItem({
      id: `i${index}`,
      modelId,
      input: index === 4 ? 'die' : index,
      dependencies: index >= 3 ? [`i${index - 3}`] : [],
    }),
  )
  await store.submit(items, clock.nowMs())
  daemon.start()
  await daemon.whenAtRest(isRunOver)
  await daemon.close()
  const ended = await allItems(store)
  assert.deepEqual(
    ended.map(({ state }) => state),
    Array(6).fill('done'),
  )
  assert.equal(ended[4]!.attempt, 2)
  assert.ok(peakBytes() >= 400e6 && peakBytes() < 450e6, `${peakBytes()} bytes were booked at most`)
  assert.ok(events.some(({ type }) => type === 'instance-failed'))
  assert.equal(daemon.state.instanceById.size, 0, 'every instance is proven gone')
  assert.equal(bookedBytes(daemon.state.devices[0]!.ledger), 0)
})

test('closing in the middle leaves no process and gives the items to the next daemon', async () => {
  const store = openMemoryStore()
  const first = create({ store })
  await store.submit(
    Array.from({ length: 40 }, (_, index) => newItem({ id: `j${index}`, modelId: 'a', input: index })),
    clock.nowMs(),
  )
  const running = first.happens('batch-claimed')
  first.daemon.start()
  await running
  await first.daemon.close()
  assert.equal(first.daemon.state.instanceById.size, 0)
  await store.releaseAll(clock.nowMs())
  const second = create({ store })
  second.daemon.start()
  await second.daemon.whenAtRest(isRunOver)
  await second.daemon.close()
  const ended = await allItems(store)
  assert.ok(
    ended.every(({ state, attempt }) => state === 'done' && attempt === 1),
    'and nobody lost an attempt',
  )
})

test('an item that kills its worker fails alone, and is found by halves', async () => {
  const { daemon, store, events } = create({ maxBatch: 3 })
  const items = [0, 1, 'poison', 3, 4, 5].map((input, index) =>
    newItem({ id: `p${index}`, modelId: 'a', input, maxAttempts: 3 }),
  )
  await store.submit(items, clock.nowMs())
  daemon.start()
  await daemon.whenAtRest(isRunOver)
  await daemon.close()
  const ended = await allItems(store)
  const states = ended.map(({ state, attempt }) => `${state} ${attempt}`)
  assert.deepEqual(states, ['done 1', 'done 1', 'failed 1', 'done 1', 'done 1', 'done 1'])
  assert.match(ended[2]!.error!.message, /ended with code 9/)
  assert.equal(events.filter(({ type }) => type === 'instance-failed').length, 2)
  assert.deepEqual(daemon.state.modelById.get('a')!.batchLimits, [], 'it was not the number of items')
})

test('batches that run out of memory are halved and remembered; an item that does so alone fails', async () => {
  const { daemon, store, events } = create({ maxBatch: 8 })
  const inputs = [...Array(12).keys(), 'large', ...Array(12).keys()]
  await store.submit(
    inputs.map((input, index) => newItem({ id: `m${index}`, modelId: 'a', input, maxAttempts: 3 })),
    clock.nowMs(),
  )
  daemon.start()
  await daemon.whenAtRest(isRunOver)
  await daemon.close()
  const failed = (await allItems(store)).filter(({ state }) => state !== 'done')
  assert.deepEqual(
    failed.map(({ id, state, attempt, error }) => [id, state, attempt, error?.code]),
    [['m12', 'failed', 1, 'OUT_OF_MEMORY']],
  )
  assert.ok(
    events.every(({ type }) => type !== 'instance-failed'),
    'the worker lives on',
  )
  const limit = daemon.state.modelById.get('a')!.batchLimits[0]!
  assert.ok(limit.itemCount >= 2 && limit.itemCount <= 3, `batches of ${limit.itemCount} are safe`)
})

test('an error of the store ends the daemon with that error', async () => {
  const store = openMemoryStore()
  store.finish = () => Promise.reject(new Error('the disk is gone'))
  const { daemon } = create({ store })
  await store.submit([newItem({ id: 'a', modelId: 'a' })], clock.nowMs())
  daemon.start()
  await assert.rejects(daemon.whenAtRest(isRunOver), /the disk is gone/)
  await daemon.close()
  assert.equal(daemon.state.instanceById.size, 0)
})

test('what no device can ever hold fails with its numbers; the rest is done, and the loop goes on', async () => {
  const { daemon, store } = create({ vram: { b: '600MB' } })
  const submit = async (...items: ReturnType<typeof newItem>[]) => {
    await store.submit(items, clock.nowMs())
    daemon.queuesChanged()
  }
  await submit(
    ...['a', 'b'].map((modelId) => newItem({ id: modelId, modelId, input: 1 })),
    newItem({ id: 'after b', modelId: 'c', dependencies: ['b'] }),
  )
  daemon.start()
  await daemon.whenAtRest(isRunOver)
  const { error, attempt } = (await store.get('b'))!
  assert.deepEqual([error?.code, attempt], ['NEVER_FITS', 1])
  assert.match(error!.message, /needs 600 MB; the largest device offers 500 MB/)
  assert.match((await store.get('after b'))!.error!.message, /"b", which this item needs, .* needs 600 MB/)
  await submit(newItem({ id: 'later', modelId: 'a', input: 2 }))
  await daemon.whenAtRest(isRunOver)
  for (const id of ['a', 'later']) assert.equal((await store.get(id))!.state, 'done')
  await daemon.close()
})

test('a device that has been silent so far is waited for: it may be large enough', async () => {
  let reading: DeviceReading = {
    ...{ capacityBytes: 0, foreignBytes: 0, usedBytes: 0, utilisationRatio: null },
    ...{ bytesByGroup: new Map<number, number>(), fault: 'the driver has not answered' },
  }
  const { daemon, store, happens } = create({ read: () => reading })
  await store.submit([newItem({ id: 'a', modelId: 'a', input: 1 })], clock.nowMs())
  daemon.start()
  await happens('queue-changed')
  const over = daemon.whenAtRest(isRunOver)
  assert.equal((await store.get('a'))!.state, 'ready', 'it neither fails nor is the run over')
  reading = { ...reading, capacityBytes: 500e6, fault: null }
  await over
  assert.equal((await store.get('a'))!.state, 'done')
  await daemon.close()
})
