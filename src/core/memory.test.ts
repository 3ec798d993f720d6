// Memory that is measured, not believed: what readings change, what is learned from them, and who goes for its sake.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide } from './decide.ts'
import { activeBytesOn, footprintOf, loadingBytesOn, residentBytesOn } from './footprint.ts'
import { bookedBytes, headroomBytes } from './ledger.ts'
import type { SchedulerEvent } from './protocol.ts'
import { arrive, block, createWorld, finish, report, settle, step, type World, words } from './test-world.ts'

const gb = 1e9
const model = (id: string, vram: string | undefined, more = {}) => ({ id, vram, loadMs: 1000, ...more })

type Reading = Extract<SchedulerEvent, { type: 'memory-observed' }>

/** A reading of the first device. */
function read(world: World, held: Record<string, number>, more: Partial<Reading> = {}): void {
  const { id: deviceId, capacityBytes } = world.state.devices[0]!
  const base = { deviceId, capacityBytes, foreignBytes: 0, bytesByInstance: held, atMs: world.nowMs }
  report(world, { type: 'memory-observed', ...base, ...more })
}

/** Loads a model and runs one item of it. */
function resident(world: World, ...ids: string[]): void {
  for (const id of ids) {
    arrive(world, id, 1)
    settle(world)
  }
}

const device = (world: World) => world.state.devices[0]!
const state = (world: World, id: string) => world.state.modelById.get(id)!

test('books what an instance really holds, as far as there is room, and shows the rest as a deficit', () => {
  const world = createWorld([model('a', '3GB'), model('b', '3GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  read(world, { 'a-1': 4 * gb })
  assert.equal(device(world).ledger.residentBytes, 4 * gb)
  assert.equal(device(world).deficitBytes, 0)
  read(world, { 'a-1': 9 * gb })
  assert.equal(device(world).ledger.residentBytes, 8 * gb)
  assert.equal(device(world).deficitBytes, gb)
  assert.equal(headroomBytes(device(world)), -gb)
  read(world, { 'a-1': 4 * gb })
  assert.equal(device(world).deficitBytes, 0)
})

test('a deficit blocks loads, evicts idle ones and nobody who has work', () => {
  const models = [model('a', '3GB'), model('b', '3GB'), model('c', '2GB')]
  const world = createWorld(models, [{ id: 'gpu', gb: 8 }])
  resident(world, 'a', 'b', 'c')
  arrive(world, 'a', 1)
  arrive(world, 'b', 1)
  step(world) // one of them runs
  read(world, { 'a-1': 5 * gb, 'b-2': 3 * gb, 'c-3': 2 * gb })
  assert.equal(device(world).deficitBytes, 2 * gb)
  const [stop] = step(world)
  assert.deepEqual(words([stop!]), ['stop c for null'])
  assert.equal(stop!.reason.rule, 'over-the-line')
  finish(world, stop!)
  assert.ok(!words(settle(world)).some((each) => each.startsWith('stop')), 'and nobody else')
})

test('foreign use that grows makes idle instances go first, and running work is left to finish', () => {
  const world = createWorld([model('a', '3GB'), model('b', '3GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a', 'b')
  arrive(world, 'a', 1)
  step(world)
  read(world, { 'a-1': 3 * gb, 'b-2': 3 * gb }, { foreignBytes: 6 * gb })
  assert.deepEqual(words(step(world)), ['stop b for null'])
})

test('where a device cannot tell who holds what, use beyond the books is foreign', () => {
  const world = createWorld([model('a', '3GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  read(world, {}, { foreignBytes: gb, usedBytes: 7 * gb })
  assert.equal(device(world).foreignBytes, 4 * gb)
})

test('no memory is promised on a device whose last reading is old, neither to a load nor to a batch', () => {
  const models = [model('a', '3GB', { batch: { activation: '1GB' } })]
  const world = createWorld(models, [{ id: 'gpu', gb: 8 }], { staleAfter: 2000 })
  const isOld = () => {
    read(world, {})
    world.nowMs += 3000
  }
  isOld()
  arrive(world, 'a', 1)
  assert.deepEqual(step(world), [])
  read(world, {})
  const [load] = step(world)
  assert.deepEqual(words([load!]), ['load a'])
  isOld()
  finish(world, load!)
  assert.deepEqual(step(world), [])
  read(world, {})
  assert.deepEqual(words(step(world)), ['run a'])
})

test('a resident model whose batch has no room stays while the last reading is old, or was of its load', () => {
  const models = [model('a', '3GB', { batch: { activation: '1GB' } })]
  const world = createWorld(models, [{ id: 'gpu', gb: 8 }], { staleAfter: 2000 })
  read(world, {})
  arrive(world, 'a', 1)
  const [load] = step(world)
  read(world, { 'a-1': 7.5 * gb })
  finish(world, load!)
  assert.deepEqual(step(world), [], 'what it held while it was loaded may be more than what stays')
  world.nowMs += 3000
  assert.deepEqual(step(world), [])
  read(world, { 'a-1': 7.5 * gb })
  assert.deepEqual(words(step(world)), ['stop a for null', 'fail-queue a'])
})

test('a device that is not well is emptied, and used again when it is', () => {
  const world = createWorld([model('a', '3GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  read(world, { 'a-1': 3 * gb }, { fault: 'XID 79' })
  arrive(world, 'a', 4)
  const [stop] = step(world)
  assert.deepEqual(words([stop!]), ['stop a for null'])
  finish(world, stop!)
  assert.deepEqual(step(world), [])
  read(world, {})
  assert.deepEqual(words(step(world)), ['load a'])
})

test('learns what a model holds: more at once, less after three loads', () => {
  const world = createWorld([model('a', '4GB')], [{ id: 'gpu', gb: 8 }])
  const sizes: number[] = []
  for (const heldGb of [2, 2, 2, 5]) {
    resident(world, 'a')
    const [instance] = state(world, 'a').instances
    read(world, { [instance!.id]: heldGb * gb })
    sizes.push(residentBytesOn(state(world, 'a'), device(world)) / gb)
    report(world, { type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
    report(world, { type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
  }
  assert.deepEqual(sizes, [4, 4, 2.04, 5.1])
  assert.ok(Math.abs(footprintOf(state(world, 'a'), 'static')!.errorRatio - (1 + 1 + 0.02 + 0.592) / 4) < 0.4)
})

test('what a load held for a moment is booked for the next one', () => {
  const world = createWorld([model('a', '2GB')], [{ id: 'gpu', gb: 8 }])
  arrive(world, 'a', 1)
  const [load] = step(world)
  read(world, { 'a-1': 4 * gb })
  assert.equal(device(world).ledger.reservedBytes, 4 * gb, 'at once for this one')
  finish(world, load!)
  settle(world)
  read(world, { 'a-1': 2 * gb })
  assert.equal(device(world).ledger.residentBytes, 2.04 * gb)
  assert.equal(loadingBytesOn(state(world, 'a'), device(world)), 4 * gb)
})

test('what was booked for a load and does not stay is given back before the first batch, which may need it', () => {
  const models = [model('a', '2GB', { batch: { activation: '1GB' } })]
  const world = createWorld(models, [{ id: 'gpu', gb: 8 }])
  arrive(world, 'a', 1)
  const [load] = step(world)
  read(world, { 'a-1': 7.5 * gb })
  finish(world, load!)
  assert.deepEqual(step(world), [], 'it may still hold it')
  read(world, { 'a-1': 2 * gb })
  assert.equal(device(world).ledger.residentBytes, 2 * gb)
  assert.deepEqual(words(step(world)), ['run a'])
})

test('where a device cannot tell who holds what, a model that needs all of it has it emptied: then it shows what is ours', () => {
  const world = createWorld([model('a', '3GB'), model('b', '8GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  read(world, {}, { usedBytes: 4 * gb })
  assert.equal(device(world).budgetBytes, 7 * gb)
  arrive(world, 'b', 1)
  const [stop] = step(world)
  assert.deepEqual(words([stop!]), ['stop a for b'])
  read(world, {}, { usedBytes: 0 })
  finish(world, stop!)
  assert.deepEqual(words(step(world)), ['load b'])
})

test('a load that leaves no room for a batch has failed: it is tried again after pauses, and in the end the queue fails', () => {
  const world = createWorld([model('a', '7GB', { batch: { activation: '1GB' } })], [{ id: 'gpu', gb: 8 }])
  const said: string[] = []
  arrive(world, 'a', 1)
  for (let load = 0; load < 3; load++) {
    read(world, {}, { usedBytes: 0 })
    for (const command of step(world)) finish(world, command)
    read(world, {}, { usedBytes: 7.5 * gb }) // nobody says that it is the model's own
    const commands = step(world)
    said.push(...words(commands))
    read(world, {}, { usedBytes: 0 })
    finish(world, commands[0]!)
    if (load === 2) assert.match((commands[1] as { message: string }).message, /no room for a batch on gpu/)
    world.nowMs += 10_000 * 2 ** load
  }
  const stop = 'stop a for null'
  assert.deepEqual(said, [stop, stop, stop, 'fail-queue a'])
})

test('nothing is loaded ahead while something ready waits for quarantined bytes', () => {
  const world = createWorld([model('a', '3GB'), model('b', '8GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  arrive(world, 'b', 1)
  assert.deepEqual(words(step(world)), ['stop a for b'])
  block(world, 'a', [{ modelId: 'b', count: 1 }])
  world.nowMs += 5000
  assert.deepEqual(words(step(world)), ['quarantine a'])
  report(world, { type: 'memory-released', atMs: world.nowMs, instanceId: 'a-1' })
  assert.deepEqual(words(step(world)), ['load b'])
})

test('a model without a size is loaded alone, and then known', () => {
  const world = createWorld([model('small', '1GB'), model('a', undefined)], [{ id: 'gpu', gb: 8 }])
  resident(world, 'small')
  arrive(world, 'a', 2)
  assert.deepEqual(words(settle(world)), ['stop small for a', 'load a', 'run a'])
  assert.equal(device(world).ledger.residentBytes, 8 * gb)
  const [instance] = state(world, 'a').instances
  read(world, { [instance!.id]: 3 * gb })
  assert.equal(device(world).ledger.residentBytes, Math.ceil(3 * gb * 1.02))
})

test('a model without a size is not loaded again for the room of its second batch: the next reading gives that back', () => {
  const world = createWorld([model('a', undefined, { batch: { max: 1 } })], [{ id: 'gpu', gb: 8 }])
  arrive(world, 'a', 2)
  finish(world, step(world)[0]!)
  read(world, { 'a-1': gb })
  const [run] = step(world)
  assert.ok(run?.type === 'run-batch')
  world.pending.length = 0
  const held = { peakBytes: 3 * gb, afterBytes: 2 * gb }
  const base = { atMs: world.nowMs, batchId: run.batchId, failedCount: 0, runMs: 100, peakBytes: null }
  report(world, { type: 'batch-finished', ...base, held })
  assert.deepEqual(words(step(world)), [], 'all of the device is booked, and a batch needs 1 GB more')
  read(world, { 'a-1': 2 * gb })
  assert.deepEqual(words(step(world)), ['run a'])
  assert.equal(state(world, 'a').footprints[0]!.errorRatio, 0, 'nobody had said what it needs')
})

test('a model that was seen to need more than any device has fails its items with the numbers', () => {
  const world = createWorld([model('a', '2GB')], [{ id: 'gpu', gb: 4 }])
  for (let load = 0; load < 3; load++) {
    resident(world, 'a')
    const [instance] = state(world, 'a').instances
    read(world, { [instance!.id]: 6 * gb })
    report(world, { type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
    report(world, { type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
    if (load < 2) state(world, 'a').footprints[0]!.residentBytes = 1 // as if it had been small
  }
  arrive(world, 'a', 2)
  const [command] = step(world)
  assert.ok(
    command?.type === 'fail-queue' && /needs 6.12 GB; the largest device offers 4 GB/.test(command.message),
  )
})

test('learns what batches hold by their size: a peak lowers what is believed, a mere reading does not', () => {
  const world = createWorld(
    [model('a', '1GB', { batch: { max: 8, activation: '1GB' } })],
    [{ id: 'gpu', gb: 20 }],
  )
  resident(world, 'a')
  const run = (count: number, activeBytes: number | null) => {
    arrive(world, 'a', count)
    const [command] = step(world)
    assert.ok(command?.type === 'run-batch')
    world.pending.length = 0
    const { batchId } = command
    const base = { atMs: world.nowMs, batchId, failedCount: 0, runMs: 100, peakBytes: null }
    const held = activeBytes === null ? null : { peakBytes: gb + activeBytes, afterBytes: gb }
    report(world, { type: 'batch-finished', ...base, held })
  }
  const of = (count: number) => activeBytesOn(state(world, 'a'), device(world), count) / gb
  assert.deepEqual([of(1), of(8)], [1, 8])
  for (let batch = 0; batch < 3; batch++) run(8, 2 * gb)
  assert.deepEqual([of(8), of(5)], [2, 2], 'five take no more than eight')
  run(8, null)
  assert.equal(of(8), 2)
  run(8, 4 * gb)
  assert.equal(of(8), 4)
})

test('what is booked for an instance at rest is not booked for its batches once more', () => {
  const world = createWorld([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 20 }])
  resident(world, 'a')
  const run = (peakGb: number, afterGb: number) => {
    arrive(world, 'a', 1)
    const [command] = step(world)
    assert.ok(command?.type === 'run-batch')
    world.pending.length = 0
    const { batchId } = command
    const held = { peakBytes: peakGb * gb, afterBytes: afterGb * gb }
    const base = { atMs: world.nowMs, batchId, failedCount: 0, runMs: 100, peakBytes: null }
    report(world, { type: 'batch-finished', ...base, held })
    return activeBytesOn(state(world, 'a'), device(world), 1) / gb
  }
  assert.equal(run(6, 5), 1)
  assert.equal(run(6, 4), 1, 'a runtime has collected its garbage: the peak is no higher than before')
  assert.equal(run(7, 4), 2)
})

test('an instance that has run little does not lower what is known of how much they hold', () => {
  const learnedGb = (batchCount: number) => {
    const world = createWorld([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
    for (const [heldGb, count] of [
      [4, 3],
      [2, batchCount],
    ] as const) {
      for (let batch = 0; batch < count; batch++) resident(world, 'a')
      const [instance] = state(world, 'a').instances
      read(world, { [instance!.id]: heldGb * gb })
      report(world, { type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
      report(world, { type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
    }
    return footprintOf(state(world, 'a'), 'static')!.residentBytes / gb
  }
  assert.deepEqual([1, 2, 3, 6].map(learnedGb), [4, 4, 3.6, 3.6])
})

test('where only the worker knows, a batch held its peak less what it still holds, or held after the load', () => {
  const world = createWorld([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 20 }])
  arrive(world, 'a', 1)
  const [load] = step(world)
  assert.ok(load?.type === 'start-load')
  world.pending.length = 0
  const { instanceId } = load
  const loaded = { atMs: 0, instanceId, loadMs: 1, residentBytes: gb, maxBatch: null }
  report(world, { type: 'load-finished', ...loaded })
  const run = (peakGb: number, residentBytes?: number) => {
    arrive(world, 'a', 1)
    const [command] = step(world)
    assert.ok(command?.type === 'run-batch')
    world.pending.length = 0
    const { batchId } = command
    const base = { atMs: world.nowMs, batchId, failedCount: 0, runMs: 100, peakBytes: peakGb * gb }
    report(world, { type: 'batch-finished', ...base, residentBytes: residentBytes ?? null })
    return activeBytesOn(state(world, 'a'), device(world), 1) / gb
  }
  assert.equal(run(3), 2)
  assert.equal(run(6, 2 * gb), 4)
  assert.equal(run(7), 6)
})

test('a batch that runs out of memory is halved, the item to blame is found and fails alone, and the size comes back', () => {
  const world = createWorld([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  const sizes: number[] = []
  let alone = 0
  /** Items by number; the sixth is too large for the device. */
  let queue = [0, 1, 2, 3, 4, 5, 6, 7]
  while (queue.length > 0) {
    world.queues.set('a', [])
    arrive(world, 'a', queue.length)
    const [run] = step(world)
    assert.ok(run?.type === 'run-batch')
    world.pending.length = 0
    const batch = queue.slice(0, run.maxCount)
    sizes.push(batch.length)
    const isOutOfMemory = batch.includes(5)
    if (!isOutOfMemory || batch.length === 1) queue = queue.slice(batch.length)
    if (isOutOfMemory && batch.length === 1) alone++
    const base = {
      atMs: world.nowMs,
      batchId: run.batchId,
      failedCount: isOutOfMemory ? 1 : 0,
      runMs: 1,
      peakBytes: null,
    }
    report(world, { type: 'batch-finished', ...base, isOutOfMemory })
  }
  assert.deepEqual(sizes, [8, 4, 4, 2, 1, 1, 2])
  assert.equal(alone, 1)
})

test('batches that are too large stay smaller, and grow by one after ten that went well', () => {
  const world = createWorld([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  const run = (isTooLarge: (count: number) => boolean): number => {
    world.queues.set('a', [])
    arrive(world, 'a', 8)
    const [command] = step(world)
    assert.ok(command?.type === 'run-batch')
    world.pending.length = 0
    const count = Math.min(8, command.maxCount)
    const isOutOfMemory = isTooLarge(count)
    const base = { atMs: world.nowMs, batchId: command.batchId, failedCount: 0, runMs: 1, peakBytes: null }
    report(world, { type: 'batch-finished', ...base, isOutOfMemory })
    return count
  }
  const sizes = Array.from({ length: 24 }, () => run((count) => count > 5))
  assert.deepEqual(sizes, [8, ...Array(10).fill(4), ...Array(10).fill(5), 6, 3, 3])
})

test('a load that runs out of memory waits for what is on its way and for idle ones to go, and is tried once more', () => {
  const world = createWorld([model('a', '2GB'), model('b', '2GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  arrive(world, 'b', 1)
  const fail = (isOutOfMemory: boolean) => {
    const load = world.pending.pop()!
    assert.ok(load.type === 'start-load')
    const { instanceId } = load
    report(world, {
      type: 'load-failed',
      atMs: world.nowMs,
      instanceId,
      message: 'CUDA out of memory',
      isOutOfMemory,
    })
    report(world, { type: 'memory-released', atMs: world.nowMs, instanceId })
  }
  assert.deepEqual(words(step(world)), ['load b'])
  fail(true)
  const [stop] = step(world)
  assert.deepEqual(words([stop!]), ['stop a for b'])
  finish(world, stop!)
  assert.deepEqual(words(step(world)), ['load b'])
  fail(true)
  assert.deepEqual(step(world), [], 'then it pauses as after any failure')
  world.nowMs += 10_000
  assert.deepEqual(words(step(world)), ['load b'])
})

test('a smaller batch than was measured gets all that the device has beside the model, if it cannot have as much', () => {
  const world = createWorld([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 20 }])
  resident(world, 'a')
  arrive(world, 'a', 8)
  const [run] = step(world)
  assert.ok(run?.type === 'run-batch')
  const held = { peakBytes: 9 * gb, afterBytes: gb }
  const base = { atMs: world.nowMs, batchId: run.batchId, failedCount: 0, runMs: 100, peakBytes: null }
  report(world, { type: 'batch-finished', ...base, held })
  const of = (count: number) => activeBytesOn(state(world, 'a'), device(world), count) / gb
  assert.deepEqual([of(8), of(1)], [8, 8])
  device(world).capacityBytes = 5 * gb
  assert.deepEqual([of(8), of(1)], [8, 3.98])
  device(world).capacityBytes = 1.5 * gb
  assert.equal(of(1), 1, 'but no less than its share')
})

test('what a worker holds for good since its first batches is no part of a batch, though its own peak counts it', () => {
  const world = createWorld([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
  arrive(world, 'a', 1)
  const [load] = step(world)
  report(world, {
    type: 'load-finished',
    atMs: 0,
    instanceId: 'a-1',
    loadMs: 1,
    residentBytes: gb,
    maxBatch: 1,
  })
  assert.ok(load)
  read(world, { 'a-1': 1.3 * gb })
  const run = (peakBytes: number) => {
    const [command] = step(world)
    assert.ok(command?.type === 'run-batch')
    const base = { atMs: world.nowMs, batchId: command.batchId, failedCount: 0, runMs: 1, peakBytes }
    report(world, { type: 'batch-finished', ...base })
    arrive(world, 'a', 1)
  }
  run(1.5 * gb)
  read(world, { 'a-1': 2.3 * gb })
  run(2.5 * gb)
  assert.equal(activeBytesOn(state(world, 'a'), device(world), 1), 0.5 * gb)
})

test('an instance that grows with every batch is loaded anew', () => {
  const world = createWorld([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  for (let batch = 0; batch < 14; batch++) {
    read(world, { 'a-1': gb + batch * 0.1 * gb })
    arrive(world, 'a', 1)
    const commands = step(world)
    if (commands[0]?.type === 'stop-instance') {
      assert.equal(commands[0].reason.rule, 'leaks')
      assert.equal(residentBytesOn(state(world, 'a'), device(world)), 1.224 * gb, 'as it had settled')
      return
    }
    for (const command of commands) finish(world, command)
  }
  assert.fail('it was never stopped')
})

test('an idle instance goes after its keepAlive, at once with 0, never when pinned, and says when to look again', () => {
  const keep = (keepAliveMs: number | null, isPinned = false) => {
    const world = createWorld([model('a', '1GB', { keepAliveMs, isPinned })], [{ id: 'gpu', gb: 8 }])
    resident(world, 'a')
    return world
  }
  assert.equal(keep(0).state.modelById.get('a')!.instances.length, 0)
  const world = keep(5000)
  world.nowMs += 4900
  assert.deepEqual(step(world), [])
  world.nowMs += 200
  assert.deepEqual(words(step(world)), ['stop a for null'])
  const pinned = keep(0, true)
  pinned.nowMs += 1e6
  assert.deepEqual(step(pinned), [])
  assert.equal(keep(null).state.modelById.get('a')!.instances.length, 1)
})

test('a pinned model is no victim, and a preloaded one is there before anything waits for it', () => {
  const models = [model('a', '3GB', { isPreloaded: true, isPinned: true }), model('b', '3GB')]
  const world = createWorld(models, [{ id: 'gpu', gb: 4 }])
  assert.deepEqual(words(settle(world)), ['load a'])
  arrive(world, 'b', 1)
  const [command] = step(world)
  assert.ok(command?.type === 'fail-queue', 'what has no place beside it would wait for ever')
  assert.match(command.message, /needs 3 GB; the largest device offers 1 GB .*3 GB that are pinned/)
})

test('a preloaded model that needs no device memory is loaded beside the devices', () => {
  const world = createWorld([model('a', '0', { isPreloaded: true })], [{ id: 'gpu', gb: 4 }])
  const [load] = step(world)
  assert.ok(load?.type === 'start-load')
  assert.equal(load.deviceId, 'cpu')
})

test('a preload that ran out of memory is tried again when its memory is back', () => {
  const world = createWorld([model('a', '1GB', { isPreloaded: true })], [{ id: 'gpu', gb: 4 }])
  const [load] = step(world)
  assert.ok(load?.type === 'start-load')
  const base = { atMs: world.nowMs, instanceId: load.instanceId }
  report(world, { type: 'load-failed', ...base, message: 'CUDA out of memory', isOutOfMemory: true })
  assert.deepEqual(step(world), [])
  report(world, { type: 'memory-released', ...base })
  assert.deepEqual(words(step(world)), ['load a'])
})

test('a model that went for being idle is not loaded ahead, unless it is expected before it would go again', () => {
  const models = [
    model('a', '1GB', { keepAliveMs: 1000 }),
    model('b', '1GB', { batch: { perItemMs: 60_000 } }),
  ]
  const world = createWorld(models, [{ id: 'gpu', gb: 8 }])
  arrive(world, 'b', 1)
  for (const load of step(world)) finish(world, load)
  assert.deepEqual(words(step(world)), ['run b'])
  const said: string[] = []
  for (const gapMs of [500, 500, 500]) {
    resident(world, 'a')
    world.nowMs += gapMs
  }
  for (let second = 0; second < 10; second++) {
    const commands = step(world)
    said.push(...words(commands))
    for (const command of commands) if (command.type === 'stop-instance') finish(world, command)
    world.nowMs += 1000
  }
  assert.deepEqual(said, ['stop a for null'])
})

test('an instance whose claim was empty is idle again, and one that is put into quarantine wakes nobody', () => {
  const world = createWorld([model('a', '1GB', { keepAliveMs: 1000 })], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  arrive(world, 'a', 1)
  world.queues.set('a', []) // a user has cancelled it meanwhile
  assert.deepEqual(words(step(world)), ['run a'])
  world.pending.length = 0
  world.nowMs += 2000
  assert.deepEqual(words(step(world)), ['stop a for null'])
  world.nowMs += 5000
  assert.deepEqual(words(step(world)), ['quarantine a'])
  assert.deepEqual(decide(world.state, world.nowMs), { command: null, wakeAtMs: null })
})

test('tells of a device that has less memory after each of several unloads', () => {
  const world = createWorld([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
  let foreignBytes = 0
  for (let cycle = 1; cycle <= 4; cycle++) {
    read(world, {}, { foreignBytes })
    resident(world, 'a')
    const [instance] = state(world, 'a').instances
    read(world, { [instance!.id]: gb }, { foreignBytes })
    report(world, { type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
    report(world, { type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
    foreignBytes += 50e6
    read(world, {}, { foreignBytes })
    assert.deepEqual([device(world).leak.count, device(world).leak.bytes], [cycle, cycle * 50e6])
  }
})

test('whatever is read: booked bytes stay under the line, and a deficit is what is held beyond them', () => {
  const reading = fc.record({
    a: fc.integer({ min: 0, max: 12 }),
    b: fc.integer({ min: 0, max: 12 }),
    foreign: fc.integer({ min: 0, max: 9 }),
    runs: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 30 }), (readings) => {
      const world = createWorld([model('a', '3GB'), model('b', '3GB')], [{ id: 'gpu', gb: 8 }])
      resident(world, 'a', 'b')
      for (const { a, b, foreign, runs } of readings) {
        if (runs) arrive(world, 'a', 1)
        settle(world)
        const held = { a: a * gb, b: b * gb }
        const byInstance = Object.fromEntries(
          device(world).instances.map(
            ({
              id,
              model: {
                model: { id: modelId },
              },
            }) => [id, held[modelId as 'a' | 'b']],
          ),
        )
        read(world, byInstance, { foreignBytes: foreign * gb })
        const { ledger, deficitBytes } = device(world)
        assert.ok(bookedBytes(ledger) <= 8 * gb)
        const heldBytes = Object.values(byInstance).reduce((sum, each) => sum + each, 0)
        assert.ok(deficitBytes <= heldBytes && bookedBytes(ledger) + deficitBytes >= heldBytes)
      }
    }),
  )
})
