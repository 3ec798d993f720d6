// A small world for the core's tests: it keeps queues as plain lists, obeys commands
// and reports their effects when it is asked to. It has no rules of its own, no time
// and no chance; the simulator in sim/ has those.

import assert from 'node:assert/strict'
import { decide } from '../../src/core/decide/decide.ts'
import { defineModel, type ModelOptions, runMs } from '../../src/core/model.ts'
import { defaultPolicy, type Policy } from '../../src/core/policy.ts'
import { apply } from '../../src/core/state/apply.ts'
import type { Command, CommandOf, EventOf, SchedulerEvent } from '../../src/core/state/events.ts'
import { brokenInvariants } from '../../src/core/state/invariants.ts'
import {
  createState,
  type DeviceOptions,
  type DeviceState,
  type ModelState,
  type State,
} from '../../src/core/state/state.ts'
import { emptyHead, type LevelHead } from '../../src/core/work/queue-head.ts'

/** A ready item: [priority, submitted and ready at ms]. */
type Item = [number, number]

type RunBatch = CommandOf<'run-batch'>

export class World {
  readonly state: State
  nowMs = 0
  readonly queues = new Map<string, Item[]>()
  /** Commands whose effect has not been reported yet. */
  readonly pending: Command[] = []
  readonly #blocked = new Map<string, { modelId: string; count: number }[]>()

  constructor(
    models: (Omit<ModelOptions, 'id'> & { id: string })[],
    devices: (Omit<DeviceOptions, 'kind' | 'capacityBytes'> & { gb: number })[],
    policy: Partial<Policy> = {},
  ) {
    this.state = createState(
      models.map((each) => defineModel(each)),
      devices.map(({ gb, ...rest }) => ({
        kind: 'static',
        capacityBytes: gb * 1e9,
        safetyRatio: 1,
        ...rest,
      })),
      { ...defaultPolicy, ...policy },
    )
  }

  /** The first one. */
  get device(): DeviceState {
    return this.state.devices[0]!
  }

  model(id: string): ModelState {
    return this.state.modelById.get(id)!
  }

  /** Adds `count` ready items of a model now. */
  arrive(modelId: string, count: number, priority = 0): void {
    const queue = this.queues.get(modelId) ?? []
    for (let index = 0; index < count; index++) queue.push([priority, this.nowMs])
    queue.sort((a, b) => b[0] - a[0] || a[1] - b[1])
    this.queues.set(modelId, queue)
    this.#showQueue(modelId)
  }

  /** Says that items of a model wait for items of others. */
  block(modelId: string, waitsOn: { modelId: string; count: number }[]): void {
    this.#blocked.set(modelId, waitsOn)
    this.#showQueue(modelId)
  }

  #showQueue(modelId: string): void {
    const queue = this.queues.get(modelId) ?? []
    const waitsOn = this.#blocked.get(modelId) ?? []
    const blockedCount = waitsOn.reduce((sum, { count }) => sum + count, 0)
    const levels = levelsOf(queue)
    const head = { ...emptyHead(modelId), readyCount: queue.length, blockedCount, levels, waitsOn }
    this.report({ type: 'queue-changed', atMs: this.nowMs, heads: [head] })
  }

  /** Applies an event and checks every invariant. */
  report(event: SchedulerEvent): void {
    apply(this.state, event)
    assert.deepEqual(brokenInvariants(this.state), [], `after ${JSON.stringify(event)}`)
  }

  /** Asks for commands until there are none, issues them, and returns them. */
  step(): Command[] {
    const issued: Command[] = []
    for (;;) {
      const command = this.#decide()
      if (!command) return issued
      assert.ok(issued.length < 1000, `decide comes to an end: ${JSON.stringify(command)}`)
      this.report({ type: 'command-issued', atMs: this.nowMs, command })
      if (command.type === 'run-batch') this.#claim(command)
      if (command.type === 'fail-queue') this.queues.delete(command.modelId)
      if (command.type !== 'quarantine' && command.type !== 'fail-queue') this.pending.push(command)
      issued.push(command)
    }
  }

  /** Asks twice: the same state gives the same answer, and is left as it was. */
  #decide(): Command | null {
    const readyCounts = () => this.state.models.map(({ readyCount }) => readyCount)
    const before = readyCounts()
    const { command } = decide(this.state, this.nowMs)
    assert.deepEqual(decide(this.state, this.nowMs).command, command)
    assert.deepEqual(readyCounts(), before)
    return command
  }

  #claim({ batchId, modelId, maxCount, order }: RunBatch): void {
    const queue = this.queues.get(modelId) ?? []
    const isInteractive = (queue[0]?.[0] ?? 0) >= order.interactiveFrom
    const items = queue
      .filter(([priority]) => !isInteractive || priority >= order.interactiveFrom)
      .slice(0, maxCount)
    this.queues.set(modelId, queue.slice(items.length))
    this.report({ type: 'batch-claimed', atMs: this.nowMs, batchId, itemCount: items.length })
    this.#showQueue(modelId)
  }

  /** Reports the good effect of a pending command. */
  finish(command: Command): void {
    this.pending.splice(this.pending.indexOf(command), 1)
    const atMs = this.nowMs
    if (command.type === 'start-load') {
      const { instanceId } = command
      const size = { residentBytes: null, maxBatch: null }
      this.report({ type: 'load-finished', atMs, instanceId, loadMs: 1000, ...size })
    } else if (command.type === 'stop-instance') {
      this.report({ type: 'memory-released', atMs, instanceId: command.instanceId })
    } else if (command.type === 'run-batch') {
      const batch = this.state.batchById.get(command.batchId) // reported a second time it is gone
      this.endBatch(command, { runMs: batch ? runMs(batch.instance.model.declared, batch.itemCount) : 100 })
    }
  }

  /** Finishes everything that is pending and asks again, until nothing is left to do.
   * Returns all commands. */
  settle(): Command[] {
    const all = this.step()
    for (let round = 0; this.pending.length > 0; round++) {
      assert.ok(round < 10_000, 'the world comes to rest')
      this.nowMs += 100
      this.finish(this.pending[0]!)
      all.push(...this.step())
    }
    return all
  }

  /** Loads each model and runs an item of it. */
  resident(...ids: string[]): void {
    for (const id of ids) {
      this.arrive(id, 1)
      this.settle()
    }
  }

  /** A reading of the first device: what each instance holds. */
  read(held: Record<string, number>, more: Partial<EventOf<'memory-observed'>> = {}): void {
    const { id: deviceId, capacityBytes } = this.device
    const base = { deviceId, capacityBytes, foreignBytes: 0, bytesByInstance: held, atMs: this.nowMs }
    this.report({ type: 'memory-observed', ...base, ...more })
  }

  /** The batch that begins next; nothing else that was asked for is going to be reported. */
  nextBatch(): RunBatch {
    const [command] = this.step()
    assert.ok(command?.type === 'run-batch')
    this.pending.length = 0
    return command
  }

  /** Reports that a batch went well, in 100 ms, unless `more` says otherwise. */
  endBatch({ batchId }: RunBatch, more: Partial<EventOf<'batch-finished'>>): void {
    const base = { atMs: this.nowMs, batchId, failedCount: 0, runMs: 100, peakBytes: null }
    this.report({ type: 'batch-finished', ...base, ...more })
  }
}

/** As a store sums them up: items of one priority are one level. */
function levelsOf(queue: readonly Item[]): LevelHead[] {
  const levels: LevelHead[] = []
  for (const [priority, atMs] of queue) {
    const level = levels.at(-1)
    if (level?.priority !== priority) {
      levels.push({ priority, tenant: null, count: 1, submittedMeanMs: atMs, oldestReadyAtMs: atMs })
    } else {
      level.count++
      level.submittedMeanMs += (atMs - level.submittedMeanMs) / level.count
    }
  }
  return levels
}

/** `load A`, `stop A for B`, `run A`: commands as words. */
export function words(commands: Command[]): string[] {
  return commands.map((command) => {
    if (command.type === 'start-load') return `load ${command.modelId}`
    if (command.type === 'stop-instance') return `stop ${command.modelId} for ${command.makeRoomFor}`
    if (command.type === 'run-batch') return `run ${command.modelId}`
    return `${command.type} ${command.modelId}`
  })
}

export const gb = 1e9

/** A model that is loaded in a second. */
export function model(id: string, vram: string | undefined, more = {}) {
  return { id, vram, loadMs: 1000, ...more }
}
