import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { World, words } from '../../../test/support/world.ts'
import { brokenInvariants } from '../state/invariants.ts'
import { bookedBytes } from '../state/ledger.ts'

const three = [
  { id: 'a', vram: '4GB', loadMs: 4000, batch: { max: 4 } },
  { id: 'b', vram: '4GB', loadMs: 4000, batch: { max: 4 } },
  { id: 'c', vram: '4GB', loadMs: 4000, batch: { max: 4 } },
]

/** Brings models into memory and lets them do one item each. */
test('loads a missing model beside the batch of a resident one', () => {
  const world = new World(three, [{ id: 'gpu', gb: 10 }])
  world.resident('a')
  world.arrive('a', 8)
  world.arrive('b', 1)
  assert.deepEqual(words(world.step()), ['load b', 'run a'])
})

test('loads one model at a time on a device', () => {
  const world = new World(three, [{ id: 'gpu', gb: 16 }])
  for (const { id } of three) world.arrive(id, 1)
  const [load, ...rest] = world.step()
  assert.deepEqual(words([load!]), ['load a'])
  assert.deepEqual(rest, [])
  world.finish(load!)
  assert.deepEqual(words(world.step()), ['load b', 'run a'])
})

test('never evicts a model that runs a batch, and evicts an idle one for a model with work', () => {
  const world = new World(three, [{ id: 'gpu', gb: 8 }])
  world.resident('a', 'b')
  world.arrive('a', 1)
  const [run] = world.step()
  world.arrive('c', 1)
  assert.deepEqual(words(world.step()), ['stop b for c'])
  assert.equal(run!.type, 'run-batch')
})

test('evicts the idle model that is needed last', () => {
  const world = new World(three, [{ id: 'gpu', gb: 8 }])
  world.resident('a', 'b')
  world.block('a', [{ modelId: 'c', count: 1 }])
  world.nowMs += 1e6 // what is known of arrivals is old
  world.arrive('c', 1)
  assert.deepEqual(words(world.step()), ['stop b for c'])
})

test('stops no more victims than the newcomer needs', () => {
  const models = [
    { id: 'small', vram: '1GB', loadMs: 1000 },
    { id: 'large', vram: '6GB', loadMs: 60_000 },
    { id: 'new', vram: '6GB', loadMs: 4000 },
  ]
  const world = new World(models, [{ id: 'gpu', gb: 8 }])
  world.resident('small', 'large')
  world.arrive('new', 1)
  assert.deepEqual(words(world.step()), ['stop large for new'])
})

test('promises bytes on their way back once only', () => {
  const world = new World(three, [{ id: 'gpu', gb: 8 }])
  world.resident('a', 'b')
  world.arrive('c', 1)
  const [stop] = world.step()
  assert.deepEqual(world.step(), [], 'the room for c is on its way')
  world.finish(stop!)
  assert.deepEqual(words(world.step()), ['load c'])
})

test('puts an interactive item before a long queue of the same device', () => {
  const world = new World(three, [{ id: 'gpu', gb: 8 }])
  world.resident('a', 'b')
  world.arrive('a', 100)
  world.arrive('b', 1, 9)
  assert.deepEqual(words(world.step()), ['run b'])
})

test('loads a model for an interactive item although a resident one has a long queue', () => {
  const world = new World(three, [{ id: 'gpu', gb: 4 }])
  world.arrive('a', 100)
  const [load] = world.step()
  world.finish(load!)
  for (let batches = 0; batches < 8; batches++) {
    const [run] = world.step()
    world.nowMs += 1000
    world.finish(run!)
  }
  world.arrive('b', 1, 9)
  assert.deepEqual(words(world.step()), ['stop a for b'])
})

test('lets an overdue item in after a burst of interactive batches', () => {
  const world = new World(three, [{ id: 'gpu', gb: 8 }], { burst: 2, maxWait: 10_000 })
  world.resident('a', 'b')
  world.arrive('b', 1)
  world.nowMs += 20_000
  world.arrive('a', 20, 9)
  const ran: string[] = []
  for (let batches = 0; batches < 3; batches++) {
    const [run] = world.step()
    ran.push(...words([run!]))
    world.finish(run!)
  }
  assert.deepEqual(ran, ['run a', 'run a', 'run b'])
})

test('does not starve a model while the queue of another never empties', () => {
  const world = new World(three, [{ id: 'gpu', gb: 4 }], { maxWait: 60_000 })
  world.arrive('a', 50)
  world.arrive('b', 1)
  for (let rounds = 0; rounds < 400 && (world.queues.get('b')?.length ?? 0) > 0; rounds++) {
    world.arrive('a', 2)
    world.step()
    world.nowMs += 1000
    if (world.pending.length > 0) world.finish(world.pending[0]!)
  }
  assert.equal(world.queues.get('b')!.length, 0)
  assert.ok(world.nowMs < 120_000, `b ran after ${world.nowMs} ms`)
})

test('loads ahead what blocked items will need', () => {
  const world = new World(three, [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.arrive('a', 4)
  world.block('b', [{ modelId: 'a', count: 4 }])
  assert.deepEqual(words(world.step()), ['load b', 'run a'])
})

test('keeps room for the batches of a model whose items need memory', () => {
  const hungry = { id: 'hungry', vram: '4GB', batch: { max: 4, activation: '1GB' } }
  const world = new World([hungry, three[1]!], [{ id: 'gpu', gb: 8 }])
  world.resident('hungry')
  world.arrive('b', 1)
  assert.deepEqual(
    words(world.step()),
    ['stop hungry for b', 'load b'],
    '4 + 4 GB fit, a batch of hungry would not',
  )
})

test('on a device of two slots what leaves needs no room for its batches', () => {
  const models = [
    { id: 'small', vram: '2GB' },
    { id: 'whole', vram: '9GB', batch: { max: 2, activation: '1GB' } },
  ]
  const world = new World(models, [{ id: 'gpu', gb: 10, slots: 2 }])
  world.resident('small')
  world.arrive('whole', 1)
  assert.deepEqual(words(world.settle()), ['stop small for whole', 'load whole', 'run whole'])
})

test('shrinks a batch to the memory there is', () => {
  const world = new World(
    [{ id: 'a', vram: '4GB', batch: { max: 8, activation: '1GB' } }],
    [{ id: 'gpu', gb: 7 }],
  )
  world.resident('a')
  world.arrive('a', 8)
  const [run] = world.step()
  assert.ok(run!.type === 'run-batch' && run!.maxCount === 3 && run!.bytes === 3e9)
})

test('loads a second copy on an idle device when the queue is longer than the load', () => {
  const world = new World(three, [
    { id: 'gpu0', gb: 4 },
    { id: 'gpu1', gb: 4 },
  ])
  world.resident('a')
  world.arrive('a', 400)
  assert.deepEqual(words(world.step()), ['run a', 'load a'])
})

test('quarantines memory that does not come back, and goes on when it does', () => {
  const world = new World(three, [{ id: 'gpu', gb: 4 }])
  world.resident('a')
  world.arrive('b', 1)
  const [stop] = world.step()
  world.nowMs += 6000
  assert.deepEqual(words(world.step()), ['quarantine a'])
  assert.equal(world.state.devices[0]!.ledger.quarantinedBytes, 4e9)
  assert.deepEqual(world.step(), [])
  world.finish(stop!)
  assert.deepEqual(words(world.step()), ['load b'])
})

test('leaves a device to others while quarantined memory keeps a model out', () => {
  const whole = { id: 'whole', vram: '8GB', loadMs: 1000 }
  const world = new World([...three, whole], [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.arrive('whole', 100)
  assert.deepEqual(words(world.step()), ['stop a for whole'])
  world.nowMs += 6000
  assert.deepEqual(words(world.step()), ['quarantine a'])
  world.arrive('b', 1)
  assert.deepEqual(words(world.step()), ['load b'])
})

/** Another process takes memory of the first device. */
function takeForeign(world: World, foreignBytes: number): void {
  const { id: deviceId, capacityBytes } = world.state.devices[0]!
  const reading = { deviceId, capacityBytes, foreignBytes, bytesByInstance: {} }
  world.report({ type: 'memory-observed', atMs: world.nowMs, ...reading })
}

const needsRoom = { id: 'roomy', vram: '4GB', loadMs: 1000, batch: { max: 2, activation: '1GB' } }

test('stops an idle model when another process has taken the room of the batches of one with work', () => {
  const world = new World([...three, needsRoom], [{ id: 'gpu', gb: 9 }])
  world.resident('a', 'roomy')
  takeForeign(world, 1e9)
  world.arrive('roomy', 1)
  assert.deepEqual(words(world.settle()), ['stop a for roomy', 'run roomy'])
})

test('moves a model whose batches have no room left on its device, also without it', () => {
  const world = new World(
    [needsRoom],
    [
      { id: 'gpu', gb: 6 },
      { id: 'other', gb: 5 },
    ],
  )
  world.resident('roomy')
  takeForeign(world, 2e9)
  world.arrive('roomy', 1)
  assert.deepEqual(words(world.settle()), ['stop roomy for null', 'load roomy', 'run roomy'])
})

test('what a batch held stays booked when its worker dies, until the device shows it back', () => {
  const world = new World([needsRoom], [{ id: 'gpu', gb: 6 }])
  world.resident('roomy')
  world.arrive('roomy', 2)
  const [run] = world.step()
  assert.ok(run?.type === 'run-batch')
  const { instanceId } = run
  world.report({ type: 'instance-failed', atMs: world.nowMs, instanceId, message: 'died' })
  world.finish(run)
  const { ledger } = world.state.devices[0]!
  assert.equal(ledger.releasingBytes, 6e9)
  world.report({ type: 'memory-released', atMs: world.nowMs, instanceId })
  assert.equal(bookedBytes(ledger), 0)
})

test('pauses after a failed load, and fails the queue after the third', () => {
  const world = new World(three, [{ id: 'gpu', gb: 4 }])
  world.arrive('a', 2)
  const told: string[] = []
  for (let failures = 0; failures < 3; failures++) {
    const [load] = world.step()
    told.push(...words([load!]))
    assert.ok(load?.type === 'start-load')
    world.report({
      type: 'load-failed',
      atMs: world.nowMs,
      instanceId: load.instanceId,
      message: 'no such file',
    })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId: load.instanceId })
    world.nowMs += 10_000 * 2 ** failures - 1
    if (failures < 2) assert.deepEqual(world.step(), [], 'still pausing')
    world.nowMs += 1
  }
  assert.deepEqual([...told, ...words(world.step())], ['load a', 'load a', 'load a', 'fail-queue a'])
})

test('a load that failed for good fails the items of its model at once, and one for want of memory does not', () => {
  for (const isOutOfMemory of [false, true]) {
    const world = new World(three, [{ id: 'gpu', gb: 8 }])
    world.arrive('a', 2)
    const [load] = world.step()
    assert.ok(load?.type === 'start-load')
    const { instanceId } = load
    const message = 'a.ts:3: SyntaxError'
    world.report({
      type: 'load-failed',
      atMs: world.nowMs,
      instanceId,
      message,
      isOutOfMemory,
      isFinal: true,
    })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId })
    assert.deepEqual(words(world.step()), [isOutOfMemory ? 'load a' : 'fail-queue a'])
  }
})

test('runs models of size 0 beside a full device, as many batches as their concurrency', () => {
  const cpu = { id: 'cut', vram: 0, concurrency: 2, batch: { max: 1 } }
  const world = new World([three[0]!, cpu], [{ id: 'gpu', gb: 4 }])
  world.resident('a')
  world.arrive('a', 1)
  world.arrive('cut', 3)
  const [load, ...rest] = world.step()
  world.finish(load!)
  assert.deepEqual(words([load!, ...rest, ...world.step()]), ['load cut', 'run a', 'run cut', 'run cut'])
})

test('starts nothing new while draining', () => {
  const world = new World(three, [{ id: 'gpu', gb: 8 }])
  world.resident('a')
  world.report({ type: 'drain-started', atMs: world.nowMs })
  world.arrive('a', 4)
  assert.deepEqual(world.step(), [])
})

test('wherever events come in any order: invariants hold, and everything that arrived is run', () => {
  const model = (id: string) =>
    fc.record({
      id: fc.constant(id),
      vram: fc.integer({ min: 1, max: 4 }).map((gb) => gb * 1e9),
      loadMs: fc.integer({ min: 0, max: 9000 }),
      concurrency: fc.integer({ min: 1, max: 2 }),
      batch: fc.record({
        max: fc.integer({ min: 1, max: 4 }),
        activation: fc.integer({ min: 0, max: 1 }).map((gb) => gb * 1e9),
      }),
    })
  const cpuModel = fc.record({
    id: fc.constant('c'),
    vram: fc.constant(0),
    concurrency: fc.integer({ min: 1, max: 3 }),
  })
  const action = fc.oneof(
    fc.record({
      type: fc.constant('arrive'),
      model: fc.nat(2),
      count: fc.integer({ min: 1, max: 6 }),
      priority: fc.integer({ min: -3, max: 10 }),
    }),
    fc.record({ type: fc.constantFrom('finish', 'fail', 'doubled'), index: fc.nat(5) }),
    fc.record({ type: fc.constant('wait'), ms: fc.nat(400_000) }),
  )
  fc.assert(
    fc.property(
      fc.tuple(model('a'), model('b'), fc.oneof(model('c'), cpuModel)),
      fc.integer({ min: 1, max: 2 }),
      fc.array(action, { maxLength: 40 }),
      (models, deviceCount, actions) => {
        const devices = ['gpu0', 'gpu1'].slice(0, deviceCount).map((id) => ({ id, gb: 6 }))
        const world = new World(models, devices, { maxLoadFailures: 1000 })
        for (const each of actions) act(world, each)
        world.nowMs += 1e6 // every cool-down ends
        world.settle()
        world.nowMs += 1e6
        world.settle()
        assert.deepEqual([...world.queues.values()].flat(), [])
        assert.deepEqual(brokenInvariants(world.state), [])
      },
    ),
    { numRuns: 300 },
  )
})

type Action = { type: string; model?: number; count?: number; priority?: number; index?: number; ms?: number }

function act(world: World, { type, model = 0, count = 1, priority = 0, index = 0, ms = 0 }: Action): void {
  world.step()
  const command = world.pending[index % Math.max(1, world.pending.length)]
  if (type === 'arrive') world.arrive(['a', 'b', 'c'][model]!, count, priority)
  else if (type === 'wait') world.nowMs += ms
  else if (command && type === 'fail' && command.type === 'start-load') {
    world.pending.splice(world.pending.indexOf(command), 1)
    const { instanceId } = command
    world.report({ type: 'load-failed', atMs: world.nowMs, instanceId, message: 'broken' })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId })
  } else if (command) {
    world.finish(command)
    if (type === 'doubled') {
      world.pending.push(command)
      world.finish(command)
    }
  }
}
