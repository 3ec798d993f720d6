// What each tenant had of a simulated run, on workloads that can be reckoned by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { workItem } from '../../test/policy/workloads.ts'
import { defineModel } from '../core/model.ts'
import { tenantRows } from './report.ts'
import { simulate } from './simulate.ts'

const batch = { overheadMs: 0, perItemMs: 1000, max: 2 }
const models = [
  defineModel({ id: 'a', vram: '5GB', loadMs: 1000, unloadMs: 0, batch }),
  defineModel({ id: 'b', vram: '5GB', loadMs: 1000, unloadMs: 0, batch }),
  defineModel({ id: 'cpu', vram: 0, loadMs: 0, batch }),
]
const devices = [{ id: 'gpu', kind: 'simulated', capacityBytes: 8e9, safetyRatio: 1 }]

function run(items: readonly ReturnType<typeof workItem>[]) {
  return simulate({ workload: { models, items }, devices })
}

test('splits batches and loads between the tenants whose items are in them, or wait for them', () => {
  // One load, then two batches, each with an item of ann and one of bob.
  const items = ['ann', 'bob'].flatMap((tenant) =>
    [1, 2].map((number) => workItem(`${tenant}${number}`, 'a', 0, { tenant })),
  )
  const half = {
    items: 2,
    completed: 2,
    waitMs: { mean: 2000, p99: 3000 },
    turnaroundMs: { mean: 4000 },
    deviceRatio: 0.5,
    loads: 0.5,
  }
  assert.deepEqual(run(items).byTenant, { ann: half, bob: half })
})

test('charges each for what it caused: three quarters of the compute, a load of its own, no time of the CPU', () => {
  const result = run([
    ...[1, 2, 3].map((number) => workItem(`ann${number}`, 'a', 0, { tenant: 'ann', job: 'all' })),
    workItem('bob1', 'b', 0, { tenant: 'bob' }),
    workItem('x1', 'cpu', 0),
  ])
  const { '': nobody, ann, bob } = result.byTenant!
  assert.deepEqual([ann!.items, ann!.deviceRatio, ann!.loads], [3, 0.75, 1])
  assert.deepEqual([bob!.items, bob!.deviceRatio, bob!.loads], [1, 0.25, 1])
  assert.deepEqual([nobody!.items, nobody!.completed, nobody!.deviceRatio, nobody!.loads], [1, 1, 0, 0])
  assert.equal(result.loads, 2)
  assert.ok(ann!.turnaroundMs.mean >= 4000, 'from the first arrival of the job to its last finish')
})

test('says nothing of tenants where there is one, or none is named', () => {
  for (const tenant of ['ann', null]) {
    const result = run([workItem('a1', 'a', 0, { tenant }), workItem('a2', 'a', 0, { tenant })])
    assert.equal('byTenant' in result, false)
    assert.deepEqual(tenantRows(result), [])
  }
})
