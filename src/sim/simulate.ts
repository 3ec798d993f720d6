// Runs a workload on virtual time through the shipped core: what happens is applied, `decide`
// is asked until it has nothing to do, its commands go to the simulated devices (world.ts),
// and items come from the same graph that the embedded scheduler uses. Nothing here judges; a
// policy is a function `decide(state, nowMs)`, ours or a baseline's. Everything of one moment
// is applied before anyone decides. The same seed gives the same run.

import { decide as plimsoll } from '../core/decide/decide.ts'
import { leadTimes, leastBytes, type Model, type ModelId } from '../core/model.ts'
import { defaultPolicy, type Policy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import type { BatchId, Command, CommandOf, Decision, DeviceId, SchedulerEvent } from '../core/state/events.ts'
import { brokenInvariants } from '../core/state/invariants.ts'
import { bookedBytes } from '../core/state/ledger.ts'
import { createState, type DeviceOptions, modelOf, type State } from '../core/state/state.ts'
import { defaultSafetyRatio, lineBytes, neverFits } from '../core/vram.ts'
import { WorkGraph } from '../core/work/graph.ts'
import { newItem } from '../core/work/item.ts'
import { countByTenant } from '../core/work/lease.ts'
import type { WorkNode } from '../core/work/node.ts'
import { Backlog } from './backlog.ts'
import { Measures } from './measures.ts'
import { type SimulationResult, summarize } from './report.ts'
import { Draws } from './spread.ts'
import { TenantMeasures } from './tenant-measures.ts'
import type { Workload, WorkloadItem } from './workload.ts'
import { World } from './world.ts'

export type Decide = (state: State, nowMs: number) => Decision

/** A policy to simulate: our own, or a baseline that may keep notes and look at single items. */
export interface SimulatedPolicy {
  readonly name: string
  /** `models` in the order of the workload. */
  readonly create: (backlog: Backlog, models: readonly Model[]) => Decide
}

export const plimsollPolicy: SimulatedPolicy = { name: 'plimsoll', create: () => plimsoll }

export interface SimulationOptions {
  workload: Workload
  devices: readonly DeviceOptions[]
  /** Default: ours. */
  simulated?: SimulatedPolicy
  /** The options of our policy. */
  policy?: Policy
  /** Default 1. */
  seed?: number
  /** Spread of load and run times around what the models say (spread.ts). Default 0. */
  sigma?: number
  /** The models as the policy is told of them, in the order of the workload. Default: as they are. */
  believed?: readonly Model[]
  /** What is loaded at the start. Default: nothing. */
  residents?: readonly { modelId: ModelId; deviceId: DeviceId }[]
  /** A clock for the cost of a decision, in nanoseconds. Without it none is measured. */
  clockNs?: (() => number) | null
  /** Every event and command, in order. */
  onEvent?: ((event: SchedulerEvent) => void) | null
  /** Which items a batch got: events tell only how many. */
  onClaim?: ((batchId: BatchId, items: readonly WorkloadItem[]) => void) | null
}

/** All invariants are checked after each of the first events of a small world, else
 * after each of so many; the line always. */
const everyEventUpTo = 20_000
const smallWorld = 50
const elseEvery = 97

/** Throws NEVER_FITS, CYCLE. */
export function simulate(options: SimulationOptions): SimulationResult {
  assertFits(options)
  return new Simulation(options).run()
}

function assertFits({ workload, devices }: SimulationOptions): void {
  const used = new Set(workload.items.map(({ model }) => model))
  const usable = devices.map((device) => ({
    totalBytes: device.capacityBytes,
    safetyFactor: device.safetyRatio ?? defaultSafetyRatio,
    usableBytes: lineBytes(device),
  }))
  const none = { totalBytes: 0, safetyFactor: 1, usableBytes: 0 }
  const largest = usable.sort((a, b) => b.usableBytes - a.usableBytes)[0] ?? none
  for (const model of workload.models) {
    const neededBytes = leastBytes(model)
    if (used.has(model.id) && neededBytes > largest.usableBytes)
      throw neverFits(model.id, neededBytes, largest)
  }
}

class Simulation {
  readonly #options: SimulationOptions
  readonly #items: readonly WorkloadItem[]
  /** Indices of items in the order of arrival, and the moment each is let in. */
  readonly #arrivals: { order: number[]; atMs: Float64Array }
  readonly #state: State
  readonly #graph: WorkGraph
  readonly #backlog = new Backlog()
  readonly #world: World
  readonly #measures: Measures
  readonly #tenants: TenantMeasures
  readonly #decide: Decide
  readonly #claims = new Map<string, { token: string; indices: number[]; isOnDevice: boolean }>()
  readonly #usedInstances = new Set<string>()
  #nextArrival = 0
  #eventCount = 0
  #violations = 0
  #timerAtMs = Number.POSITIVE_INFINITY

  constructor(options: SimulationOptions) {
    const { workload, devices, policy = defaultPolicy, seed = 1, sigma = 0 } = options
    const believed = options.believed ?? workload.models
    this.#options = options
    this.#items = workload.items
    this.#arrivals = arrivalsOf(workload.items)
    this.#state = createState(believed, devices, policy)
    this.#world = new World(workload.models, new Draws(workload.models, seed, sigma))
    this.#measures = new Measures(workload.items, this.#nextArrivalAtMs)
    this.#tenants = new TenantMeasures(workload.items)
    this.#graph = new WorkGraph({
      onChange: (node, nowMs) => this.#itemChanged(node, nowMs),
      leadMs: leadTimes(believed),
    })
    this.#decide = (options.simulated ?? plimsollPolicy).create(this.#backlog, believed)
    for (const resident of options.residents ?? []) this.#putOn(resident)
  }

  #putOn({ modelId, deviceId }: { modelId: ModelId; deviceId: DeviceId }): void {
    const atMs = this.#nextArrivalAtMs
    const instanceId = `${modelId}-${this.#state.nextInstance}`
    const bytes = modelOf(this.#state, modelId).model.vramBytes
    const reason = { rule: 'load-best', figures: {} } as const
    const command: Command = { type: 'start-load', instanceId, modelId, deviceId, bytes, reason }
    this.#apply({ type: 'command-issued', atMs, command })
    const nothingMeasured = { loadMs: null, residentBytes: null, maxBatch: null }
    this.#apply({ type: 'load-finished', atMs, instanceId, ...nothingMeasured })
  }

  run(): SimulationResult {
    const measures = this.#measures
    const startAtMs = this.#nextArrivalAtMs
    while (measures.completedCount < this.#items.length) {
      const nowMs = Math.min(this.#nextArrivalAtMs, this.#world.nextAtMs)
      if (!Number.isFinite(nowMs)) break
      measures.pass(this.#state.devices, nowMs)
      this.#arrive(nowMs)
      while (this.#world.nextAtMs === nowMs) this.#happen(nowMs)
      this.#graph.queues.dropLate(nowMs)
      this.#showHeads(nowMs)
      this.#decideAll(nowMs)
    }
    this.#check(true)
    return summarize({
      measures,
      byTenant: this.#tenants.figures(measures),
      workload: this.#options.workload,
      devices: this.#state.devices,
      policy: (this.#options.simulated ?? plimsollPolicy).name,
      makespanMs: measures.lastEndAtMs - startAtMs,
      unusedLoads: measures.loads - this.#usedInstances.size,
      violations: this.#violations,
    })
  }

  get #nextArrivalAtMs(): number {
    const index = this.#arrivals.order[this.#nextArrival]
    return index === undefined ? Number.POSITIVE_INFINITY : this.#arrivals.atMs[index]!
  }

  #arrive(nowMs: number): void {
    if (this.#nextArrivalAtMs > nowMs) return
    const arrived = []
    while (this.#nextArrivalAtMs <= nowMs) {
      const index = this.#arrivals.order[this.#nextArrival++]!
      const { id, model: modelId, priority, after, deadlineMs: deadlineAtMs, tenant } = this.#items[index]!
      const dependencies = after as string[]
      arrived.push(newItem({ id, modelId, input: index, priority, dependencies, deadlineAtMs, tenant }))
    }
    this.#graph.submit(arrived, nowMs)
  }

  #itemChanged(node: WorkNode, nowMs: number): void {
    if (node.state === 'ready') {
      this.#backlog.add(node)
      this.#measures.ready(node.item.input as number, nowMs)
    } else if (node.state === 'leased') this.#measures.start(node.item.input as number, nowMs)
    else if (node.state === 'done') this.#measures.end(node.item.input as number, nowMs)
  }

  #happen(nowMs: number): void {
    const event = this.#world.take()
    if (event.type === 'batch-finished') {
      const claim = this.#claims.get(event.batchId)!
      this.#claims.delete(event.batchId)
      const outcomes = claim.indices.map((index) => ({
        type: 'done' as const,
        id: this.#items[index]!.id,
        output: null,
      }))
      this.#graph.finish(claim.token, outcomes, nowMs)
      if (claim.isOnDevice) this.#tenants.computed(claim.indices, event.runMs)
    } else if (event.type === 'timer-fired') this.#timerAtMs = Number.POSITIVE_INFINITY
    this.#apply(event)
  }

  #showHeads(nowMs: number): void {
    const heads = this.#graph.queues.changedHeads()
    if (heads.length > 0) this.#apply({ type: 'queue-changed', atMs: nowMs, heads })
  }

  #decideAll(nowMs: number): void {
    for (;;) {
      const decision = this.#ask(nowMs)
      if (decision.command === null) {
        const { wakeAtMs } = decision
        if (wakeAtMs !== null && wakeAtMs < this.#timerAtMs) {
          this.#timerAtMs = Math.max(wakeAtMs, nowMs)
          this.#world.wakeAt(this.#timerAtMs)
        }
        return
      }
      this.#apply({ type: 'command-issued', atMs: nowMs, command: decision.command })
      this.#perform(decision.command, nowMs)
    }
  }

  #ask(nowMs: number): Decision {
    const { clockNs } = this.#options
    this.#measures.decisions++
    if (!clockNs) return this.#decide(this.#state, nowMs)
    const startNs = clockNs()
    const decision = this.#decide(this.#state, nowMs)
    this.#measures.decisionNs.push(clockNs() - startNs)
    return decision
  }

  #perform(command: Command, nowMs: number): void {
    if (command.type === 'run-batch') this.#runBatch(command, nowMs)
    else if (command.type === 'start-load') {
      if (command.bytes > 0) {
        this.#measures.loads++
        this.#tenants.loaded(modelOf(this.#state, command.modelId).levels)
      }
      this.#world.load(command, nowMs)
    } else if (command.type === 'stop-instance') {
      this.#measures.evictions++
      this.#world.stop(command, nowMs)
    }
  }

  #runBatch(command: CommandOf<'run-batch'>, nowMs: number): void {
    const { batchId, modelId, maxCount, order, instanceId } = command
    const claim = this.#graph.claim({ modelId, maxCount, order, leaseMs: Number.POSITIVE_INFINITY }, nowMs)
    const indices = claim.items.map(({ input }) => input as number)
    const byTenant = countByTenant(claim.items)
    this.#apply({
      type: 'batch-claimed',
      atMs: nowMs,
      batchId,
      itemCount: indices.length,
      countByTenant: byTenant,
    })
    this.#showHeads(nowMs)
    if (indices.length === 0) return
    this.#options.onClaim?.(
      batchId,
      indices.map((index) => this.#items[index]!),
    )
    const isOnDevice = command.bytes > 0 || this.#isOnDevice(modelId)
    this.#claims.set(batchId, { token: claim.token, indices, isOnDevice })
    if (isOnDevice) this.#usedInstances.add(instanceId)
    this.#world.run(command, indices.length, this.#costOf(indices), nowMs)
  }

  #isOnDevice(modelId: ModelId): boolean {
    return this.#state.modelById.get(modelId)!.model.vramBytes > 0
  }

  /** null where an item has no cost of its own. */
  #costOf(indices: number[]): number | null {
    let sumMs = 0
    for (const index of indices) {
      const { costMs } = this.#items[index]!
      if (costMs === null) return null
      sumMs += costMs
    }
    return sumMs
  }

  #apply(event: SchedulerEvent): void {
    this.#options.onEvent?.(event)
    apply(this.#state, event)
    this.#check(false)
  }

  #check(isLast: boolean): void {
    this.#eventCount++
    for (const { ledger, budgetBytes } of this.#state.devices) {
      const booked = bookedBytes(ledger)
      if (booked > this.#measures.peakBytes) this.#measures.peakBytes = booked
      if (booked > budgetBytes) this.#violations++
    }
    const isSmall = this.#eventCount < everyEventUpTo && this.#state.models.length <= smallWorld
    if (isLast || isSmall || this.#eventCount % elseEvery === 0)
      this.#violations += brokenInvariants(this.#state).length
  }
}

/** An item is let in when it arrives; one that waits for later ones, with the last of them. */
function arrivalsOf(items: readonly WorkloadItem[]): { order: number[]; atMs: Float64Array } {
  const atMs = Float64Array.from(items, (item) => item.atMs)
  const indexById = new Map(items.map(({ id }, index) => [id, index]))
  for (let isSettled = false; !isSettled; ) {
    isSettled = true
    for (const [index, { after }] of items.entries()) {
      for (const id of after) {
        const laterMs = atMs[indexById.get(id)!]!
        if (laterMs > atMs[index]!) {
          atMs[index] = laterMs
          isSettled = false
        }
      }
    }
  }
  const order = Array.from(items, (_, index) => index).sort((a, b) => atMs[a]! - atMs[b]! || a - b)
  return { order, atMs }
}
