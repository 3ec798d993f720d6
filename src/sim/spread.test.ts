import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oracle } from '../../test/policy/oracle.ts'
import { cards, videoModels, videosAtOnce } from '../../test/policy/workloads.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import { baselines } from './baselines/index.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from './simulate.ts'
import { Draws, sigmaOf } from './spread.ts'

test('factors have mean 1 and the p99 ÷ p50 that was asked for', () => {
  for (const ratio of [2, 4]) {
    const draws = new Draws(videoModels, 5, sigmaOf(ratio))
    const factors = Array.from({ length: 40_000 }, (_, number) => draws.run('clap', number)).sort(
      (a, b) => a - b,
    )
    const mean = factors.reduce((sum, each) => sum + each, 0) / factors.length
    const spread = factors[Math.floor(0.99 * factors.length)]! / factors[factors.length / 2]!
    assert.ok(Math.abs(mean - 1) < 0.02, `mean ${mean}`)
    assert.ok(Math.abs(spread / ratio - 1) < 0.05, `p99 ÷ p50 = ${spread}`)
  }
})

/** How long the loads of a model took, in order. */
function loadTimes(simulated: SimulatedPolicy): number[] {
  const times: number[] = []
  const onEvent = (event: SchedulerEvent) => {
    if (event.type === 'load-finished' && event.instanceId.startsWith('whisper')) times.push(event.loadMs!)
  }
  simulate({
    workload: videosAtOnce(40),
    devices: cards(7.2),
    simulated,
    seed: 2,
    sigma: sigmaOf(4),
    onEvent,
  })
  return times
}

test('the k-th load of a model takes the same time under every policy', () => {
  const [first, second] = ['fifo-lru', 'llama-swap'].map((name) =>
    loadTimes(baselines.find((each) => each.name === name)!),
  )
  const count = Math.min(first!.length, second!.length)
  assert.ok(count > 2)
  assert.deepEqual(first!.slice(0, count), second!.slice(0, count))
  assert.equal(new Set(first).size, first!.length)
})

test('what the policy believes changes its choices, not how long things take', () => {
  const workload = videosAtOnce(1)
  const believed = workload.models.map((model) => ({
    ...model,
    loadMs: 1,
    batch: { ...model.batch, perItemMs: 1 },
  }))
  const { makespanMs, bound } = simulate({ workload, devices: cards(14.4), believed })
  assert.ok(makespanMs >= bound.makespanMs)
})

test('told the truth where there is no spread, the policy decides as it does anyway', () => {
  const workload = videosAtOnce(40)
  const run = (simulated: SimulatedPolicy) => {
    const { policy, ...figures } = simulate({
      workload,
      devices: cards(7.2),
      simulated,
      believed: structuredClone([...workload.models]),
    })
    return figures
  }
  assert.deepEqual(run(oracle(workload.models, new Draws(workload.models, 1, 0))), run(plimsollPolicy))
})

test('stale estimates cost at most a tenth of the turnaround where loads and batches spread by p99 ÷ p50 of 4', () => {
  const workload = videosAtOnce(60)
  const sigma = sigmaOf(4)
  let logSum = 0
  const seeds = [1, 2, 3, 4]
  for (const seed of seeds) {
    const [stale, known] = [
      plimsollPolicy,
      oracle(workload.models, new Draws(workload.models, seed, sigma)),
    ].map((simulated) => {
      const believed = structuredClone([...workload.models])
      return simulate({ workload, devices: cards(7.2), simulated, seed, sigma, believed })
    })
    assert.equal(stale!.violations + known!.violations, 0)
    logSum += Math.log(stale!.turnaroundMs.mean / known!.turnaroundMs.mean)
  }
  const ratio = Math.exp(logSum / seeds.length)
  assert.ok(ratio <= 1.1, `${ratio} × the turnaround with the truth`)
})
