// A small world for the core's tests: it keeps queues as plain lists, obeys commands
// and reports their effects when it is told to. It has no rules of its own, no time and
// no chance; the simulator in sim/ has those.

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
import type { LevelHead } from '../../src/core/work/queue-head.ts'
import { emptyHead } from '../../src/core/work/queue-head.ts'

/** A ready item: [priority, submitted and ready at ms]. */
type Item = [number, number]

type RunBatch = CommandOf<'run-batch'>

export interface World {
  state: State
  nowMs: number
  queues: Map<string, Item[]>
  blocked: Map<string, { modelId: string; count: number }[]>
  /** Commands whose effect has not been reported yet. */
  pending: Command[]
}

export function createWorld(
  models: (Omit<ModelOptions, 'id'> & { id: string })[],
  devices: (Omit<DeviceOptions, 'kind' | 'capacityBytes'> & { gb: number })[],
  policy: Partial<Policy> = {},
): World {
  const state = createState(
    models.map((each) => defineModel(each)),
    devices.map(({ gb, ...rest }) => ({ kind: 'static', capacityBytes: gb * 1e9, safetyRatio: 1, ...rest })),
    { ...defaultPolicy, ...policy },
  )
  return { state, nowMs: 0, queues: new Map(), blocked: new Map(), pending: [] }
}

/** Adds `count` ready items of a model now. */
export function arrive(world: World, modelId: string, count: number, priority = 0, atMs = world.nowMs): void {
  const queue = world.queues.get(modelId) ?? []
  for (let index = 0; index < count; index++) queue.push([priority, atMs])
  queue.sort((a, b) => b[0] - a[0] || a[1] - b[1])
  world.queues.set(modelId, queue)
  showQueue(world, modelId)
}

/** Says that items of a model wait for items of others. */
export function block(world: World, modelId: string, waitsOn: { modelId: string; count: number }[]): void {
  world.blocked.set(modelId, waitsOn)
  showQueue(world, modelId)
}

function showQueue(world: World, modelId: string): void {
  const queue = world.queues.get(modelId) ?? []
  const waitsOn = world.blocked.get(modelId) ?? []
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
  const blockedCount = waitsOn.reduce((sum, { count }) => sum + count, 0)
  const head = { ...emptyHead(modelId), readyCount: queue.length, blockedCount, levels, waitsOn }
  report(world, { type: 'queue-changed', atMs: world.nowMs, heads: [head] })
}

/** Applies an event and checks every invariant. */
export function report(world: World, event: SchedulerEvent): void {
  apply(world.state, event)
  assert.deepEqual(brokenInvariants(world.state), [], `after ${JSON.stringify(event)}`)
}

/** Asks for commands until there are none, issues them, and returns them. */
export function step(world: World): Command[] {
  const issued: Command[] = []
  for (;;) {
    const before = structuredClone(world.state.models.map(({ readyCount }) => readyCount))
    const { command } = decide(world.state, world.nowMs)
    assert.deepEqual(
      decide(world.state, world.nowMs).command,
      command,
      'decide answers the same for the same state',
    )
    assert.deepEqual(
      world.state.models.map(({ readyCount }) => readyCount),
      before,
    )
    if (!command) return issued
    assert.ok(issued.length < 1000, `decide comes to an end: ${JSON.stringify(command)}`)
    report(world, { type: 'command-issued', atMs: world.nowMs, command })
    if (command.type === 'run-batch') claim(world, command)
    if (command.type === 'fail-queue') world.queues.delete(command.modelId)
    if (command.type !== 'quarantine' && command.type !== 'fail-queue') world.pending.push(command)
    issued.push(command)
  }
}

function claim(world: World, { batchId, modelId, maxCount, order }: RunBatch): void {
  const queue = world.queues.get(modelId) ?? []
  const isInteractive = (queue[0]?.[0] ?? 0) >= order.interactiveFrom
  const items = queue
    .filter(([priority]) => !isInteractive || priority >= order.interactiveFrom)
    .slice(0, maxCount)
  world.queues.set(modelId, queue.slice(items.length))
  report(world, { type: 'batch-claimed', atMs: world.nowMs, batchId, itemCount: items.length })
  showQueue(world, modelId)
}

/** Reports the good effect of a pending command. */
export function finish(world: World, command: Command): void {
  world.pending.splice(world.pending.indexOf(command), 1)
  const atMs = world.nowMs
  if (command.type === 'start-load') {
    report(world, {
      type: 'load-finished',
      atMs,
      instanceId: command.instanceId,
      loadMs: 1000,
      residentBytes: null,
      maxBatch: null,
    })
  } else if (command.type === 'stop-instance') {
    report(world, { type: 'memory-released', atMs, instanceId: command.instanceId })
  } else if (command.type === 'run-batch') {
    const { batchId } = command
    const batch = world.state.batchById.get(batchId) // reported a second time it is gone
    const tookMs = batch ? runMs(batch.instance.model.declared, batch.itemCount) : 100
    report(world, { type: 'batch-finished', atMs, batchId, failedCount: 0, runMs: tookMs, peakBytes: null })
  }
}

/** Finishes everything that is pending and asks again, until nothing is left to do. Returns all commands. */
export function settle(world: World): Command[] {
  const all = step(world)
  for (let round = 0; world.pending.length > 0; round++) {
    assert.ok(round < 10_000, 'the world comes to rest')
    world.nowMs += 100
    finish(world, world.pending[0]!)
    all.push(...step(world))
  }
  return all
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

/** A reading of the first device: what each instance holds. */
export function read(
  world: World,
  held: Record<string, number>,
  more: Partial<EventOf<'memory-observed'>> = {},
): void {
  const { id: deviceId, capacityBytes } = world.state.devices[0]!
  const base = { deviceId, capacityBytes, foreignBytes: 0, bytesByInstance: held, atMs: world.nowMs }
  report(world, { type: 'memory-observed', ...base, ...more })
}

/** Loads each model and runs an item of it. */
export function resident(world: World, ...ids: string[]): void {
  for (const id of ids) {
    arrive(world, id, 1)
    settle(world)
  }
}

export const gb = 1e9

/** A model that is loaded in a second. */
export function model(id: string, vram: string | undefined, more = {}) {
  return { id, vram, loadMs: 1000, ...more }
}

export function firstDevice(world: World): DeviceState {
  return world.state.devices[0]!
}

export function modelIn(world: World, id: string): ModelState {
  return world.state.modelById.get(id)!
}

/** The batch that begins next; nothing else that was asked for is going to be reported. */
export function nextBatch(world: World): RunBatch {
  const [command] = step(world)
  assert.ok(command?.type === 'run-batch')
  world.pending.length = 0
  return command
}

/** Reports that a batch went well, in 100 ms, unless `more` says otherwise. */
export function endBatch(
  world: World,
  { batchId }: RunBatch,
  more: Partial<EventOf<'batch-finished'>>,
): void {
  const base = { atMs: world.nowMs, batchId, failedCount: 0, runMs: 100, peakBytes: null }
  report(world, { type: 'batch-finished', ...base, ...more })
}
