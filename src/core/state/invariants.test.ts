// Each invariant can fail: a state in which all hold is broken in one place at a time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { model, World } from '../../../test/support/world.ts'
import { brokenInvariants } from './invariants.ts'
import type { Batch, DeviceState, InstanceState, ModelState, State } from './state.ts'

interface Parts {
  state: State
  device: DeviceState
  each: ModelState
  instance: InstanceState
  batch: Batch
}

/** One model is loaded and runs a batch of one item. */
function running(): Parts {
  const world = new World([model('a', '2GB', { batch: { activation: '1GB' } })], [{ id: 'gpu', gb: 8 }])
  world.arrive('a', 1)
  world.finish(world.step()[0]!)
  world.step()
  const { state } = world
  const each = world.model('a')
  return {
    state,
    device: world.device,
    each,
    instance: each.instances[0]!,
    batch: [...state.batchById.values()][0]!,
  }
}

const breaks: [sentences: string[], damage: (parts: Parts) => void][] = [
  [[], () => {}],
  [
    [
      'gpu: reservedBytes (-1) is a whole number, zero or more',
      'gpu: reserved bytes are those of the load in flight',
    ],
    ({ device }) => {
      device.ledger.reservedBytes = -1
    },
  ],
  [
    [
      'gpu: residentBytes (2000000000.5) is a whole number, zero or more',
      'gpu: resident bytes are those of the ready instances',
    ],
    ({ device }) => {
      device.ledger.residentBytes += 0.5
    },
  ],
  [
    ['gpu: resident bytes are those of the ready instances'],
    ({ instance }) => {
      instance.bytes -= 1
    },
  ],
  [
    ['gpu: releasing bytes are those of stopping instances'],
    ({ device }) => {
      device.ledger.releasingBytes = 5
    },
  ],
  [
    ['gpu: quarantined bytes have an instance'],
    ({ device }) => {
      device.ledger.quarantinedBytes = 5
    },
  ],
  [
    ['gpu: active bytes are those of running batches'],
    ({ device }) => {
      device.ledger.activeBytes += 1
    },
  ],
  [
    ['gpu: active bytes are those of running batches', 'gpu: running batches are counted'],
    ({ state, batch }) => {
      state.batchById.delete(batch.id)
    },
  ],
  [
    ['gpu: booked 3000000000 is at most the line 2999999999'],
    ({ device }) => {
      device.budgetBytes = 0
      device.capacityBytes = 2_999_999_999
    },
  ],
  [
    ['gpu: the deficit (7) is that of its instances'],
    ({ device }) => {
      device.deficitBytes = 7
    },
  ],
  [
    ['gpu: running batches are counted', 'gpu: at most 1 batches run'],
    ({ device }) => {
      device.runningCount = 2
    },
  ],
  [
    ['gpu: at most one load is in flight'],
    ({ device, instance }) => {
      for (const id of ['a-8', 'a-9'])
        device.instances.push({ ...instance, id, phase: 'starting', bytes: 1, deficitBytes: 0 })
      device.ledger.reservedBytes = 2
    },
  ],
  [
    ['a: counts are zero or more'],
    ({ each }) => {
      each.readyCount = -1
    },
  ],
  [
    ['a: counts are zero or more'],
    ({ each }) => {
      each.claimingCount = -1
    },
  ],
  [
    ['a: no instance runs more than 1 batches'],
    ({ instance }) => {
      instance.runningCount = 2
    },
  ],
  [
    ['a: its instances are listed once'],
    ({ each, instance }) => {
      each.instances.push(instance)
    },
  ],
  [
    ['a: its instances are listed once'],
    ({ state, instance }) => {
      state.instanceById.delete(instance.id)
    },
  ],
]

for (const [sentences, damage] of breaks)
  test(`a state is found ${sentences.length > 0 ? `broken: ${sentences.join('; ')}` : 'whole'}`, () => {
    const parts = running()
    damage(parts)
    assert.deepEqual(brokenInvariants(parts.state), sentences)
  })
