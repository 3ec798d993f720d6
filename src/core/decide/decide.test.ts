import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  arrive,
  block,
  createWorld,
  finish,
  report,
  settle,
  step,
  type World,
  words,
} from '../../../test/support/world.ts'
import { brokenInvariants } from '../state/invariants.ts'
import { bookedBytes } from '../state/ledger.ts'

const three = [
  { id: 'a', vram: '4GB', loadMs: 4000, batch: { max: 4 } },
  { id: 'b', vram: '4GB', loadMs: 4000, batch: { max: 4 } },
  { id: 'c', vram: '4GB', loadMs: 4000, batch: { max: 4 } },
]

/** Brings models into memory and lets them do one item each. */
function resident(world: World, ...modelIds: string[]): void {
  for (const modelId of modelIds) {
    arrive(world, modelId, 1)
    settle(world)
  }
}

test('loads a missing model beside the batch of a resident one', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 10 }])
  resident(world, 'a')
  arrive(world, 'a', 8)
  arrive(world, 'b', 1)
  assert.deepEqual(words(step(world)), ['load b', 'run a'])
})

test('loads one model at a time on a device', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 16 }])
  for (const { id } of three) arrive(world, id, 1)
  const [load, ...rest] = step(world)
  assert.deepEqual(words([load!]), ['load a'])
  assert.deepEqual(rest, [])
  finish(world, load!)
  assert.deepEqual(words(step(world)), ['load b', 'run a'])
})

test('never evicts a model that runs a batch, and evicts an idle one for a model with work', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 8 }])
  resident(world, 'a', 'b')
  arrive(world, 'a', 1)
  const [run] = step(world)
  arrive(world, 'c', 1)
  assert.deepEqual(words(step(world)), ['stop b for c'])
  assert.equal(run!.type, 'run-batch')
})

test('evicts the idle model that is needed last', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 8 }])
  resident(world, 'a', 'b')
  block(world, 'a', [{ modelId: 'c', count: 1 }])
  world.nowMs += 1e6 // what is known of arrivals is old
  arrive(world, 'c', 1)
  assert.deepEqual(words(step(world)), ['stop b for c'])
})

test('stops no more victims than the newcomer needs', () => {
  const models = [
    { id: 'small', vram: '1GB', loadMs: 1000 },
    { id: 'large', vram: '6GB', loadMs: 60_000 },
    { id: 'new', vram: '6GB', loadMs: 4000 },
  ]
  const world = createWorld(models, [{ id: 'gpu', gb: 8 }])
  resident(world, 'small', 'large')
  arrive(world, 'new', 1)
  assert.deepEqual(words(step(world)), ['stop large for new'])
})

test('promises bytes on their way back once only', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 8 }])
  resident(world, 'a', 'b')
  arrive(world, 'c', 1)
  const [stop] = step(world)
  assert.deepEqual(step(world), [], 'the room for c is on its way')
  finish(world, stop!)
  assert.deepEqual(words(step(world)), ['load c'])
})

test('puts an interactive item before a long queue of the same device', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 8 }])
  resident(world, 'a', 'b')
  arrive(world, 'a', 100)
  arrive(world, 'b', 1, 9)
  assert.deepEqual(words(step(world)), ['run b'])
})

test('loads a model for an interactive item although a resident one has a long queue', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 4 }])
  arrive(world, 'a', 100)
  const [load] = step(world)
  finish(world, load!)
  for (let batches = 0; batches < 8; batches++) {
    const [run] = step(world)
    world.nowMs += 1000
    finish(world, run!)
  }
  arrive(world, 'b', 1, 9)
  assert.deepEqual(words(step(world)), ['stop a for b'])
})

test('lets an overdue item in after a burst of interactive batches', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 8 }], { burst: 2, maxWait: 10_000 })
  resident(world, 'a', 'b')
  arrive(world, 'b', 1)
  world.nowMs += 20_000
  arrive(world, 'a', 20, 9)
  const ran: string[] = []
  for (let batches = 0; batches < 3; batches++) {
    const [run] = step(world)
    ran.push(...words([run!]))
    finish(world, run!)
  }
  assert.deepEqual(ran, ['run a', 'run a', 'run b'])
})

test('does not starve a model while the queue of another never empties', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 4 }], { maxWait: 60_000 })
  arrive(world, 'a', 50)
  arrive(world, 'b', 1)
  for (let rounds = 0; rounds < 400 && (world.queues.get('b')?.length ?? 0) > 0; rounds++) {
    arrive(world, 'a', 2)
    step(world)
    world.nowMs += 1000
    if (world.pending.length > 0) finish(world, world.pending[0]!)
  }
  assert.equal(world.queues.get('b')!.length, 0)
  assert.ok(world.nowMs < 120_000, `b ran after ${world.nowMs} ms`)
})

test('loads ahead what blocked items will need', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  arrive(world, 'a', 4)
  block(world, 'b', [{ modelId: 'a', count: 4 }])
  assert.deepEqual(words(step(world)), ['load b', 'run a'])
})

test('keeps room for the batches of a model whose items need memory', () => {
  const hungry = { id: 'hungry', vram: '4GB', batch: { max: 4, activation: '1GB' } }
  const world = createWorld([hungry, three[1]!], [{ id: 'gpu', gb: 8 }])
  resident(world, 'hungry')
  arrive(world, 'b', 1)
  assert.deepEqual(
    words(step(world)),
    ['stop hungry for b', 'load b'],
    '4 + 4 GB fit, a batch of hungry would not',
  )
})

test('on a device of two slots what leaves needs no room for its batches', () => {
  const models = [
    { id: 'small', vram: '2GB' },
    { id: 'whole', vram: '9GB', batch: { max: 2, activation: '1GB' } },
  ]
  const world = createWorld(models, [{ id: 'gpu', gb: 10, slots: 2 }])
  resident(world, 'small')
  arrive(world, 'whole', 1)
  assert.deepEqual(words(settle(world)), ['stop small for whole', 'load whole', 'run whole'])
})

test('shrinks a batch to the memory there is', () => {
  const world = createWorld(
    [{ id: 'a', vram: '4GB', batch: { max: 8, activation: '1GB' } }],
    [{ id: 'gpu', gb: 7 }],
  )
  resident(world, 'a')
  arrive(world, 'a', 8)
  const [run] = step(world)
  assert.ok(run!.type === 'run-batch' && run!.maxCount === 3 && run!.bytes === 3e9)
})

test('loads a second copy on an idle device when the queue is longer than the load', () => {
  const world = createWorld(three, [
    { id: 'gpu0', gb: 4 },
    { id: 'gpu1', gb: 4 },
  ])
  resident(world, 'a')
  arrive(world, 'a', 400)
  assert.deepEqual(words(step(world)), ['run a', 'load a'])
})

test('quarantines memory that does not come back, and goes on when it does', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 4 }])
  resident(world, 'a')
  arrive(world, 'b', 1)
  const [stop] = step(world)
  world.nowMs += 6000
  assert.deepEqual(words(step(world)), ['quarantine a'])
  assert.equal(world.state.devices[0]!.ledger.quarantinedBytes, 4e9)
  assert.deepEqual(step(world), [])
  finish(world, stop!)
  assert.deepEqual(words(step(world)), ['load b'])
})

test('leaves a device to others while quarantined memory keeps a model out', () => {
  const whole = { id: 'whole', vram: '8GB', loadMs: 1000 }
  const world = createWorld([...three, whole], [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  arrive(world, 'whole', 100)
  assert.deepEqual(words(step(world)), ['stop a for whole'])
  world.nowMs += 6000
  assert.deepEqual(words(step(world)), ['quarantine a'])
  arrive(world, 'b', 1)
  assert.deepEqual(words(step(world)), ['load b'])
})

/** Another process takes memory of the first device. */
function takeForeign(world: World, foreignBytes: number): void {
  const { id: deviceId, capacityBytes } = world.state.devices[0]!
  const reading = { deviceId, capacityBytes, foreignBytes, bytesByInstance: {} }
  report(world, { type: 'memory-observed', atMs: world.nowMs, ...reading })
}

const needsRoom = { id: 'roomy', vram: '4GB', loadMs: 1000, batch: { max: 2, activation: '1GB' } }

test('stops an idle model when another process has taken the room of the batches of one with work', () => {
  const world = createWorld([...three, needsRoom], [{ id: 'gpu', gb: 9 }])
  resident(world, 'a', 'roomy')
  takeForeign(world, 1e9)
  arrive(world, 'roomy', 1)
  assert.deepEqual(words(settle(world)), ['stop a for roomy', 'run roomy'])
})

test('moves a model whose batches have no room left on its device, also without it', () => {
  const world = createWorld(
    [needsRoom],
    [
      { id: 'gpu', gb: 6 },
      { id: 'other', gb: 5 },
    ],
  )
  resident(world, 'roomy')
  takeForeign(world, 2e9)
  arrive(world, 'roomy', 1)
  assert.deepEqual(words(settle(world)), ['stop roomy for null', 'load roomy', 'run roomy'])
})

test('what a batch held stays booked when its worker dies, until the device shows it back', () => {
  const world = createWorld([needsRoom], [{ id: 'gpu', gb: 6 }])
  resident(world, 'roomy')
  arrive(world, 'roomy', 2)
  const [run] = step(world)
  assert.ok(run?.type === 'run-batch')
  const { instanceId } = run
  report(world, { type: 'instance-failed', atMs: world.nowMs, instanceId, message: 'died' })
  finish(world, run)
  const { ledger } = world.state.devices[0]!
  assert.equal(ledger.releasingBytes, 6e9)
  report(world, { type: 'memory-released', atMs: world.nowMs, instanceId })
  assert.equal(bookedBytes(ledger), 0)
})

test('pauses after a failed load, and fails the queue after the third', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 4 }])
  arrive(world, 'a', 2)
  const told: string[] = []
  for (let failures = 0; failures < 3; failures++) {
    const [load] = step(world)
    told.push(...words([load!]))
    assert.ok(load?.type === 'start-load')
    report(world, {
      type: 'load-failed',
      atMs: world.nowMs,
      instanceId: load.instanceId,
      message: 'no such file',
    })
    report(world, { type: 'memory-released', atMs: world.nowMs, instanceId: load.instanceId })
    world.nowMs += 10_000 * 2 ** failures - 1
    if (failures < 2) assert.deepEqual(step(world), [], 'still pausing')
    world.nowMs += 1
  }
  assert.deepEqual([...told, ...words(step(world))], ['load a', 'load a', 'load a', 'fail-queue a'])
})

test('runs models of size 0 beside a full device, as many batches as their concurrency', () => {
  const cpu = { id: 'cut', vram: 0, concurrency: 2, batch: { max: 1 } }
  const world = createWorld([three[0]!, cpu], [{ id: 'gpu', gb: 4 }])
  resident(world, 'a')
  arrive(world, 'a', 1)
  arrive(world, 'cut', 3)
  const [load, ...rest] = step(world)
  finish(world, load!)
  assert.deepEqual(words([load!, ...rest, ...step(world)]), ['load cut', 'run a', 'run cut', 'run cut'])
})

test('starts nothing new while draining', () => {
  const world = createWorld(three, [{ id: 'gpu', gb: 8 }])
  resident(world, 'a')
  report(world, { type: 'drain-started', atMs: world.nowMs })
  arrive(world, 'a', 4)
  assert.deepEqual(step(world), [])
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
        const world = createWorld(models, devices, { maxLoadFailures: 1000 })
        for (const each of actions) act(world, each)
        world.nowMs += 1e6 // every cool-down ends
        settle(world)
        world.nowMs += 1e6
        settle(world)
        assert.deepEqual([...world.queues.values()].flat(), [])
        assert.deepEqual(brokenInvariants(world.state), [])
      },
    ),
    { numRuns: 300 },
  )
})

type Action = { type: string; model?: number; count?: number; priority?: number; index?: number; ms?: number }

function act(world: World, { type, model = 0, count = 1, priority = 0, index = 0, ms = 0 }: Action): void {
  step(world)
  const command = world.pending[index % Math.max(1, world.pending.length)]
  if (type === 'arrive') arrive(world, ['a', 'b', 'c'][model]!, count, priority)
  else if (type === 'wait') world.nowMs += ms
  else if (command && type === 'fail' && command.type === 'start-load') {
    world.pending.splice(world.pending.indexOf(command), 1)
    const { instanceId } = command
    report(world, { type: 'load-failed', atMs: world.nowMs, instanceId, message: 'broken' })
    report(world, { type: 'memory-released', atMs: world.nowMs, instanceId })
  } else if (command) {
    finish(world, command)
    if (type === 'doubled') {
      world.pending.push(command)
      finish(world, command)
    }
  }
}
