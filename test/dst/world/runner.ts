// Simulated runners, and what the list of started processes on disk does for a real
// one: a process is recorded before it may allocate, and the next start stops those
// that a killed daemon left and proves that they are gone.
import type { Model, ModelId } from '../../../src/core/model.ts'
import type { DeviceId } from '../../../src/core/state/events.ts'
import type { Exit, Instance, Runner } from '../../../src/runners/runner.ts'
import type { Chance } from './chance.ts'
import type { Context } from './context.ts'
import { type InstanceWatch, SimulatedInstance } from './instance.ts'
import { type Life, never } from './life.ts'
import type { Machine } from './machine.ts'

/** From TERM to KILL, and from there until nobody waits any longer, ms: as in runners/started.ts. */
const leftoverGraceMs = 2000
const leftoverLimitMs = 10_000

export interface RunnerWatch extends InstanceWatch {
  /** Where an instance was asked for; null: it needs no device. */
  deviceOf(instanceId: string): DeviceId | null
}

export class Runners {
  readonly #context: Context
  readonly #machine: Machine
  readonly #chance: Chance
  readonly #instanceChance: Chance

  constructor(context: Context, machine: Machine) {
    this.#context = context
    this.#machine = machine
    this.#chance = context.chance('leftovers')
    this.#instanceChance = context.chance('instances')
  }

  /** For one life of the daemon. */
  forLife(life: Life, watch: RunnerWatch): Map<ModelId, Runner> {
    return new Map(
      this.#context.world.models.map((model) => [
        model.id,
        { start: (instanceId) => this.#start(model, instanceId, life, watch) },
      ]),
    )
  }

  #start(model: Model, instanceId: string, life: Life, watch: RunnerWatch): Instance {
    if (!life.act('spawn')) return deadInstance(instanceId)
    if (this.#context.faults.strikes('start-throws')) throw new Error('no process could be started')
    const process = this.#machine.spawn(instanceId, watch.deviceOf(instanceId), life)
    const instance = new SimulatedInstance(process, model, {
      context: this.#context,
      machine: this.#machine,
      chance: this.#instanceChance,
      watch,
    })
    if (life.act('record')) process.isRecorded = true
    return instance
  }

  /** The daemon was killed: stdin of its workers ends. One that has not even been
   * recorded is still reading it. */
  orphan(life: Life): void {
    for (const process of this.#machine.alive()) {
      if (process.life !== life) continue
      const isStubborn = process.isRecorded && this.#context.faults.strikes('leftover-stubborn')
      process.endAfter(isStubborn ? this.#chance.between(20_000, 200_000) : this.#chance.between(1, 3000))
    }
  }

  async reapLeftovers(life: Life): Promise<number> {
    if (!life.act('reap')) return never()
    const left = this.#machine.alive().filter(({ isRecorded }) => isRecorded)
    for (const process of left) {
      const heedsTerm = this.#chance.happens(0.5)
      process.endAfter(this.#chance.between(1, 50) + (heedsTerm ? 0 : leftoverGraceMs))
    }
    const untilMs = this.#context.agenda.nowMs + leftoverGraceMs + leftoverLimitMs
    while (left.some(({ isAlive }) => isAlive) && this.#context.agenda.nowMs < untilMs) {
      await this.#context.agenda.sleep(20)
      if (life.isOver) return never()
    }
    for (const process of left) process.isGivenUp = process.isAlive
    return left.length
  }
}

/** What a daemon that was killed in this very moment gets. */
function deadInstance(instanceId: string): Instance {
  return {
    instanceId,
    pid: null,
    load: never,
    run: never,
    stop: never,
    exited: never<Exit>(),
    remains: () => '',
  }
}
