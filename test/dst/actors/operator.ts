// Whoever runs the daemon: starts it while there is work, presses Ctrl-C once or twice,
// and starts it again after a kill or an error of the store. What it does to the daemon
// is what cli/run.ts does. Judges how a life of the daemon ends.
import { type ModelProfile, profilesOf } from '../../../src/core/state/profile.ts'
import type { ItemId } from '../../../src/core/work/item.ts'
import type { Clock } from '../../../src/daemon/clock.ts'
import { Daemon } from '../../../src/daemon/daemon.ts'
import { Jobs } from '../../../src/daemon/jobs.ts'
import { recover } from '../../../src/daemon/recovery.ts'
import { isRunOver, submitRun } from '../../../src/daemon/run.ts'
import type { Store } from '../../../src/stores/store.ts'
import { LedgerChecks } from '../checks/ledger.ts'
import { closeMs } from '../checks/liveness.ts'
import type { AllSeen } from '../checks/sizes.ts'
import { SnapshotChecks } from '../checks/snapshots.ts'
import type { Chance } from '../world/chance.ts'
import { runLimitMs } from '../world/course.ts'
import { pipelineName } from '../world/graph.ts'
import { Life } from '../world/life.ts'
import type { Current, Parts } from '../world/parts.ts'
import { type Daemons, User } from './user.ts'

/** The longest batch, and all calls of the store slow. */
const drainMs = runLimitMs + 60_000

/** What was learned is written down so often, ms: as in daemon/run.ts. */
const keepMs = 10_000

/** A pause between two looks at memory that `close` has given up on may be under way. */
const pollMs = 251

export class Operator implements Daemons {
  current: Current | null = null
  lifeCount = 0
  /** Everything has ended and the last daemon is closed. */
  isDone = false
  readonly #parts: Parts
  readonly #chance: Chance
  readonly #user: User
  /** What the last daemon had learned of the models, as far as it is on disk. */
  #kept: { profiles: ModelProfile[]; seen: AllSeen } = { profiles: [], seen: new Map() }
  #wake: () => void = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
    const { context } = parts
    this.#chance = context.chance('operator')
    this.#user = new User(parts, this)
    for (const atMs of context.faults.moments('drain', context.settings.spanMs))
      context.agenda.after(atMs, () => this.#interrupt())
  }

  get listedIds(): ItemId[] {
    return this.#user.listedIds
  }

  async run(): Promise<void> {
    while (await this.#untilWork()) {
      const life = new Life(++this.lifeCount, this.#parts.context)
      this.#parts.context.log('life', String(life.number))
      this.#parts.machine.freeStuck()
      void life.killed.then(() => this.#ended(life))
      await Promise.race([this.#live(life), life.killed])
      life.end()
      this.current = null
      await this.#parts.context.agenda.sleep(this.#chance.pick([1, 100, 5000]))
    }
    this.isDone = true
  }

  /** The process is gone, by a kill or by itself. */
  #ended(life: Life): Promise<void> {
    this.#parts.runners.orphan(life)
    return this.#parts.faultyStore.kill(life)
  }

  /** Until something is listed that has not ended; false: there is and will be nothing more. What the
   * last daemon left when it was killed, and what an edited pipeline had lost, is left to one more. */
  async #untilWork(): Promise<boolean> {
    const { context, machine } = this.#parts
    while (!this.#user.wants) {
      if (this.#user.hasAll && !context.faults.isOn)
        return this.#user.isEdited || machine.alive().some(({ isRecorded }) => isRecorded)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return true
  }

  nudge(): void {
    this.#wake()
    this.#wake = () => {}
  }

  async #live(life: Life): Promise<void> {
    const { faultyStore, items, runners, liveness } = this.#parts
    const listed = this.#user.pipeline()
    let current: Current
    let store: Store
    try {
      const recovered = await recover({
        openStore: () => faultyStore.open(life),
        reapLeftovers: () => runners.reapLeftovers(life),
        machine: life.clock,
      })
      store = recovered.store
      current = this.#createDaemon(life, store, recovered.clock)
    } catch (error) {
      return this.#judge(error)
    }
    const { daemon, jobs } = current
    try {
      await submitRun({ daemon, jobs }, pipelineName, listed)
    } catch (error) {
      await store.close()
      return this.#judge(error)
    }
    const finished = daemon.whenAtRest(isRunOver)
    daemon.start()
    this.current = current
    current.isRunning = true
    items.lifeBegan()
    liveness.lifeBegan()
    this.#user.submitListed()
    await finished.then(
      () => this.#finished(current),
      (error) => this.#judge(error, current),
    )
    current.isRunning = false
    await this.#close(current, store)
  }

  #createDaemon(life: Life, store: Store, clock: Clock): Current {
    const self = this
    const { context, machine, devices, runners, items, liveness } = this.#parts
    const itemWatch = {
      runStarted(modelId: string, ids: readonly string[]) {
        liveness.batchStarted(modelId)
        items.runStarted(ids)
      },
      blamed: (id: string) => items.blamed(id),
      poisoned: (id: string) => items.poisoned(id),
    }
    const checks = new LedgerChecks(context, machine, life, itemWatch, structuredClone(this.#kept.seen))
    const byId = devices.forLife(life)
    const snapshots = new SnapshotChecks(context)
    let keptAtMs = clock.nowMs()
    const daemon: Daemon = new Daemon({
      store,
      models: context.world.models,
      runners: runners.forLife(life, checks),
      devices: context.world.devices.map(({ options }) => ({ options, device: byId.get(options.id)! })),
      policy: context.world.policy,
      profiles: structuredClone(this.#kept.profiles),
      clock,
      random: context.chance(`backoff ${life.number}`).number,
      onEvent(event) {
        if (life.isOver) return
        context.log('event', event)
        if (event.atMs - keptAtMs >= keepMs) {
          keptAtMs = event.atMs
          self.#keep(current)
        }
        checks.event(event, daemon.state)
        snapshots.event(event, daemon.state)
      },
      onOutcomes(outcomes) {
        if (!life.isOver) items.reported(outcomes)
      },
    })
    const jobs = new Jobs({ store, clock, onChange: () => daemon.queuesChanged() })
    const current: Current = { life, checks, daemon, jobs, clock, isRunning: false }
    return current
  }

  /** What was learned is on disk: as in daemon/run.ts. */
  #keep({ daemon, checks }: Current): void {
    this.#kept = structuredClone({ profiles: profilesOf(daemon.state), seen: checks.seen })
  }

  /** A run that is over has nothing left that could run. */
  #finished({ daemon, life }: Current): void {
    const { context, items } = this.#parts
    if (life.isOver || daemon.state.isDraining) return
    context.check(items.openCount === 0, () => `the run is over with ${items.openCount} items open`)
  }

  /** An error that a life ends with is one that was made up, or says what is true. */
  #judge(error: unknown, current?: Current): void {
    const { context, faultyStore } = this.#parts
    const { message } = error as Error
    context.log('error', message)
    if (faultyStore.injected.has(error)) return
    const isRefused = message.endsWith('did not answer') && !current?.checks.hasReadAll
    context.check(isRefused, () => `the daemon ended with: ${message}`)
  }

  /** Without a store the process exits next, and takes the lock and what it had not written along. */
  async #close(current: Current, store: Store | null): Promise<void> {
    const { daemon, checks, life } = current
    const { context, machine } = this.#parts
    const startedAtMs = context.agenda.nowMs
    const stopWatching = context.agenda.after(closeMs, () =>
      context.check(life.isOver, () => `close has not ended after ${closeMs} ms`),
    )
    const unproven = await daemon.close()
    stopWatching()
    context.log('closed', `after ${context.agenda.nowMs - startedAtMs} ms`)
    await store?.close()
    await context.agenda.sleep(pollMs)
    if (life.isOver) return
    this.#keep(current)
    context.check(life.timerCount === 0, () => `${life.timerCount} timers are left after close`)
    const booked = [...checks.instances.keys()]
    context.check(
      String(unproven) === String(booked),
      () => `close says ${unproven} are left, and ${booked} are booked`,
    )
    const left = machine.alive().filter((each) => each.life === life && !unproven.includes(each.instanceId))
    context.check(left.length === 0, () => `${left.map(({ instanceId }) => instanceId)} live after close`)
    checks.afterMoment({ state: daemon.state, isWorking: false })
  }

  /** Ctrl-C; in one of three cases again before it is done: then the process exits at once. */
  #interrupt(): void {
    const { current } = this
    if (!current?.isRunning) return
    this.#parts.context.faults.happens('drain')
    current.daemon.drain()
    this.#parts.context.agenda.after(drainMs, () =>
      this.#parts.context.check(
        !current.isRunning || current.life.isOver,
        () => `a drain has not ended after ${drainMs} ms`,
      ),
    )
    if (!this.#chance.happens(0.3)) return
    this.#parts.context.agenda.after(this.#chance.between(1, 3000), async () => {
      if (this.current !== current || !current.isRunning) return
      current.isRunning = false
      await this.#close(current, null)
      current.life.end()
    })
  }
}
