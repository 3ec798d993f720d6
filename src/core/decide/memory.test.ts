// Memory that is measured, not believed: what readings change at once, and what is done where it is not
// enough.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { gb, model, World, words } from '../../../test/support/world.ts'
import { bookedBytes, headroomBytes } from '../state/ledger.ts'

test('books what an instance really holds, as far as there is room, and shows the rest as a deficit', () => {
  const world = new World([model('a', '3GB'), model('b', '3GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.read({ 'a-1': 4 * gb })
  assert.equal(world.device.ledger.residentBytes, 4 * gb)
  assert.equal(world.device.deficitBytes, 0)
  world.read({ 'a-1': 9 * gb })
  assert.equal(world.device.ledger.residentBytes, 8 * gb)
  assert.equal(world.device.deficitBytes, gb)
  assert.equal(headroomBytes(world.device), -gb)
  world.read({ 'a-1': 4 * gb })
  assert.equal(world.device.deficitBytes, 0)
})

test('a deficit blocks loads, evicts idle ones and nobody who has work', () => {
  const models = [model('a', '3GB'), model('b', '3GB'), model('c', '2GB')]
  const world = new World(models, [{ id: 'gpu', gb: 8 }])
  world.resident('a', 'b', 'c')
  world.arrive('a', 1)
  world.arrive('b', 1)
  world.step() // one of them runs
  world.read({ 'a-1': 5 * gb, 'b-2': 3 * gb, 'c-3': 2 * gb })
  assert.equal(world.device.deficitBytes, 2 * gb)
  const [stop] = world.step()
  assert.deepEqual(words([stop!]), ['stop c for null'])
  assert.equal(stop!.reason.rule, 'over-the-line')
  world.finish(stop!)
  assert.ok(!words(world.settle()).some((each) => each.startsWith('stop')), 'and nobody else')
})

test('foreign use that grows makes idle instances go first, and running work is left to finish', () => {
  const world = new World([model('a', '3GB'), model('b', '3GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a', 'b')
  world.arrive('a', 1)
  world.step()
  world.read({ 'a-1': 3 * gb, 'b-2': 3 * gb }, { foreignBytes: 6 * gb })
  assert.deepEqual(words(world.step()), ['stop b for null'])
})

test('where a device cannot tell who holds what, use beyond the books is foreign', () => {
  const world = new World([model('a', '3GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.read({}, { foreignBytes: gb, usedBytes: 7 * gb })
  assert.equal(world.device.foreignBytes, 4 * gb)
})

test('no memory is promised on a device whose last reading is old, neither to a load nor to a batch', () => {
  const models = [model('a', '3GB', { batch: { activation: '1GB' } })]
  const world = new World(models, [{ id: 'gpu', gb: 8 }], { staleAfter: 2000 })
  const isOld = () => {
    world.read({})
    world.nowMs += 3000
  }
  isOld()
  world.arrive('a', 1)
  assert.deepEqual(world.step(), [])
  world.read({})
  const [load] = world.step()
  assert.deepEqual(words([load!]), ['load a'])
  isOld()
  world.finish(load!)
  assert.deepEqual(world.step(), [])
  world.read({})
  assert.deepEqual(words(world.step()), ['run a'])
})

test('a resident model whose batch has no room stays while the last reading is old, or was of its load', () => {
  const models = [model('a', '3GB', { batch: { activation: '1GB' } })]
  const world = new World(models, [{ id: 'gpu', gb: 8 }], { staleAfter: 2000 })
  world.read({})
  world.arrive('a', 1)
  const [load] = world.step()
  world.read({ 'a-1': 7.5 * gb })
  world.finish(load!)
  assert.deepEqual(world.step(), [], 'what it held while it was loaded may be more than what stays')
  world.nowMs += 3000
  assert.deepEqual(world.step(), [])
  world.read({ 'a-1': 7.5 * gb })
  assert.deepEqual(words(world.step()), ['stop a for null', 'fail-queue a'])
})

test('where a device cannot tell who holds what, a model that needs all of it has it emptied: then it shows what is ours', () => {
  const world = new World([model('a', '3GB'), model('b', '8GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.read({}, { usedBytes: 4 * gb })
  assert.equal(world.device.budgetBytes, 7 * gb)
  world.arrive('b', 1)
  const [stop] = world.step()
  assert.deepEqual(words([stop!]), ['stop a for b'])
  world.read({}, { usedBytes: 0 })
  world.finish(stop!)
  assert.deepEqual(words(world.step()), ['load b'])
})

test('a load that leaves no room for a batch has failed: it is tried again after pauses, and in the end the queue fails', () => {
  const world = new World([model('a', '7GB', { batch: { activation: '1GB' } })], [{ id: 'gpu', gb: 8 }])
  const said: string[] = []
  world.arrive('a', 1)
  for (let load = 0; load < 3; load++) {
    world.read({}, { usedBytes: 0 })
    for (const command of world.step()) world.finish(command)
    world.read({}, { usedBytes: 7.5 * gb }) // nobody says that it is the model's own
    const commands = world.step()
    said.push(...words(commands))
    world.read({}, { usedBytes: 0 })
    world.finish(commands[0]!)
    if (load === 2) assert.match((commands[1] as { message: string }).message, /no room for a batch on gpu/)
    world.nowMs += 10_000 * 2 ** load
  }
  const stop = 'stop a for null'
  assert.deepEqual(said, [stop, stop, stop, 'fail-queue a'])
})

test('nothing is loaded ahead while something ready waits for quarantined bytes', () => {
  const world = new World([model('a', '3GB'), model('b', '8GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.arrive('b', 1)
  assert.deepEqual(words(world.step()), ['stop a for b'])
  world.block('a', [{ modelId: 'b', count: 1 }])
  world.nowMs += 5000
  assert.deepEqual(words(world.step()), ['quarantine a'])
  world.report({ type: 'memory-released', atMs: world.nowMs, instanceId: 'a-1' })
  assert.deepEqual(words(world.step()), ['load b'])
})

test('a model that was seen to need more than any device has fails its items with the numbers', () => {
  const world = new World([model('a', '2GB')], [{ id: 'gpu', gb: 4 }])
  for (let load = 0; load < 3; load++) {
    world.resident('a')
    const [instance] = world.model('a').instances
    world.read({ [instance!.id]: 6 * gb })
    world.report({ type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
    if (load < 2) world.model('a').footprints[0]!.residentBytes = 1 // as if it had been small
  }
  world.arrive('a', 2)
  const [command] = world.step()
  assert.ok(
    command?.type === 'fail-queue' && /needs 6.12 GB; the largest device offers 4 GB/.test(command.message),
  )
})

test('a batch that runs out of memory is halved, the item to blame is found and fails alone, and the size comes back', () => {
  const world = new World([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  const sizes: number[] = []
  let alone = 0
  /** Items by number; the sixth is too large for the device. */
  let queue = [0, 1, 2, 3, 4, 5, 6, 7]
  while (queue.length > 0) {
    world.queues.set('a', [])
    world.arrive('a', queue.length)
    const run = world.nextBatch()
    const batch = queue.slice(0, run.maxCount)
    sizes.push(batch.length)
    const isOutOfMemory = batch.includes(5)
    if (!isOutOfMemory || batch.length === 1) queue = queue.slice(batch.length)
    if (isOutOfMemory && batch.length === 1) alone++
    world.endBatch(run, { failedCount: isOutOfMemory ? 1 : 0, runMs: 1, isOutOfMemory })
  }
  assert.deepEqual(sizes, [8, 4, 4, 2, 1, 1, 2])
  assert.equal(alone, 1)
})

test('batches that are too large stay smaller, and grow by one after ten that went well', () => {
  const world = new World([model('a', '1GB', { batch: { max: 8 } })], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  const run = (isTooLarge: (count: number) => boolean): number => {
    world.queues.set('a', [])
    world.arrive('a', 8)
    const command = world.nextBatch()
    const count = Math.min(8, command.maxCount)
    world.endBatch(command, { runMs: 1, isOutOfMemory: isTooLarge(count) })
    return count
  }
  const sizes = Array.from({ length: 24 }, () => run((count) => count > 5))
  assert.deepEqual(sizes, [8, ...Array(10).fill(4), ...Array(10).fill(5), 6, 3, 3])
})

test('a load that runs out of memory waits for what is on its way and for idle ones to go, and is tried once more', () => {
  const world = new World([model('a', '2GB'), model('b', '2GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.arrive('b', 1)
  const fail = (isOutOfMemory: boolean) => {
    const load = world.pending.pop()!
    assert.ok(load.type === 'start-load')
    const { instanceId } = load
    world.report({
      type: 'load-failed',
      atMs: world.nowMs,
      instanceId,
      message: 'CUDA out of memory',
      isOutOfMemory,
    })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId })
  }
  assert.deepEqual(words(world.step()), ['load b'])
  fail(true)
  const [stop] = world.step()
  assert.deepEqual(words([stop!]), ['stop a for b'])
  world.finish(stop!)
  assert.deepEqual(words(world.step()), ['load b'])
  fail(true)
  assert.deepEqual(world.step(), [], 'then it pauses as after any failure')
  world.nowMs += 10_000
  assert.deepEqual(words(world.step()), ['load b'])
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
      const world = new World([model('a', '3GB'), model('b', '3GB')], [{ id: 'gpu', gb: 8 }])
      world.resident('a', 'b')
      for (const { a, b, foreign, runs } of readings) {
        if (runs) world.arrive('a', 1)
        world.settle()
        const held = { a: a * gb, b: b * gb }
        const byInstance = Object.fromEntries(
          world.device.instances.map(
            ({
              id,
              model: {
                model: { id: modelId },
              },
            }) => [id, held[modelId as 'a' | 'b']],
          ),
        )
        world.read(byInstance, { foreignBytes: foreign * gb })
        const { ledger, deficitBytes } = world.device
        assert.ok(bookedBytes(ledger) <= 8 * gb)
        const heldBytes = Object.values(byInstance).reduce((sum, each) => sum + each, 0)
        assert.ok(deficitBytes <= heldBytes && bookedBytes(ledger) + deficitBytes >= heldBytes)
      }
    }),
  )
})
