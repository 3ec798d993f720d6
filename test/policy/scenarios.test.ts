import assert from 'node:assert/strict'
import { test } from 'node:test'
import { baselines } from '../../src/sim/baselines/index.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../../src/sim/simulate.ts'
import { fuzzScenario, tinyScenario } from './scenarios.ts'

test('the same seed makes the same scenario, another seed another', () => {
  for (const make of [fuzzScenario, (seed: number) => tinyScenario(seed, true)]) {
    assert.deepEqual(make(7), make(7))
    assert.notDeepEqual(make(7).workload, make(8).workload)
  }
})

/** Ends at the seed's command that goes beyond any reason; a run that goes round in circles would not. */
function limited({ name, create }: SimulatedPolicy, mostCommands: number): SimulatedPolicy {
  return {
    name,
    create(backlog, models) {
      const decide = create(backlog, models)
      let left = mostCommands
      return (state, nowMs) => {
        const decision = decide(state, nowMs)
        if (decision.command && left-- === 0) throw new Error('more commands than the work can need')
        return decision
      }
    },
  }
}

test('random scenarios are done by every policy, within the line and above the bounds', () => {
  let logSum = 0
  const seeds = Array.from({ length: 16 }, (_, index) => 5000 + index)
  for (const seed of seeds) {
    const { name, workload, devices } = fuzzScenario(seed)
    const meansMs = [plimsollPolicy, ...baselines].flatMap((simulated) => {
      if (simulated.name === 'triton') return [] // static residency needs room for all
      const mostCommands = 30 * workload.items.length
      const result = simulate({ workload, devices, simulated: limited(simulated, mostCommands) })
      const say = `${name}: ${simulated.name}; node bench/fuzz.bench.ts --from ${seed} --count 1`
      assert.deepEqual([result.completed, result.violations], [workload.items.length, 0], say)
      assert.ok(result.makespanMs >= result.bound.makespanMs - 0.01, say)
      return [result.turnaroundMs.mean]
    })
    logSum += Math.log(meansMs[0]! / Math.min(...meansMs.slice(1)))
  }
  const ratio = Math.exp(logSum / seeds.length)
  assert.ok(ratio < 1.05, `ours is ${ratio} × the best of the others with hindsight, in the mean`)
})
