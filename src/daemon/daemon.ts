// The loop around the core: take an event, apply it, ask decide until it has nothing to do, carry out the commands
// without waiting, set one timer. It knows no policy. What it is told of comes back as events, in one line of time:
//
//   store ──heads──▶ apply ──▶ decide ──command──▶ hands (load, stop) and batches (claim, run, record) ──event──▶ apply
//
// An error of the store ends the daemon: running work is stopped and the next start goes on from what was recorded.

import { decide } from '../core/decide/decide.ts'
import { type ItemError, SchedulerError } from '../core/errors.ts'
import { leastBytes, type Model, type ModelId } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import { isSearching } from '../core/state/batches.ts'
import type { Command, CommandOf, EventOf, InstanceId, Reason, SchedulerEvent } from '../core/state/events.ts'
import { brokenInvariants } from '../core/state/invariants.ts'
import { isWorthMeasuring } from '../core/state/learning.ts'
import { bookedBytes } from '../core/state/ledger.ts'
import { type ModelProfile, restoreProfiles } from '../core/state/profile.ts'
import {
  cpuDeviceId,
  createState,
  type DeviceOptions,
  type DeviceState,
  type ModelState,
  type State,
} from '../core/state/state.ts'
import { lineBytes } from '../core/vram.ts'
import { countByTenant } from '../core/work/lease.ts'
import { plainOrder } from '../core/work/queue-head.ts'
import type { Device } from '../devices/device.ts'
import type { Runner } from '../runners/runner.ts'
import type { Outcome, Store } from '../stores/store.ts'
import { type BatchContext, claimFor, record, runBatch } from './batch.ts'
import { type Clock, within } from './clock.ts'
import { HeadReader } from './heads.ts'
import { Instances, type LiveInstance } from './instances.ts'
import type { Booked } from './release.ts'

/** A claim without a sign of life for this long is given to another; three heartbeats fit in. Chosen, not measured. */
const leaseMs = 60_000
/** How long `close` waits for instances to be gone and their memory to be back, and then for the last writes, ms: an unload
 * of 5 s, a grace of 2 s and a release of 5 s fit in twice. Chosen, not measured. */
const closeLimitMs = 30_000

type BatchFinished = EventOf<'batch-finished'>

export interface DaemonOptions {
  store: Store
  models: readonly Model[]
  runners: ReadonlyMap<ModelId, Runner>
  devices: readonly { options: DeviceOptions; device: Device }[]
  policy: Policy
  /** What earlier runs have learned of the models. */
  profiles?: readonly ModelProfile[]
  clock: Clock
  /** 0 to 1. */
  random: () => number
  /** Every event, in order, before it is applied. */
  onEvent?: (event: SchedulerEvent) => void
  /** Every recorded outcome. */
  onOutcomes?: (outcomes: readonly Outcome[]) => void
}

export class Daemon {
  readonly state: State
  /** Resolves when no item is left that could run, or after a drain; rejects with the store's error. */
  readonly finished: Promise<void>
  readonly #options: DaemonOptions
  readonly #instances: Instances
  readonly #batch: BatchContext
  readonly #devices: Map<string, Device>
  readonly #heads: HeadReader
  /** Batches and failing queues under way. */
  readonly #works = new Set<Promise<void>>()
  #isPumping = false
  /** Every device has been read once. */
  #hasObserved = false
  #isOver = false
  #cancelTimer = () => {}
  #resolve: () => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(options: DaemonOptions) {
    const { models, devices, policy, clock, store, random } = options
    this.#options = options
    this.state = createState(
      models,
      devices.map((each) => each.options),
      policy,
    )
    restoreProfiles(this.state, options.profiles ?? [])
    this.#devices = new Map(devices.map(({ device }) => [device.id, device]))
    this.#instances = new Instances({
      clock,
      emit: (event) => this.#emit(event),
      booked: (instanceId) => this.#booked(instanceId),
      onError: (error) => this.#fail(error),
    })
    const recorded = (outcomes: readonly Outcome[]) => {
      for (const each of outcomes) {
        if (each.type === 'fail') this.#heads.dueAt(each.retryAtMs)
      }
      options.onOutcomes?.(outcomes)
      this.queuesChanged()
    }
    this.#heads = new HeadReader({
      store,
      clock,
      state: this.state,
      onHeads: (heads) => this.#emit({ type: 'queue-changed', atMs: clock.nowMs(), heads }),
      onCurrent: () => this.#pump(),
      onError: (error) => this.#fail(error),
    })
    this.#batch = { store, clock, random, leaseMs, recorded }
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.finished.catch(() => {}) // whoever waits for it hears of it
  }

  /** Nothing is promised before every device has been read: others may hold what is declared to be ours. */
  start(): void {
    this.#attempt(async () => {
      await this.#instances.readings.start(this.#devices.values())
      this.#hasObserved = true
      this.queuesChanged()
    })
  }

  /** Call after a submission: reads the heads again. */
  queuesChanged(): void {
    this.#heads.changed()
  }

  /** Starts nothing new; `finished` resolves when the running batches are recorded. */
  drain(): void {
    this.#emit({ type: 'drain-started', atMs: this.#options.clock.nowMs() })
  }

  /** Stops every instance at once, proves that they are gone and records what they had answered; the rest of their items
   * goes back. Answers with instances of which there is no proof in time: memory may never come back. */
  async close(): Promise<InstanceId[]> {
    this.#isOver = true
    this.#cancelTimer()
    this.#instances.readings.pause()
    const readingEnds = this.#heads.close()
    const reason: Reason = { rule: 'shutdown', figures: {} }
    for (const { id, model, device, phase } of [...this.state.instanceById.values()]) {
      if (phase !== 'starting' && phase !== 'ready') continue
      this.#issue({
        type: 'stop-instance',
        instanceId: id,
        modelId: model.model.id,
        deviceId: device.id,
        makeRoomFor: null,
        reason,
      })
    }
    const left = await this.#instances.close(closeLimitMs)
    await within(this.#options.clock, closeLimitMs, Promise.all([readingEnds, ...this.#works]))
    return left
  }

  #emit(event: SchedulerEvent): void {
    this.#options.onEvent?.(event)
    apply(this.state, event)
    const broken = brokenInvariants(this.state)
    if (broken.length > 0) this.#fail(new Error(`Broken after ${event.type}: ${broken.join('; ')}`))
    this.#pump()
  }

  #issue(command: Command): void {
    this.#emit({ type: 'command-issued', atMs: this.#options.clock.nowMs(), command })
  }

  /** Asks for commands until there are none. Events that are told meanwhile are seen by the next question. */
  #pump(): void {
    if (this.#isPumping || this.#isOver || !this.#hasObserved) return
    this.#isPumping = true
    try {
      while (!this.#isOver) {
        const decision = decide(this.state, this.#options.clock.nowMs())
        if (!decision.command) {
          this.#wake(decision.wakeAtMs)
          break
        }
        this.#issue(decision.command)
        this.#perform(decision.command)
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isPumping = false
    }
    this.#finishIfIdle()
  }

  #perform(command: Command): void {
    if (command.type === 'start-load') {
      const device = command.deviceId === cpuDeviceId ? null : this.#devices.get(command.deviceId)!
      this.#attempt(() =>
        this.#instances.load(this.#options.runners.get(command.modelId)!, command.instanceId, device),
      )
    } else if (command.type === 'stop-instance') {
      this.#attempt(() => this.#instances.stop(command.instanceId))
    } else if (command.type === 'run-batch') {
      this.#work(() => this.#runBatch(command))
    } else if (command.type === 'fail-queue') {
      this.#work(() => this.#failQueue(command.modelId, command.message))
    }
  }

  async #runBatch(command: CommandOf<'run-batch'>): Promise<void> {
    const { batchId, instanceId } = command
    const { clock } = this.#options
    const claim = await claimFor(command, this.#batch)
    this.#emit({
      type: 'batch-claimed',
      atMs: clock.nowMs(),
      batchId,
      itemCount: claim.items.length,
      countByTenant: countByTenant(claim.items),
    })
    this.queuesChanged()
    if (claim.items.length === 0) return
    const live = this.#instances.live.get(instanceId)
    const instance = this.state.instanceById.get(instanceId)
    const isMeasured = instance !== undefined && isWorthMeasuring(instance, claim.items.length)
    const measuredOn = live && isMeasured ? this.#peakDevice(live) : null
    if (measuredOn) await this.#instances.readings.read(measuredOn)
    if (live) live.peakBytes = null // what it held before is not this batch's
    if (!live || live.ending) {
      // The instance ended between the decision and the claim: nobody has seen the items.
      const outcomes = claim.items.map(({ id }): Outcome => ({ type: 'release', id }))
      await record(claim.token, outcomes, this.#batch)
      this.#emit({
        type: 'batch-finished',
        atMs: clock.nowMs(),
        batchId,
        failedCount: 0,
        runMs: 0,
        peakBytes: null,
      })
      return
    }
    const isSuspect = claim.items.length === 1 && instance !== undefined && isSearching(instance)
    const onFailure = ({ message }: ItemError) =>
      this.#attempt(() => this.#instances.fail(instanceId, message))
    const { hasFailed, ...result } = await runBatch(live, claim, isSuspect, onFailure, this.#batch)
    const held = measuredOn && !hasFailed && !live.ending ? await this.#held(live, measuredOn) : null
    this.#emit({ type: 'batch-finished', atMs: clock.nowMs(), batchId, ...result, held })
  }

  #booked(instanceId: InstanceId): Booked {
    const instance = this.state.instanceById.get(instanceId)
    if (!instance) return { ownBytes: 0, othersBytes: 0 }
    const { bytes: ownBytes, device } = instance
    return { ownBytes, othersBytes: bookedBytes(device.ledger) - ownBytes + device.foreignBytes }
  }

  /** Its device, if that knows what a batch held at most. */
  #peakDevice({ device }: LiveInstance): Device | null {
    return device !== null && this.#instances.readings.knowsPeaks(device) ? device : null
  }

  /** What the batch that has just ended held at most, and what is left; null: the device does not know. */
  async #held(live: LiveInstance, device: Device): Promise<BatchFinished['held']> {
    const reading = await this.#instances.readings.read(device)
    const afterBytes = reading?.bytesByGroup?.get(live.instance.pid ?? 0)
    const { peakBytes } = live
    return afterBytes === undefined || peakBytes === null ? null : { peakBytes, afterBytes }
  }

  /** The model cannot be loaded: its ready items fail with the reason, and are not tried again. */
  async #failQueue(modelId: ModelId, message: string): Promise<void> {
    const { store, clock } = this.#options
    const error = { code: 'LOAD_FAILED', message: `model "${modelId}" could not be loaded: ${message}` }
    for (;;) {
      const nowMs = clock.nowMs()
      const claim = await store.claim({ modelId, maxCount: 256, order: plainOrder, leaseMs }, nowMs)
      if (claim.items.length === 0) break
      const outcomes = claim.items.map(
        ({ id }): Outcome => ({ type: 'fail', id, error, retryable: false, retryAtMs: nowMs }),
      )
      await record(claim.token, outcomes, this.#batch)
    }
  }

  #work(task: () => Promise<void>): void {
    const work = task()
      .catch((error) => this.#fail(error))
      .then(() => {
        this.#works.delete(work)
        this.#finishIfIdle()
      })
    this.#works.add(work)
  }

  #finishIfIdle(): void {
    if (this.#isOver || !this.#heads.isCurrent || this.#works.size > 0) return
    const waiting = this.state.models.filter(({ readyCount, blockedCount }) => readyCount + blockedCount > 0)
    if (this.state.isDraining || waiting.length === 0) {
      this.#isOver = true
      this.#resolve()
      return
    }
    if (Number.isFinite(this.#heads.dueAtMs) || waiting.some((each) => this.#mayRun(each))) return
    const names = waiting.map(
      ({ model, readyCount, blockedCount }) => `${model.id} (${readyCount} ready, ${blockedCount} blocked)`,
    )
    this.#fail(new SchedulerError('NEVER_FITS', `Nothing can run, and items wait for: ${names.join(', ')}.`))
  }

  /** It has ready items and some device is large enough, or could not be read so far: what is in the way may go, foreign
   * use too, and a driver that is silent may answer. */
  #mayRun({ model, readyCount }: ModelState): boolean {
    const neededBytes = leastBytes(model)
    const isLargeEnough = (device: DeviceState) =>
      neededBytes <= lineBytes(device) || (device.fault !== null && device.capacityBytes === 0)
    return readyCount > 0 && this.state.devices.some(isLargeEnough)
  }

  /** One timer: the policy's, or the store's next lease end or retry. */
  #wake(wakeAtMs: number | null): void {
    this.#cancelTimer()
    const { clock } = this.#options
    const atMs = Math.min(wakeAtMs ?? Number.POSITIVE_INFINITY, this.#heads.dueAtMs)
    if (!Number.isFinite(atMs)) return
    this.#cancelTimer = clock.after(Math.max(1, atMs - clock.nowMs()), () => {
      this.queuesChanged()
      this.#emit({ type: 'timer-fired', atMs: clock.nowMs() })
    })
  }

  #attempt(task: () => Promise<void>): void {
    task().catch((error) => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#isOver = true
    this.#reject(error)
  }
}
