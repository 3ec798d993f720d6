import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cards, rotation, videosAtOnce, workItem } from '../../test/policy/workloads.ts'
import { defineModel } from '../core/model.ts'
import { parsePolicy } from '../core/policy.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import { baselines } from './baselines/index.ts'
import type { SimulationResult } from './report.ts'
import { plimsollPolicy, simulate } from './simulate.ts'
import type { Workload } from './workload.ts'

const named = (name: string) => baselines.find((each) => each.name === name)!

/** Makespan s, loads, mean turnaround s, mean wait s of policies S, F and LS of the lab's own simulator. */
const lab: [string, Workload, number, Record<string, [number, number, number, number]>][] = [
  [
    'W1, 10 videos on 8 GB',
    videosAtOnce(10),
    7.2,
    {
      seed: [65.138, 5, 63.698, 26.239],
      fifo: [291.4, 41, 289.96, 138.714],
      'llama-swap': [78.738, 7, 77.298, 28.97],
    },
  ],
  [
    'W6, a rotation of five models where four fit',
    rotation(),
    14.4,
    {
      fifo: [11799.7, 2000, 3903.65, 3903.05],
      'llama-swap': [4023.7, 560, 20.187, 18.261],
      seed: [4026.2, 559, 18.974, 17.15],
    },
  ],
]

for (const [name, workload, gb, figures] of lab) {
  test(`${name}: the baselines meet the lab's figures within 0.5 %`, () => {
    for (const [policy, expected] of Object.entries(figures)) {
      const result = simulate({ workload, devices: cards(gb), simulated: named(policy) })
      const { makespanMs, loads, turnaroundMs, waitMs } = result
      const actual = [makespanMs / 1000, loads, turnaroundMs.mean / 1000, waitMs.mean / 1000]
      for (const [index, each] of expected.entries())
        assert.ok(Math.abs(actual[index]! / each - 1) < 0.005, `${policy}: ${actual} instead of ${expected}`)
    }
  })
}

test('every policy does all work within the line, and no schedule beats the bounds', () => {
  for (const gb of [[7.2], [14.4], [7.2, 7.2]]) {
    for (const simulated of [plimsollPolicy, ...baselines]) {
      const workload = videosAtOnce(12)
      if (simulated.name === 'triton' && gb[0] === 7.2) continue // the set does not fit
      const result = simulate({ workload, devices: cards(...gb), simulated })
      assert.equal(result.completed, 60, simulated.name)
      assert.equal(result.violations, 0, simulated.name)
      assert.ok(result.peakBytes <= gb[0]! * 1e9)
      assert.ok(
        result.makespanMs >= result.bound.makespanMs && result.loads >= result.bound.loads,
        simulated.name,
      )
    }
  }
})

test('loads each model once where all fit, and meets the bound', () => {
  const { loads, evictions, makespanMs, bound } = simulate({
    workload: videosAtOnce(500),
    devices: cards(14.4),
  })
  assert.deepEqual([loads, evictions], [5, 0])
  assert.ok(makespanMs <= 1.001 * bound.makespanMs)
})

test('the same seed gives the same run, event by event; another seed another', () => {
  const run = (seed: number): [SimulationResult, string] => {
    const events: SchedulerEvent[] = []
    const onEvent = (event: SchedulerEvent) => events.push(structuredClone(event))
    const result = simulate({ workload: videosAtOnce(20), devices: cards(7.2), seed, sigma: 0.4, onEvent })
    return [result, JSON.stringify(events)]
  }
  assert.deepEqual(run(3), run(3))
  assert.notEqual(run(3)[1], run(4)[1])
})

test('one memory lane: two unloads and a load take the sum of their times, beside the compute of what stays', () => {
  const small = (id: string) =>
    defineModel({ id, vram: '2GB', loadMs: 1000, unloadMs: 500, batch: { perItemMs: 100, overheadMs: 0 } })
  const large = defineModel({
    id: 'large',
    vram: '4GB',
    loadMs: 3000,
    batch: { perItemMs: 100, overheadMs: 0 },
  })
  const stays = defineModel({
    id: 'stays',
    vram: '1GB',
    loadMs: 1000,
    batch: { perItemMs: 100, overheadMs: 0, max: 1 },
  })
  const items = [workItem('1', 'a', 0), workItem('2', 'b', 0), workItem('3', 'stays', 0)]
  items.push(workItem('4', 'large', 100_000), workItem('5', 'stays', 100_050))
  const { waitMs, evictions } = simulate({
    workload: { models: [small('a'), small('b'), large, stays], items },
    devices: cards(5),
  })
  assert.equal(evictions, 2)
  assert.equal(waitMs.max, 500 + 500 + 3000)
})

test('counts interactive items apart, deadlines, and items that arrive before what they wait for', () => {
  const model = defineModel({
    id: 'm',
    vram: '1GB',
    loadMs: 1000,
    batch: { perItemMs: 1000, overheadMs: 0, max: 1 },
  })
  const items = [
    workItem('late', 'm', 0, { after: ['early'], deadlineMs: 7000 }),
    workItem('early', 'm', 5000, { priority: 9, deadlineMs: 6500 }),
  ]
  const result = simulate({ workload: { models: [model], items }, devices: cards(2) })
  assert.equal(result.completed, 2)
  assert.deepEqual(result.deadlines, { met: 0, missed: 2 })
  assert.equal(result.waitByPriority['9']!.count, 1)
})

test('refuses a model that no device can hold, with the numbers', () => {
  assert.throws(
    () => simulate({ workload: videosAtOnce(1), devices: cards(4) }),
    /"whisper" needs 4.5 GB; .* 4 GB/,
  )
})

test('static residency is refused where the set does not fit', () => {
  assert.throws(
    () => simulate({ workload: videosAtOnce(1), devices: cards(7.2), simulated: named('triton') }),
    /needs 14 GB for all models at once/,
  )
})

/** 300 items of each of two tenants at once, of one model or of two: items of each in the first `untilMs`. */
function sharesOfFloods(ofTwoModels: boolean, gb: number, weight: number): Record<string, number> {
  const models = ['a', 'b'].map((id) =>
    defineModel({ id, vram: '4GB', loadMs: 5000, batch: { max: 8, overheadMs: 100, perItemMs: 500 } }),
  )
  const items = ['ann', 'bob'].flatMap((tenant) =>
    Array.from({ length: 300 }, (_, index) =>
      workItem(`${tenant}${index}`, ofTwoModels && tenant === 'bob' ? 'b' : 'a', 0, { tenant }),
    ),
  )
  const counts: Record<string, number> = {}
  const onEvent = (event: SchedulerEvent) => {
    if (event.type !== 'batch-claimed' || event.atMs > 100_000) return
    for (const [tenant, count] of Object.entries(event.countByTenant ?? {}))
      counts[tenant] = (counts[tenant] ?? 0) + count
  }
  simulate({
    workload: { models, items },
    devices: cards(gb),
    policy: parsePolicy({ tenants: { bob: weight } }),
    onEvent,
  })
  return counts
}

test('tenants that flood the same model share it by their weights, to the item', () => {
  const even = sharesOfFloods(false, 14, 1)
  assert.ok(Math.abs(even.ann! - even.bob!) <= 8, JSON.stringify(even))
  const threefold = sharesOfFloods(false, 14, 3)
  assert.ok(Math.abs(threefold.bob! / threefold.ann! - 3) < 0.3, JSON.stringify(threefold))
})

test('tenants of two models share the device, and within a few visits also where only one model fits', () => {
  const even = sharesOfFloods(true, 14, 1)
  assert.ok(Math.abs(even.ann! - even.bob!) <= 8, JSON.stringify(even))
  const threefold = sharesOfFloods(true, 14, 3)
  assert.ok(Math.abs(threefold.bob! / threefold.ann! - 3) < 0.5, JSON.stringify(threefold))
  const taking = sharesOfFloods(true, 5, 1)
  assert.ok(taking.ann! / taking.bob! < 2 && taking.bob! / taking.ann! < 2, JSON.stringify(taking))
})
