// What models are learned to need: resident, while they are loaded, and for batches by their size.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gb, model, World, words } from '../../../test/support/world.ts'
import { activeBytesOn, footprintOf, loadingBytesOn, residentBytesOn } from './footprint.ts'

test('learns what a model holds: more at once, less after three loads', () => {
  const world = new World([model('a', '4GB')], [{ id: 'gpu', gb: 8 }])
  const sizes: number[] = []
  for (const heldGb of [2, 2, 2, 5]) {
    world.resident('a')
    const [instance] = world.model('a').instances
    world.read({ [instance!.id]: heldGb * gb })
    sizes.push(residentBytesOn(world.model('a'), world.device) / gb)
    world.report({ type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
  }
  assert.deepEqual(sizes, [4, 4, 2.04, 5.1])
  assert.ok(Math.abs(footprintOf(world.model('a'), 'static')!.errorRatio - (1 + 1 + 0.02 + 0.592) / 4) < 0.4)
})

test('what a load held for a moment is booked for the next one', () => {
  const world = new World([model('a', '2GB')], [{ id: 'gpu', gb: 8 }])
  world.arrive('a', 1)
  const [load] = world.step()
  world.read({ 'a-1': 4 * gb })
  assert.equal(world.device.ledger.reservedBytes, 4 * gb, 'at once for this one')
  world.finish(load!)
  world.settle()
  world.read({ 'a-1': 2 * gb })
  assert.equal(world.device.ledger.residentBytes, 2.04 * gb)
  assert.equal(loadingBytesOn(world.model('a'), world.device), 4 * gb)
})

test('what was booked for a load and does not stay is given back before the first batch, which may need it', () => {
  const models = [model('a', '2GB', { batch: { activation: '1GB' } })]
  const world = new World(models, [{ id: 'gpu', gb: 8 }])
  world.arrive('a', 1)
  const [load] = world.step()
  world.read({ 'a-1': 7.5 * gb })
  world.finish(load!)
  assert.deepEqual(world.step(), [], 'it may still hold it')
  world.read({ 'a-1': 2 * gb })
  assert.equal(world.device.ledger.residentBytes, 2 * gb)
  assert.deepEqual(words(world.step()), ['run a'])
})

test('a model without a size is loaded alone, and then known', () => {
  const world = new World([model('small', '1GB'), model('a', undefined)], [{ id: 'gpu', gb: 8 }])
  world.resident('small')
  world.arrive('a', 2)
  assert.deepEqual(words(world.settle()), ['stop small for a', 'load a', 'run a'])
  assert.equal(world.device.ledger.residentBytes, 8 * gb)
  const [instance] = world.model('a').instances
  world.read({ [instance!.id]: 3 * gb })
  assert.equal(world.device.ledger.residentBytes, Math.ceil(3 * gb * 1.02))
})

test('a model without a size is not loaded again for the room of its second batch: the next reading gives that back', () => {
  const world = new World([model('a', undefined, { batch: { max: 1 } })], [{ id: 'gpu', gb: 8 }])
  world.arrive('a', 2)
  world.finish(world.step()[0]!)
  world.read({ 'a-1': gb })
  world.endBatch(world.nextBatch(), { held: { peakBytes: 3 * gb, afterBytes: 2 * gb } })
  assert.deepEqual(words(world.step()), [], 'all of the device is booked, and a batch needs 1 GB more')
  world.read({ 'a-1': 2 * gb })
  assert.deepEqual(words(world.step()), ['run a'])
  assert.equal(world.model('a').footprints[0]!.errorRatio, 0, 'nobody had said what it needs')
})

test('learns what batches hold by their size: a peak lowers what is believed, a mere reading does not', () => {
  const world = new World(
    [model('a', '1GB', { batch: { max: 8, activation: '1GB' } })],
    [{ id: 'gpu', gb: 20 }],
  )
  world.resident('a')
  const run = (count: number, activeBytes: number | null) => {
    world.arrive('a', count)
    const held = activeBytes === null ? null : { peakBytes: gb + activeBytes, afterBytes: gb }
    world.endBatch(world.nextBatch(), { held })
  }
  const of = (count: number) => activeBytesOn(world.model('a'), world.device, count) / gb
  assert.deepEqual([of(1), of(8)], [1, 8])
  for (let batch = 0; batch < 3; batch++) run(8, 2 * gb)
  assert.deepEqual([of(8), of(5)], [2, 2], 'five take no more than eight')
  run(8, null)
  assert.equal(of(8), 2)
  run(8, 4 * gb)
  assert.equal(of(8), 4)
})

test('a batch that time makes smaller needs room too, where fewer items were seen to need more than many', () => {
  const batch = { perItemMs: 250, overheadMs: 0, max: 8 }
  const models = [model('a', '4GB', { batch }), model('wanted', '1GB', { loadMs: 1000 })]
  const largest = (priority: number) => {
    const world = new World(models, [{ id: 'gpu', gb: 8 }])
    world.resident('a')
    for (const [count, activeBytes] of [
      [1, 0],
      [4, 3.9 * gb],
      [8, 0],
      [8, 0],
      [8, 0],
    ] as const) {
      world.arrive('a', count)
      const held = { peakBytes: 4 * gb + activeBytes, afterBytes: 4 * gb }
      world.endBatch(world.nextBatch(), { runMs: 250 * count, held })
    }
    world.arrive('a', 8)
    world.arrive('wanted', 1, priority)
    const run = world.step().find(({ type }) => type === 'run-batch')
    assert.ok(run?.type === 'run-batch')
    return [run.maxCount, run.bytes / gb]
  }
  assert.deepEqual(largest(0), [8, 0])
  assert.deepEqual(largest(10), [1, 0]) // 3 would be over with the load, and need 3.1 GB of the 3 GB that are left
})

test('what is booked for an instance at rest is not booked for its batches once more', () => {
  const world = new World([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 20 }])
  world.resident('a')
  const run = (peakGb: number, afterGb: number) => {
    world.arrive('a', 1)
    world.endBatch(world.nextBatch(), { held: { peakBytes: peakGb * gb, afterBytes: afterGb * gb } })
    return activeBytesOn(world.model('a'), world.device, 1) / gb
  }
  assert.equal(run(6, 5), 1)
  assert.equal(run(6, 4), 1, 'a runtime has collected its garbage: the peak is no higher than before')
  assert.equal(run(7, 4), 2)
})

test('an instance that has run little does not lower what is known of how much they hold', () => {
  const learnedGb = (batchCount: number) => {
    const world = new World([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
    for (const [heldGb, count] of [
      [4, 3],
      [2, batchCount],
    ] as const) {
      for (let batch = 0; batch < count; batch++) world.resident('a')
      const [instance] = world.model('a').instances
      world.read({ [instance!.id]: heldGb * gb })
      world.report({ type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
      world.report({ type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
    }
    return footprintOf(world.model('a'), 'static')!.residentBytes / gb
  }
  assert.deepEqual([1, 2, 3, 6].map(learnedGb), [4, 4, 3.6, 3.6])
})

test('where only the worker knows, a batch held its peak less what it still holds, or held after the load', () => {
  const world = new World([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 20 }])
  world.arrive('a', 1)
  const [load] = world.step()
  assert.ok(load?.type === 'start-load')
  world.pending.length = 0
  const { instanceId } = load
  const loaded = { atMs: 0, instanceId, loadMs: 1, residentBytes: gb, maxBatch: null }
  world.report({ type: 'load-finished', ...loaded })
  const run = (peakGb: number, residentBytes?: number) => {
    world.arrive('a', 1)
    world.endBatch(world.nextBatch(), { peakBytes: peakGb * gb, residentBytes: residentBytes ?? null })
    return activeBytesOn(world.model('a'), world.device, 1) / gb
  }
  assert.equal(run(3), 2)
  assert.equal(run(6, 2 * gb), 4)
  assert.equal(run(7), 6)
})

test('a smaller batch than was measured gets all that the device has beside the model, if it cannot have as much', () => {
  const world = new World([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 20 }])
  world.resident('a')
  world.arrive('a', 8)
  world.endBatch(world.nextBatch(), { held: { peakBytes: 9 * gb, afterBytes: gb } })
  const of = (count: number) => activeBytesOn(world.model('a'), world.device, count) / gb
  assert.deepEqual([of(8), of(1)], [8, 8])
  world.device.capacityBytes = 5 * gb
  assert.deepEqual([of(8), of(1)], [8, 3.98])
  world.device.capacityBytes = 1.5 * gb
  assert.equal(of(1), 1, 'but no less than its share')
})

test('what a worker holds for good since its first batches is no part of a batch, though its own peak counts it', () => {
  const world = new World([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
  world.arrive('a', 1)
  const [load] = world.step()
  world.report({
    type: 'load-finished',
    atMs: 0,
    instanceId: 'a-1',
    loadMs: 1,
    residentBytes: gb,
    maxBatch: 1,
  })
  assert.ok(load)
  world.read({ 'a-1': 1.3 * gb })
  const run = (peakBytes: number) => {
    world.endBatch(world.nextBatch(), { runMs: 1, peakBytes })
    world.arrive('a', 1)
  }
  run(1.5 * gb)
  world.read({ 'a-1': 2.3 * gb })
  run(2.5 * gb)
  assert.equal(activeBytesOn(world.model('a'), world.device, 1), 0.5 * gb)
})
