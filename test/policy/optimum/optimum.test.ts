import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineModel, runMs } from '../../../src/core/model.ts'
import { baselines } from '../../../src/sim/baselines/index.ts'
import { createRandom } from '../../../src/sim/random.ts'
import { plimsollPolicy, simulate } from '../../../src/sim/simulate.ts'
import type { Workload } from '../../../src/sim/workload.ts'
import { tinyScenario } from '../scenarios.ts'
import { workItem } from '../workloads.ts'
import { played, withPriorities } from './play.ts'
import type { Objective } from './problem.ts'
import { optimumOf, regretsOf } from './search.ts'

const objectives: Objective[] = ['makespan', 'completions']
const policies = [plimsollPolicy, ...baselines.filter(({ name }) => name !== 'triton')]

function tinies(count: number) {
  return Array.from({ length: count }, (_, index) => tinyScenario(1000 + index, index % 2 === 1))
}

test('the simulator plays the best schedule to the millisecond', () => {
  for (const { name, workload, devices } of tinies(40)) {
    for (const objective of objectives) {
      const { value, schedule } = optimumOf(workload, devices[0]!.capacityBytes, objective)
      const simulated = played(schedule)
      const result = simulate({ workload: withPriorities(workload, schedule), devices, simulated })
      const { makespanMs, turnaroundMs, completed, violations } = result
      assert.deepEqual([completed, violations], [workload.items.length, 0], name)
      const playedMs = objective === 'makespan' ? makespanMs : turnaroundMs.mean * completed
      assert.ok(Math.abs(playedMs - value) < 0.01, `${name}, ${objective}: ${playedMs} instead of ${value}`)
    }
  }
})

test('no policy beats the optimum, and the optimum does not beat the bounds', () => {
  for (const { name, workload, devices } of tinies(40)) {
    const [least, leastSum] = objectives.map(
      (each) => optimumOf(workload, devices[0]!.capacityBytes, each).value,
    )
    for (const simulated of policies) {
      const { makespanMs, turnaroundMs, bound, completed } = simulate({ workload, devices, simulated })
      assert.ok(makespanMs >= least! - 0.01, `${name}, ${simulated.name}`)
      assert.ok(turnaroundMs.mean * completed >= leastSum! - 0.01, `${name}, ${simulated.name}`)
      assert.ok(bound.makespanMs <= least! + 0.01, `${name}: bound ${bound.makespanMs} of ${least}`)
    }
  }
})

test('what the actions of a schedule cost adds up to its distance from the optimum; those of the best cost nothing', () => {
  for (const { name, workload, devices } of tinies(20)) {
    for (const objective of objectives) {
      const { capacityBytes } = devices[0]!
      const { value, schedule } = optimumOf(workload, capacityBytes, objective)
      assert.ok(
        regretsOf(workload, capacityBytes, objective, schedule).every((each) => each < 1e-6),
        name,
      )
      const late = schedule.map((each) => ({ ...each, startMs: each.startMs + 700, endMs: each.endMs + 700 }))
      const lost = regretsOf(workload, capacityBytes, objective, late).reduce((sum, each) => sum + each, 0)
      const lateness = objective === 'makespan' ? 700 : 700 * workload.items.length
      assert.ok(Math.abs(lost - lateness) < 1e-6, `${name}, ${objective}: ${lost} of ${value}`)
    }
  }
})

test('a search by the clock, in which anything may start in any tick, finds the same optimum', () => {
  for (let seed = 1; seed <= 25; seed++) {
    const { workload, budgetBytes } = tiniest(seed)
    for (const objective of objectives) {
      const { value } = optimumOf(workload, budgetBytes, objective)
      assert.equal(value, byTheClock(workload, budgetBytes, objective), `seed ${seed}, ${objective}`)
    }
  }
})

test('a batch waits for an item that is about to come, and a model is given up before its room is wanted', () => {
  const model = (id: string, unloadMs: number) =>
    defineModel({
      id,
      vram: '2GB',
      loadMs: 1000,
      unloadMs,
      batch: { overheadMs: 1000, perItemMs: 0, max: 2 },
    })
  const items = [workItem('1', 'a', 0), workItem('2', 'b', 3000), workItem('3', 'b', 4200)]
  const workload = { models: [model('a', 500), model('b', 0)], items }
  const { value, schedule } = optimumOf(workload, 2e9, 'makespan')
  assert.equal(value, 5200)
  assert.deepEqual(schedule.at(-1)!.items, ['2', '3'])
})

test('refuses what it cannot search or do', () => {
  const { workload } = tiniest(1)
  const many = Array.from({ length: 13 }, (_, index) => workItem(`${index}`, 'a', 0))
  assert.throws(() => optimumOf({ ...workload, items: many }, 5e9, 'makespan'), RangeError)
  assert.throws(() => optimumOf(workload, 1, 'makespan'), /larger than the device/)
})

/** Two or three models, up to four items, all times a few milliseconds. */
function tiniest(seed: number): { workload: Workload; budgetBytes: number } {
  const random = createRandom(seed)
  const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
  const models = Array.from({ length: whole(2, 3) }, (_, index) => {
    const batch = { overheadMs: whole(0, 1), perItemMs: whole(1, 2), max: whole(1, 3) }
    return defineModel({
      id: 'abc'[index]!,
      vram: whole(1, 3),
      loadMs: whole(1, 4),
      unloadMs: whole(0, 1),
      batch,
    })
  })
  const items = Array.from({ length: whole(3, 4) }, (_, index) => {
    const after = index > 0 && random() < 0.3 ? [`${whole(0, index - 1)}`] : []
    const atMs = seed % 2 === 0 || index === 0 ? 0 : whole(0, 8)
    return workItem(`${index}`, models[whole(0, models.length - 1)]!.id, atMs, { after })
  })
  return { workload: { models, items }, budgetBytes: whole(3, 5) }
}

/** What is the case in one tick. */
interface Moment {
  done: number
  /** Items of the running batch, its model, and ticks until it ends; 0: none runs. */
  running: number
  runningModel: number
  runLeft: number
  resident: number
  /** The model that is being loaded or unloaded, and ticks until it is. */
  laneModel: number
  isLoading: boolean
  laneLeft: number
}

/** What could be the case, each with its least cost. */
class Moments {
  readonly #least = new Map<string, [Moment, number]>()

  put(moment: Moment, cost: number): void {
    const key = JSON.stringify(moment)
    if (cost < (this.#least.get(key)?.[1] ?? Number.POSITIVE_INFINITY)) this.#least.set(key, [moment, cost])
  }

  all(): [Moment, number][] {
    return [...this.#least.values()]
  }
}

/** Goes forward tick by tick with everything that could be the case then, and the least cost of each. */
function byTheClock(workload: Workload, budgetBytes: number, objective: Objective): number {
  const { items } = workload
  const all = 2 ** items.length - 1
  const idle = { running: 0, runningModel: -1, runLeft: 0, laneModel: -1, isLoading: false, laneLeft: 0 }
  let moments = new Moments()
  let best = Number.POSITIVE_INFINITY
  moments.put({ done: 0, resident: 0, ...idle }, 0)
  for (let nowMs = 0; nowMs < 60; nowMs++) {
    const settled = settle(moments, (moment) => [
      ...laneStarts(workload, budgetBytes, moment),
      ...batchStarts(workload, nowMs, moment),
    ])
    moments = new Moments()
    for (const [moment, cost] of settled.all()) {
      if (moment.done === all) best = Math.min(best, objective === 'makespan' ? nowMs : cost)
      const [later, ended] = tick(moment)
      const costs = items.map(({ atMs }, index) => (ended & (1 << index) ? nowMs + 1 - atMs : 0))
      moments.put(later, cost + costs.reduce((sum, each) => sum + each, 0))
    }
  }
  return best
}

/** With all that follows from starting something at once, and then something else. */
function settle(moments: Moments, starts: (moment: Moment) => Moment[]): Moments {
  const settled = new Moments()
  const waiting = moments.all()
  const tried = new Set<string>()
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [moment, cost] = next
    const key = `${JSON.stringify(moment)} ${cost}`
    if (tried.has(key)) continue
    tried.add(key)
    settled.put(moment, cost)
    for (const started of starts(moment)) waiting.push([started, cost])
  }
  return settled
}

/** Each load and each unload that may begin now. */
function laneStarts({ models }: Workload, budgetBytes: number, moment: Moment): Moment[] {
  const { runningModel, runLeft, resident, laneLeft } = moment
  if (laneLeft > 0) return []
  const found: Moment[] = []
  const held = models.reduce((sum, { vramBytes }, m) => sum + (resident & (1 << m) ? vramBytes : 0), 0)
  for (const [m, { vramBytes, loadMs, unloadMs }] of models.entries()) {
    const bit = 1 << m
    if (!(resident & bit) && held + vramBytes <= budgetBytes)
      found.push({ ...moment, resident: resident | bit, laneModel: m, isLoading: true, laneLeft: loadMs })
    if (!(resident & bit) || (runLeft > 0 && runningModel === m)) continue
    // Its bytes are held until it is out; a lane that is busy loads nothing.
    const without = { ...moment, resident: resident & ~bit }
    found.push(unloadMs === 0 ? without : { ...without, laneModel: m, isLoading: false, laneLeft: unloadMs })
  }
  return found
}

/** Each batch that may begin now. */
function batchStarts({ models, items }: Workload, nowMs: number, moment: Moment): Moment[] {
  const { done, running, runLeft, resident, laneLeft } = moment
  if (runLeft > 0) return []
  const found: Moment[] = []
  for (let batch = 1; batch < 2 ** items.length; batch++) {
    const members = items.filter((_, index) => batch & (1 << index))
    const m = models.findIndex(({ id }) => id === members[0]!.model)
    const isHere = resident & (1 << m) && !(laneLeft > 0 && moment.laneModel === m)
    const isDone = (id: string) => done & (1 << items.findIndex((each) => each.id === id))
    const canRun = members.every(
      ({ model, atMs, after }) => model === models[m]!.id && atMs <= nowMs && after.every(isDone),
    )
    if (!isHere || !canRun || batch & (done | running) || members.length > models[m]!.batch.max) continue
    const left = runMs(models[m]!, members.length)
    found.push({ ...moment, running: batch, runningModel: m, runLeft: left })
  }
  return found
}

/** One tick later, and the items that have ended. */
function tick(moment: Moment): [Moment, number] {
  const later = { ...moment }
  if (later.laneLeft > 0 && --later.laneLeft === 0) [later.laneModel, later.isLoading] = [-1, false]
  if (later.runLeft === 0 || --later.runLeft > 0) return [later, 0]
  const ended = later.running
  return [{ ...later, done: later.done | ended, running: 0, runningModel: -1 }, ended]
}
