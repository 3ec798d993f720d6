// The daemon in a simulated world: the seeds that found a bug, by name, three hundred
// fixed ones and one of this commit. README.md beside it says what is simulated and
// checked. A failure prints the command that repeats it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { defineModel } from '../../src/core/model.ts'
import { defaultPolicy } from '../../src/core/policy.ts'
import { apply } from '../../src/core/state/apply.ts'
import type { Command } from '../../src/core/state/events.ts'
import { createState } from '../../src/core/state/state.ts'
import { plainOrder } from '../../src/core/work/queue-head.ts'
import { LivenessChecks } from './checks/liveness.ts'
import { changedFiles, mutants } from './mutants/mutant.ts'
import { writtenRows } from './mutants/table.ts'
import { scenarios } from './scenarios.ts'
import { commandOf, simulateAll, simulateTwice, type Task } from './seeds.ts'
import { simulate } from './simulation.ts'
import { Context } from './world/context.ts'
import { noFaults } from './world/faults.ts'
import { drawSettings } from './world/world.ts'

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

test('a model that is ready and fits, while another one runs all the time, has a bound', () => {
  const context = new Context(1, { ...drawSettings(1), faults: noFaults }, null)
  const models = ['waits', 'runs'].map((id) => defineModel({ id, vram: 1 }))
  const state = createState(models, [{ id: 'gpu', kind: 'host', capacityBytes: 10 }], defaultPolicy)
  const instanceId = 'runs-1'
  const names = { instanceId, modelId: 'runs', deviceId: 'gpu' }
  const reason = { rule: 'load-best', figures: {} } as const
  const issue = (command: Command) => apply(state, { type: 'command-issued', atMs: 0, command })
  issue({ type: 'start-load', ...names, bytes: 1, reason })
  apply(state, { type: 'load-finished', atMs: 0, instanceId, loadMs: 1, residentBytes: 1, maxBatch: 1 })
  const order = { ...plainOrder, interactiveFrom: 8 }
  issue({ type: 'run-batch', batchId: 'batch-1', ...names, maxCount: 1, order, bytes: 0, reason })
  const liveness = new LivenessChecks(context)
  const waitMs = (ms: number) => {
    context.agenda.after(ms, () => {})
    context.agenda.next()
    const { nowMs } = context.agenda
    const readyByModel = new Map([['waits', 1]])
    const situation = { state, nowMs, isWorking: true, pendingCount: 0, readyByModel, canMoveCount: 1 }
    liveness.afterMoment({ ...situation, neededBytes: () => 1 })
    return context.violation
  }
  assert.equal(waitMs(defaultPolicy.maxWait), null)
  assert.match(waitMs(defaultPolicy.maxWait) ?? '', /waits has been ready and would fit/)
})

test('every mutant finds the text that it changes, once, and has its row in README.md', () => {
  for (const [name, changes] of Object.entries(mutants))
    assert.doesNotThrow(() => changedFiles(changes), `the mutant "${name}"`)
  const rows = writtenRows()
  const missing = Object.keys(mutants).filter((name) => !rows.has(name))
  const left = [...rows.keys()].filter((name) => !mutants[name])
  assert.deepEqual(
    { missing, left },
    { missing: [], left: [] },
    'node test/dst/mutants.ts --write NAME mends it',
  )
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
