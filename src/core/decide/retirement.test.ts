// Who stays and who goes for the sake of the memory, or because nothing wants it: pins, preloads, keepAlive,
// leaks, faults.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gb, model, World, words } from '../../../test/support/world.ts'
import { residentBytesOn } from '../state/footprint.ts'
import { decide } from './decide.ts'

test('a device that is not well is emptied, and used again when it is', () => {
  const world = new World([model('a', '3GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.read({ 'a-1': 3 * gb }, { fault: 'XID 79' })
  world.arrive('a', 4)
  const [stop] = world.step()
  assert.deepEqual(words([stop!]), ['stop a for null'])
  world.finish(stop!)
  assert.deepEqual(world.step(), [])
  world.read({})
  assert.deepEqual(words(world.step()), ['load a'])
})

test('an instance that grows with every batch is loaded anew', () => {
  const world = new World([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  for (let batch = 0; batch < 14; batch++) {
    world.read({ 'a-1': gb + batch * 0.1 * gb })
    world.arrive('a', 1)
    const commands = world.step()
    if (commands[0]?.type === 'stop-instance') {
      assert.equal(commands[0].reason.rule, 'leaks')
      assert.equal(residentBytesOn(world.model('a'), world.device), 1.224 * gb, 'as it had settled')
      return
    }
    for (const command of commands) world.finish(command)
  }
  assert.fail('it was never stopped')
})

test('an idle instance goes after its keepAlive, at once with 0, never when pinned, and says when to look again', () => {
  const keep = (keepAliveMs: number | null, isPinned = false) => {
    const world = new World([model('a', '1GB', { keepAliveMs, isPinned })], [{ id: 'gpu', gb: 8 }])
    world.resident('a')
    return world
  }
  assert.equal(keep(0).state.modelById.get('a')!.instances.length, 0)
  const world = keep(5000)
  world.nowMs += 4900
  assert.deepEqual(world.step(), [])
  world.nowMs += 200
  assert.deepEqual(words(world.step()), ['stop a for null'])
  const pinned = keep(0, true)
  pinned.nowMs += 1e6
  assert.deepEqual(pinned.step(), [])
  assert.equal(keep(null).state.modelById.get('a')!.instances.length, 1)
})

test('a pinned model is no victim, and a preloaded one is there before anything waits for it', () => {
  const models = [model('a', '3GB', { isPreloaded: true, isPinned: true }), model('b', '3GB')]
  const world = new World(models, [{ id: 'gpu', gb: 4 }])
  assert.deepEqual(words(world.settle()), ['load a'])
  world.arrive('b', 1)
  const [command] = world.step()
  assert.ok(command?.type === 'fail-queue', 'what has no place beside it would wait for ever')
  assert.match(command.message, /needs 3 GB; the largest device offers 1 GB .*3 GB that are pinned/)
})

test('a preloaded model that needs no device memory is loaded beside the devices', () => {
  const world = new World([model('a', '0', { isPreloaded: true })], [{ id: 'gpu', gb: 4 }])
  const [load] = world.step()
  assert.ok(load?.type === 'start-load')
  assert.equal(load.deviceId, 'cpu')
})

test('a preload that ran out of memory is tried again when its memory is back', () => {
  const world = new World([model('a', '1GB', { isPreloaded: true })], [{ id: 'gpu', gb: 4 }])
  const [load] = world.step()
  assert.ok(load?.type === 'start-load')
  const base = { atMs: world.nowMs, instanceId: load.instanceId }
  world.report({ type: 'load-failed', ...base, message: 'CUDA out of memory', isOutOfMemory: true })
  assert.deepEqual(world.step(), [])
  world.report({ type: 'memory-released', ...base })
  assert.deepEqual(words(world.step()), ['load a'])
})

test('a model that went for being idle is not loaded ahead, unless it is expected before it would go again', () => {
  const models = [
    model('a', '1GB', { keepAliveMs: 1000 }),
    model('b', '1GB', { batch: { perItemMs: 60_000 } }),
  ]
  const world = new World(models, [{ id: 'gpu', gb: 8 }])
  world.arrive('b', 1)
  for (const load of world.step()) world.finish(load)
  assert.deepEqual(words(world.step()), ['run b'])
  const said: string[] = []
  for (const gapMs of [500, 500, 500]) {
    world.resident('a')
    world.nowMs += gapMs
  }
  for (let second = 0; second < 10; second++) {
    const commands = world.step()
    said.push(...words(commands))
    for (const command of commands) if (command.type === 'stop-instance') world.finish(command)
    world.nowMs += 1000
  }
  assert.deepEqual(said, ['stop a for null'])
})

test('an instance whose claim was empty is idle again, and one that is put into quarantine wakes nobody', () => {
  const world = new World([model('a', '1GB', { keepAliveMs: 1000 })], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.arrive('a', 1)
  world.queues.set('a', []) // a user has cancelled it meanwhile
  assert.deepEqual(words(world.step()), ['run a'])
  world.pending.length = 0
  world.nowMs += 2000
  assert.deepEqual(words(world.step()), ['stop a for null'])
  world.nowMs += 5000
  assert.deepEqual(words(world.step()), ['quarantine a'])
  assert.deepEqual(decide(world.state, world.nowMs), { command: null, wakeAtMs: null })
})

test('tells of a device that has less memory after each of several unloads', () => {
  const world = new World([model('a', '1GB')], [{ id: 'gpu', gb: 8 }])
  let foreignBytes = 0
  for (let cycle = 1; cycle <= 4; cycle++) {
    world.read({}, { foreignBytes })
    world.resident('a')
    const [instance] = world.model('a').instances
    world.read({ [instance!.id]: gb }, { foreignBytes })
    world.report({ type: 'instance-failed', atMs: world.nowMs, instanceId: instance!.id, message: 'gone' })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId: instance!.id })
    foreignBytes += 50e6
    world.read({}, { foreignBytes })
    assert.deepEqual([world.device.leak.count, world.device.leak.bytes], [cycle, cycle * 50e6])
  }
})
