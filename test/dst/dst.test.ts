// The daemon in a simulated world: the seeds that found a bug, by name, three hundred fixed ones and one of this commit.
// README.md beside it says what is simulated and checked. A failure prints the command that repeats it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { scenarios } from './scenarios.ts'
import { commandOf, simulateAll, simulateTwice, type Task } from './seeds.ts'
import { simulate } from './simulation.ts'
import { drawSettings } from './world.ts'

const fixedCount = 300

for (const [name, { seed, showed }] of Object.entries(scenarios)) {
  test(`${name}: ${showed}`, async () => {
    const task = { seed, scenario: name }
    const { violation } = await simulateTwice(task)
    assert.equal(violation, null, `${violation}\n${commandOf(task)}`)
  })
}

test(`nothing goes wrong in ${fixedCount} fixed seeds and that of this commit`, async (t) => {
  const seeds = [...Array.from({ length: fixedCount }, (_, index) => index + 1), commitSeed()]
  const { violations, lineCount, faults, lifeCount } = await simulateAll(
    seeds.map((seed): Task => ({ seed })),
  )
  t.diagnostic(
    `seed of the commit ${seeds.at(-1)}, ${lineCount} events, ${lifeCount} starts, ${faults.kill} kills`,
  )
  const [first] = violations
  assert.ok(!first, `${first?.violation}\n${first && commandOf(first)}`)
})

test('the same seed gives the same log, another seed another one', async () => {
  const digests = []
  for (const seed of [7, 7, 8]) digests.push((await simulate(seed, drawSettings(seed))).digest)
  assert.equal(digests[0], digests[1])
  assert.notEqual(digests[0], digests[2])
})

/** Where there is no git: 0. */
function commitSeed(): number {
  try {
    const hash = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' })
    return Number.parseInt(hash.slice(0, 7), 16)
  } catch {
    return 0
  }
}
