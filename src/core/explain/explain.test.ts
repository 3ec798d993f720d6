// Why an item waits, for each reason that there is: the sentence names what is in the way, with its size.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gb, World } from '../../../test/support/world.ts'
import { type WaitingItem, whyWaiting } from './explain.ts'
import { deviceNotes, modelNotes } from './memory.ts'

const model = (id: string, vram: string | number, more = {}) => ({ id, vram, loadMs: 2000, ...more })
const gpu = { id: 'gpu', gb: 8 }

/** Why a ready item of the model waits, as one text. */
function why(world: World, modelId: string, more: Partial<WaitingItem> = {}): string {
  const item: WaitingItem = {
    modelId,
    state: 'ready',
    effectivePriority: 0,
    latestEndAtMs: null,
    readyAtMs: world.nowMs,
    error: null,
    openDependencies: [],
    ...more,
  }
  return whyWaiting(world.state, item, world.nowMs).join('\n')
}

const notes = (world: World) => [
  ...world.state.devices.flatMap((each) => deviceNotes(world.state, each, world.nowMs)),
  ...world.state.models.flatMap((each) => modelNotes(world.state, each, world.nowMs)),
]

test('names what an item waits for, up to ten of them', () => {
  const world = new World([model('a', '1GB')], [gpu])
  const open = Array.from({ length: 12 }, (_, index) => {
    const state = index === 0 ? ('leased' as const) : ('ready' as const)
    return { id: `x${index}`, modelId: 'a', state }
  })
  const text = why(world, 'a', { state: 'blocked', openDependencies: open })
  assert.match(text, /^It waits for "x0" of a, which is running\.\nIt waits for "x1" of a, which is ready\./)
  assert.match(text, /"x9" of a, which is ready\.\nAnd for 2 more\.$/)
})

test('says how many of higher priority go first, and how many are beside it', () => {
  const world = new World([model('a', '1GB')], [gpu])
  world.arrive('a', 3, 5)
  world.arrive('a', 2)
  assert.match(
    why(world, 'a'),
    /^It is ready: 3 of higher priority go before it; 2 of its priority wait for a, first come/,
  )
  assert.match(why(world, 'a', { effectivePriority: 5 }), /^It is ready: 3 of its priority wait for a/)
})

test('names the bytes that are missing and who has them, with what becomes of each', () => {
  const models = [model('a', '4GB'), model('b', '3GB'), model('c', '5GB')]
  const world = new World(models, [gpu])
  world.resident('a', 'b')
  world.arrive('a', 1)
  world.step()
  world.arrive('b', 1)
  world.arrive('c', 1)
  assert.match(
    why(world, 'c'),
    /c is not resident and needs 5 GB on gpu: 4 GB are missing\. On gpu are a 4 GB \(runs a batch; its visit has about 250 ms of compute left\), b 3 GB \(has work\)/,
  )
})

test('says that an idle model stays since it is soon done with all that is known for it', () => {
  const world = new World([model('a', '4GB'), model('b', '3GB'), model('c', '4GB')], [gpu])
  world.resident('a', 'b')
  world.arrive('a', 1)
  world.block('b', [{ modelId: 'a', count: 1 }])
  world.step()
  world.arrive('c', 1)
  assert.match(why(world, 'c'), /b 3 GB \(idle, but in about 750 ms done with all that is known for it: /)
})

test('counts the room of batches that run beside a load as missing', () => {
  const models = [model('a', '4GB', { batch: { activation: '2GB', max: 1 } }), model('b', '3GB')]
  const world = new World(models, [gpu])
  world.resident('a')
  world.arrive('a', 2)
  world.step() // a batch of it runs, in 2 GB
  world.arrive('b', 1)
  assert.match(
    why(world, 'b'),
    /needs 3 GB on gpu: 1 GB are missing\. On gpu are a 4 GB .*2 GB for running batches/,
  )
})

test('names who never goes', () => {
  const models = [model('a', '4GB', { isPinned: true }), model('b', '3GB'), model('c', '3GB')]
  const world = new World(models, [gpu])
  world.resident('a', 'c')
  world.arrive('c', 1)
  world.step()
  world.arrive('b', 1)
  assert.match(why(world, 'b'), /2 GB are missing\. On gpu are a 4 GB \(pinned: it never goes\), c 3 GB/)
})

test('counts the room of the batches of what is pinned, where that leaves too little', () => {
  const models = [
    model('a', '4GB', { batch: { activation: '2GB', max: 1 }, isPinned: true }),
    model('b', '3GB'),
  ]
  const world = new World(models, [gpu])
  world.resident('a')
  world.arrive('b', 1)
  assert.match(
    why(world, 'b'),
    /needs 5 GB on gpu, which can offer 4 GB at most: 1 GB too little, even if all that may go went\./,
  )
})

test('says that a model is being loaded, and that another one is loaded first', () => {
  const world = new World([model('a', '4GB'), model('b', '3GB')], [gpu])
  world.arrive('a', 1)
  world.arrive('b', 1, 9)
  const [load] = world.step()
  assert.equal(load!.modelId, 'b')
  world.nowMs += 300
  assert.match(why(world, 'b'), /b is being loaded on gpu, for 300 ms so far; that takes about 2 s/)
  assert.match(
    why(world, 'a'),
    /a is not resident and needs 4 GB on gpu, which loads b now: one load at a time/,
  )
})

test('says that room which is free is kept for a model that waits for more of it', () => {
  const models = [
    model('a', '5GB', { batch: { max: 1, perItemMs: 1000 } }),
    model('b', '8GB'),
    model('c', '2GB', { loadMs: 600_000 }),
  ]
  const world = new World(models, [gpu])
  world.resident('a')
  world.arrive('a', 3)
  world.step()
  world.arrive('b', 20, 2)
  world.arrive('c', 1)
  assert.deepEqual(world.step(), [])
  assert.match(why(world, 'b'), /5 GB are missing\. On gpu are a 5 GB \(runs a batch; [^)]*\)/)
  assert.match(
    why(world, 'c'),
    /c is not resident .*; the room is kept for b, which deserves the device more\./,
  )
})

test('says that a run which is being stopped starts nothing', () => {
  const world = new World([model('a', '4GB')], [gpu])
  world.arrive('a', 1)
  world.report({ type: 'drain-started', atMs: 0 })
  assert.match(why(world, 'a'), /The run is being stopped: nothing new is started\./)
})

test('names the rule by which another model is loaded before', () => {
  const world = new World([model('a', '8GB'), model('b', '8GB')], [gpu])
  world.arrive('a', 1)
  world.arrive('b', 1, 9)
  assert.match(why(world, 'a'), /on gpu; b is loaded before it: an interactive item waits for it/)
  assert.match(why(world, 'b'), /b is not resident .*; its load is next/s)
})

test('says for a resident model what runs, who runs before it, or that it is next', () => {
  const world = new World([model('a', '4GB', { batch: { max: 2 } }), model('b', '3GB')], [gpu])
  world.resident('a', 'b')
  world.arrive('a', 2)
  world.step()
  world.arrive('b', 1)
  assert.match(why(world, 'b'), /b is resident on gpu; gpu runs 2 of a; a running batch is not interrupted/)
  world.finish(world.pending[0]!)
  world.arrive('a', 1, 9)
  assert.match(why(world, 'b'), /b is resident on gpu; a runs before it: interactive items come first/)
  assert.match(why(world, 'a', { effectivePriority: 9 }), /a is resident on gpu; it is next/)
})

test('tells what waits without device memory only what its own model runs', () => {
  const world = new World([model('x', 0), model('y', 0)], [])
  world.arrive('x', 1)
  assert.match(why(world, 'x'), /x needs no device memory; its worker is started next/)
  world.resident('x', 'y')
  world.arrive('y', 8)
  world.arrive('x', 8)
  world.step()
  world.arrive('x', 1)
  assert.match(why(world, 'x'), /x is resident; cpu runs 8 of x; a running/)
})

test('says since when it waits, when it is overdue, and that it is', () => {
  const world = new World([model('a', '9GB'), model('b', '1GB')], [{ id: 'gpu', gb: 10 }])
  world.resident('b')
  world.arrive('a', 1)
  const readyAtMs = world.nowMs
  world.nowMs += 60_000
  assert.match(why(world, 'a', { readyAtMs }), /It has waited 1 min; in 4 min it is overdue and goes before/)
  world.nowMs += 241_000
  assert.match(why(world, 'a', { readyAtMs }), /It has waited 5 min 1 s and is overdue: longest wait first/)
  const latestEndAtMs = world.nowMs + 5000
  assert.match(why(world, 'a', { latestEndAtMs }), /It must have ended in 5 s/)
})

test('names the attempt that failed before a retry', () => {
  const world = new World([model('a', '1GB')], [gpu])
  const error = { code: 'RUN_FAILED', message: 'cannot read two' }
  assert.match(
    why(world, 'a', { state: 'scheduled', error }),
    /Its last attempt failed \(cannot read two\); it is tried/,
  )
})

test('names a deficit with its size and whose it is, where it keeps a model out', () => {
  const world = new World([model('a', '7GB'), model('b', '1GB')], [gpu])
  world.resident('a')
  assert.deepEqual(notes(world), [])
  world.read({ 'a-1': 8.12 * gb })
  world.arrive('a', 1)
  world.step()
  world.arrive('b', 1)
  const deficit =
    /gpu: 120 MB more are held than booked \(a-1 120 MB\); nothing new is loaded until there is room for them/
  assert.match(why(world, 'b'), deficit)
  assert.match(why(world, 'b'), /needs 1 GB on gpu: 1\.12 GB are missing/)
  assert.match(notes(world).join(), deficit)
})

test('names foreign use that has grown over what is booked', () => {
  const world = new World([model('a', '4GB'), model('b', '3GB')], [gpu])
  world.resident('a')
  world.arrive('a', 1)
  world.step()
  world.arrive('b', 1)
  world.read({ 'a-1': 4 * gb }, { foreignBytes: 5 * gb })
  const grown =
    /gpu: others hold 5 GB of 8 GB, 5 GB more than when a-1 was loaded; 1 GB more are booked than may be/
  assert.match(why(world, 'b'), grown)
  assert.match(
    why(world, 'b'),
    /4 GB are missing\. On gpu are a 4 GB \(runs a batch; [^)]*\), 5 GB of others/,
  )
  assert.match(notes(world).join(), grown)
})

test('names foreign use that leaves a resident model no room for a batch', () => {
  const world = new World([model('a', '4GB', { batch: { activation: '2GB', max: 1 } })], [gpu])
  world.resident('a')
  world.read({ 'a-1': 4 * gb }, { foreignBytes: 3 * gb })
  world.arrive('a', 1)
  const text = why(world, 'a')
  assert.match(
    text,
    /a is resident on gpu; a batch of one item needs 2 GB more, and 1 GB of that are missing/,
  )
  assert.match(text, /3 GB of others/)
})

test('names quarantined memory with its cause and since when, where it keeps a model out', () => {
  const world = new World([model('a', '7GB'), model('b', '3GB')], [gpu])
  world.resident('a')
  world.arrive('b', 1)
  const [stop] = world.step()
  assert.equal(stop!.type, 'stop-instance')
  assert.match(why(world, 'b'), /2 GB are missing\. On gpu are a 7 GB \(on their way back\)/)
  world.nowMs += 5500
  const cause = 'process 4242 (python3), which does not react to KILL'
  world.report({ type: 'release-delayed', atMs: world.nowMs, instanceId: 'a-1', cause })
  assert.match(notes(world).join(), /7 GB of a-1 are on their way back for 5\.5 s: process 4242/)
  world.step()
  world.nowMs += 6500
  const text = why(world, 'b')
  assert.match(text, /b is not resident and needs 3 GB on gpu, which can offer 1 GB at most: 2 GB too little/)
  assert.match(
    text,
    /gpu: 7 GB of a-1 have not come back for 12 s: process 4242 \(python3\), which does not react to KILL/,
  )
  assert.match(notes(world).join(), /a-1 have not come back for 12 s: process 4242/)
})

test('names a device that is not well, or was not read lately', () => {
  const world = new World([model('a', '4GB')], [gpu], { staleAfter: 2000 })
  world.read({})
  world.arrive('a', 1)
  world.nowMs += 3000
  const stale =
    /gpu was last read 3 s ago; nothing is promised on a reading older than 2 s \(policy\.staleAfter\)/
  assert.match(why(world, 'a'), stale)
  assert.match(notes(world).join(), stale)
  world.read({}, { fault: 'XID 79: it has fallen off the bus' })
  assert.match(why(world, 'a'), /gpu is not well: XID 79: it has fallen off the bus\. What is on it goes/)
  world.read({})
  assert.match(why(world, 'a'), /its load is next/)
  world.settle()
  world.arrive('a', 9)
  world.step() // a batch runs
  world.read({ 'a-1': 4 * gb }, { fault: 'it is gone' })
  assert.match(why(world, 'a'), /a is resident on gpu\.\ngpu is not well: it is gone\./)
})

test('names a model that cannot be loaded, why, and when it is tried again', () => {
  const world = new World([model('a', '4GB')], [gpu])
  world.arrive('a', 1)
  const fail = (isOutOfMemory: boolean, { isFinal } = { isFinal: false }) => {
    const [load] = world.step()
    assert.equal(load?.type, 'start-load')
    const { instanceId } = load as { instanceId: string }
    const message = isOutOfMemory ? 'CUDA out of memory' : 'no weights here'
    world.report({ type: 'load-failed', atMs: world.nowMs, instanceId, message, isOutOfMemory, isFinal })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId })
  }
  fail(true)
  assert.match(
    why(world, 'a'),
    /The last load of a ran out of memory \(CUDA out of memory\); it is tried once more/,
  )
  fail(false)
  const first =
    /a could not be loaded \(no weights here\); the next try is in 10 s, and after 3 failures its items fail/
  assert.match(why(world, 'a'), first)
  assert.match(notes(world).join(), first)
  world.nowMs += 10_000
  fail(false)
  assert.match(
    why(world, 'a'),
    /a could not be loaded \(no weights here\), 2 times in a row; the next try is in 20 s/,
  )
  world.nowMs += 20_000
  fail(false, { isFinal: true })
  assert.match(notes(world).join(), /another try would end alike, so its items fail/)
})

test('names batches that were made smaller, why, and how they grow again', () => {
  const world = new World([model('a', '4GB', { batch: { max: 8 } })], [gpu])
  world.resident('a')
  const finishBatch = (isOutOfMemory: boolean) => {
    world.arrive('a', 8)
    const run = world.step().at(-1) as { batchId: string; type: string }
    assert.equal(run.type, 'run-batch')
    const rest = { atMs: world.nowMs, failedCount: 0, runMs: 100, peakBytes: null }
    world.report({ type: 'batch-finished', batchId: run.batchId, isOutOfMemory, ...rest })
  }
  finishBatch(true)
  assert.match(
    why(world, 'a'),
    /a: batches of at most 4 on static instead of 8, since larger ones ran out of memory; one more item after every 10 in a row that go well \(0 have\)\. Whether one item is to blame/,
  )
  finishBatch(false)
  finishBatch(false)
  const text = notes(world).join()
  assert.match(text, /\(2 have\)/)
  assert.doesNotMatch(text, /to blame/, 'as many as failed together have passed')
})

test('names memory that goes missing with unloads, and an instance that holds more and more', () => {
  const world = new World([model('a', '4GB', { batch: { max: 1 } })], [gpu])
  world.resident('a')
  for (let round = 0; round < 14 && notes(world).length === 0; round++) {
    world.resident('a')
    world.read({ 'a-1': (1 + round * 0.1) * gb })
  }
  assert.match(
    notes(world).join(),
    /gpu: a-1 holds more batch after batch, 1\.8 GB by now and 1\.1 GB when it had settled/,
  )
  let instance = 'a-1'
  for (const foreignBytes of [0.1 * gb, 0.2 * gb]) {
    world.report({ type: 'instance-failed', atMs: world.nowMs, instanceId: instance, message: 'gone' })
    world.report({ type: 'memory-released', atMs: world.nowMs, instanceId: instance })
    world.read({}, { foreignBytes })
    world.resident('a')
    instance = world.state.modelById.get('a')!.instances[0]!.id
    world.read({ [instance]: gb }, { foreignBytes })
  }
  assert.match(
    notes(world).join(),
    /gpu: after each of the last 2 unloads more was in use than before the load, 200 MB in all/,
  )
})
