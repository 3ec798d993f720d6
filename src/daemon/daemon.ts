// The loop around the core: take an event, apply it, ask decide until it has nothing to do, carry out the
// commands without waiting, set one timer. It knows no policy, no pipeline and no end: it goes on until it is
// closed. Everything it learns arrives as an event, in one line of time:
//
//   store ──heads──▶ apply ──▶ decide ──command──▶ instances (load, stop), batches (claim, run, record)
//                      ▲                                                  │
//                      └──────────────────────event───────────────────────┘
//
// Whoever wants to know whether the work is over asks at a moment of rest: no batch is under way, and the
// heads of the queues are current (`whenAtRest`). An error of the store stops the loop: running work is
// stopped by `close`, and the next start goes on from what was recorded.

import { decide } from '../core/decide/decide.ts'
import type { Model, ModelId } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import type { Command, InstanceId, Reason, SchedulerEvent } from '../core/state/events.ts'
import { brokenInvariants } from '../core/state/invariants.ts'
import { bookedBytes } from '../core/state/ledger.ts'
import { type ModelProfile, restoreProfiles } from '../core/state/profile.ts'
import { cpuDeviceId, createState, type DeviceOptions, type State } from '../core/state/state.ts'
import type { Device } from '../devices/device.ts'
import type { Runner } from '../runners/runner.ts'
import type { Outcome, Store } from '../stores/store.ts'
import { type BatchContext, failQueue, performBatch } from './batch.ts'
import { type Clock, within } from './clock.ts'
import { HeadReader } from './heads.ts'
import { Instances } from './instances.ts'
import type { Booked } from './release.ts'

/** How long `close` waits for instances to be gone and their memory to be back, and then for the last writes,
 * ms: an unload of 5 s, a grace of 2 s and a release of 5 s fit in twice. Chosen, not measured. */
const closeLimitMs = 30_000

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
  /** Called with every event, in order, before it is applied. */
  onEvent?: (event: SchedulerEvent) => void
  /** Called with every recorded outcome. */
  onOutcomes?: (outcomes: readonly Outcome[]) => void
}

/** What is known at a moment of rest. */
export interface Rest {
  state: State
  /** When the store has something due by itself: a retry, or the end of a lease, ms; Infinity: it has not. */
  dueAtMs: number
}

interface Question {
  isEnough: (rest: Rest) => boolean
  resolve: () => void
  reject: (error: unknown) => void
}

export class Daemon {
  readonly state: State
  readonly #options: DaemonOptions
  readonly #instances: Instances
  readonly #batch: BatchContext
  readonly #devices: Map<string, Device>
  readonly #heads: HeadReader
  /** Batches and failing queues under way. */
  readonly #works = new Set<Promise<void>>()
  readonly #questions = new Set<Question>()
  #isPumping = false
  /** Every device has been read once. */
  #hasObserved = false
  /** It is closed, or has failed. */
  #isOver = false
  #failure: { error: unknown } | null = null
  #cancelTimer = () => {}

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
    const emit = (event: SchedulerEvent) => this.#emit(event)
    const onError = (error: unknown) => this.#fail(error)
    this.#instances = new Instances({ clock, emit, booked: (id) => this.#booked(id), onError })
    this.#heads = new HeadReader({
      store,
      clock,
      state: this.state,
      onHeads: (heads) => this.#emit({ type: 'queue-changed', atMs: clock.nowMs(), heads }),
      onCurrent: () => this.#pump(),
      onError,
    })
    this.#batch = {
      ...{ store, clock, random, emit, onError },
      state: this.state,
      instances: this.#instances,
      claimed: () => this.queuesChanged(),
      recorded: (outcomes) => this.#recorded(outcomes),
    }
  }

  /** Nothing is promised before every device has been read: others may hold what is declared to be ours. */
  start(): void {
    this.#attempt(async () => {
      await this.#instances.readings.start(this.#devices.values())
      this.#hasObserved = true
      this.queuesChanged()
    })
  }

  /** To be called after every change of the store that the daemon did not make itself: reads the heads again.
   * The first reading comes when every device has been read. */
  queuesChanged(): void {
    if (this.#hasObserved) this.#heads.changed()
  }

  /** Starts nothing new. The daemon is at rest when the running batches are recorded. */
  drain(): void {
    this.#emit({ type: 'drain-started', atMs: this.#options.clock.nowMs() })
  }

  /** Resolves at the first moment of rest at which the answer is yes. Rejects when the daemon has failed. */
  whenAtRest(isEnough: (rest: Rest) => boolean): Promise<void> {
    const answered = new Promise<void>((resolve, reject) => {
      this.#questions.add({ isEnough, resolve, reject })
    })
    answered.catch(() => {}) // whoever waits for it hears of it
    if (this.#failure) this.#fail(this.#failure.error)
    else this.#answer()
    return answered
  }

  /** Stops every instance at once, proves that they are gone and records what they had answered; the rest of
   * their items goes back. Answers with instances of which there is no proof in time: memory may never come
   * back. */
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

  /** Asks for commands until there are none. Events that are emitted meanwhile are seen by the next
   * question. */
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
    this.#answer()
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
      this.#work(performBatch(command, this.#batch))
    } else if (command.type === 'fail-queue') {
      this.#work(failQueue(command, this.#batch))
    }
  }

  #booked(instanceId: InstanceId): Booked {
    const instance = this.state.instanceById.get(instanceId)
    if (!instance) return { ownBytes: 0, othersBytes: 0 }
    const { bytes: ownBytes, device } = instance
    return { ownBytes, othersBytes: bookedBytes(device.ledger) - ownBytes + device.foreignBytes }
  }

  #recorded(outcomes: readonly Outcome[]): void {
    for (const each of outcomes) if (each.type === 'fail') this.#heads.dueAt(each.retryAtMs)
    this.#options.onOutcomes?.(outcomes)
    this.queuesChanged()
  }

  #work(task: Promise<void>): void {
    const work = task
      .catch((error) => this.#fail(error))
      .then(() => {
        this.#works.delete(work)
        this.#answer()
      })
    this.#works.add(work)
  }

  /** Answers those who wait for a moment of rest, if this is one. */
  #answer(): void {
    if (this.#isOver || !this.#hasObserved || !this.#heads.isCurrent || this.#works.size > 0) return
    const { state } = this
    const { dueAtMs } = this.#heads
    for (const question of this.#questions) {
      if (!question.isEnough({ state, dueAtMs })) continue
      this.#questions.delete(question)
      question.resolve()
    }
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

  /** The loop cannot go on. */
  #fail(error: unknown): void {
    this.#isOver = true
    this.#failure ??= { error }
    for (const { reject } of this.#questions) reject(error)
    this.#questions.clear()
  }
}
