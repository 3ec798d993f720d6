import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { convertArena27 } from '../../bench/convert/arena27.ts'
import { toWorkload } from '../../bench/convert/trace.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../../src/sim/simulate.ts'
import type { Workload } from '../../src/sim/workload.ts'
import { cyclic, type Service } from './cyclic.ts'
import { type Eviction, fixedOrder } from './fixed-order.ts'
import {
  farthestMissRatio,
  pollingCases,
  pollingLaw,
  pollingWorkload,
  rotationWorkload,
  weightedWaitS,
} from './laws.ts'
import { cards } from './workloads.ts'

/** Exhaustive and gated, as the table of the law has them, rounded. */
const table = [
  [9.075, 14.325],
  [12.49, 16.41],
]

for (const [index, queues] of pollingCases.entries()) {
  for (const [column, service] of (['exhaustive', 'gated'] as Service[]).entries()) {
    test(`the waits of a cyclic ${service} server meet the polling law within 2 %, case ${index + 1}`, () => {
      const lawS = pollingLaw(queues, service)
      assert.equal(lawS.toFixed(3), table[index]![column]!.toFixed(3))
      const workload = pollingWorkload(queues, 40_000, 3)
      const result = simulate({ workload, devices: cards(1), simulated: cyclic(service) })
      assert.equal(result.completed, 40_000)
      assert.ok(Math.abs(weightedWaitS(queues, result) / lawS - 1) < 0.02)
    })
  }
}

/** Loads of the second half of a rotation of which five fit, per item. */
function missRatio(count: number, policyFor: (workload: Workload) => SimulatedPolicy, settings = {}): number {
  const [once, twice] = [1, 2].map((times) => {
    const workload = rotationWorkload(count, times * 10 * (count - 1), 'chained')
    const policy = parsePolicy(settings)
    return simulate({ workload, devices: cards(5), simulated: policyFor(workload), policy })
  })
  return (twice!.loads - once!.loads) / (twice!.items - once!.items)
}

test('the LRU cliff is exact: no miss up to five models in turn, nothing but misses from six on', () => {
  for (const count of [4, 5, 6, 8, 16])
    assert.equal(
      missRatio(count, ({ items }) => fixedOrder('lru', items)),
      count <= 5 ? 0 : 1,
      `${count} models`,
    )
})

test('giving up the model needed latest misses (n − 5) ÷ (n − 1) of a rotation of n', () => {
  for (const count of [4, 5, 6, 7, 8, 16]) {
    const ratio = missRatio(count, ({ items }) => fixedOrder('farthest', items))
    assert.equal(ratio.toFixed(9), farthestMissRatio(count, 5).toFixed(9), `${count} models`)
  }
})

test('our victims are those of the farthest next use where the graph tells the rotation and nothing is loaded ahead', () => {
  for (const count of [5, 6, 10, 12]) {
    const ratio = missRatio(count, () => plimsollPolicy, { prefetchGain: 1000 })
    assert.equal(ratio.toFixed(9), farthestMissRatio(count, 5).toFixed(9), `${count} models`)
  }
})

const shared = process.env.PLIMSOLL_SHARED ?? join(import.meta.dirname, '../../../shared')
const arena = join(shared, 'traces/arena27')
const arenaLoads: [Eviction, number][] = [
  ['lru', 814],
  ['lfu', 714],
  ['gds', 795],
  ['gdsf', 667],
  ['farthest', 569],
]

test('arena27 in the order of arrival is loaded exactly as often as independent counts say', {
  skip: existsSync(arena) ? false : `${arena} is not there`,
}, () => {
  const workload = toWorkload(convertArena27(arena, false))
  for (const [eviction, expected] of arenaLoads) {
    const simulated = fixedOrder(eviction, workload.items)
    const { loads, completed } = simulate({ workload, devices: cards(13.4), simulated })
    assert.deepEqual([loads, completed], [expected, 1500], eviction)
  }
})
