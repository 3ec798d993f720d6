// That a restored state decides as the lost one did is held over random worlds by
// test/dst/checks/snapshots.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../../../test/support/world.ts'
import { decide } from '../decide/decide.ts'
import { apply } from './apply.ts'
import { restoreState, type Snapshot, snapshotOf } from './snapshot.ts'

function written(snapshot: Snapshot): Snapshot {
  return JSON.parse(JSON.stringify(snapshot))
}

/** A batch runs on `a`, which has ended meanwhile; `b` waits for its room; `c` needs no device. */
function busyWorld() {
  const models = ['a', 'b'].map((id) => ({ id, vram: '6GB' }))
  const world = new World([...models, { id: 'c', vram: 0 }], [{ id: 'gpu', gb: 8 }])
  world.arrive('a', 3)
  const [load] = world.step()
  assert.ok(load?.type === 'start-load')
  const { instanceId } = load
  world.report({
    ...{ type: 'load-finished', atMs: 1, instanceId },
    ...{ loadMs: 900, residentBytes: null, maxBatch: null },
  })
  world.step()
  for (const modelId of ['b', 'c']) world.arrive(modelId, 2)
  world.step()
  world.report({ type: 'instance-failed', atMs: 2, instanceId, message: 'gone' })
  world.report({ type: 'memory-released', atMs: 3, instanceId })
  return world
}

test('a state that was written down and restored is the same, and decides the same', () => {
  const { state } = busyWorld()
  assert.equal(state.batchById.size, 1, 'a batch whose instance is gone')
  const restored = restoreState(written(snapshotOf(state)))!
  assert.deepEqual(snapshotOf(restored), snapshotOf(state))
  assert.equal(restored.deviceById.get('cpu')!.slots, Number.POSITIVE_INFINITY)
  assert.deepEqual(decide(restored, 10), decide(state, 10))
  const [batchId] = state.batchById.keys()
  const end = {
    type: 'batch-finished',
    atMs: 11,
    batchId: batchId!,
    failedCount: 0,
    runMs: 5,
    peakBytes: null,
  } as const
  for (const each of [state, restored]) apply(each, end)
  assert.deepEqual(snapshotOf(restored), snapshotOf(state))
})

test('a snapshot does not change with the state', () => {
  const world = busyWorld()
  const snapshot = snapshotOf(world.state)
  const before = written(snapshot)
  world.arrive('a', 5)
  assert.deepEqual(written(snapshot), before)
})

test('a field that a snapshot does not have yet has its first value; another version is not read', () => {
  const snapshot = written(snapshotOf(busyWorld().state))
  for (const model of snapshot.models) Reflect.deleteProperty(model, 'loadFailureCount')
  assert.equal(restoreState(snapshot)!.models[0]!.loadFailureCount, 0)
  assert.equal(restoreState({ ...snapshot, version: 2 }), null)
})
