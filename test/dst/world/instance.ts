// A simulated instance: it keeps the runner contract (src/runners/runner.ts) towards the
// daemon as a real one does, and lives in the simulated machine as a process does: it
// allocates, crashes, hangs, runs out of memory, answers late, never or twice, ignores TERM,
// and goes on for a while when the daemon is dead. It has no rules of its own besides.
import type { ItemError } from '../../../src/core/errors.ts'
import type { Model } from '../../../src/core/model.ts'
import type {
  BatchAnswer,
  Exit,
  Instance,
  ItemAnswer,
  LoadAnswer,
  RunnerBatch,
} from '../../../src/runners/runner.ts'
import type { Chance } from './chance.ts'
import type { Context } from './context.ts'
import { drawBatch, drawLoad, graceMs, loadLimitMs } from './course.ts'
import {
  causeOf,
  crashed,
  type End,
  errorOf,
  gaveUp,
  killed,
  outOfMemoryError,
  terminated,
  wantedMemory,
} from './ends.ts'
import { poisonOf, rightOutput, wrongOutput } from './graph.ts'
import { type Life, never } from './life.ts'
import type { Machine, Process } from './machine.ts'
import type { Traits } from './world.ts'

/** As the runner's own, ms. */
const unloadLimitMs = 5000

/** What a batch ends with when the daemon stops its instance. */
export const stopped: ItemError = { code: 'RUNNER_EXITED', message: 'the instance was stopped' }

/** What the checks want to know of an instance. */
export interface InstanceWatch {
  batchStarted(instance: SimulatedInstance, items: readonly string[]): void
  batchEnded(instance: SimulatedInstance, itemCount: number): void
  /** An item has done something that may count against it. */
  blamed(item: string): void
  /** It has done what it always does. */
  poisoned(item: string): void
}

interface Job {
  /** Of a batch. */
  readonly items: readonly string[]
  fail: (error: ItemError) => void
}

interface RunningBatch {
  readonly ids: readonly string[]
  readonly job: Job
  heldBytes: number
  peakBytes: number
  answer: (each: ItemAnswer) => void
  finish: (failure: ItemError | null) => void
}

interface Belated {
  readonly atEnd: ItemAnswer[]
  readonly afterEnd: ItemAnswer[]
}

export class SimulatedInstance implements Instance {
  readonly instanceId: string
  readonly pid: number | null
  readonly exited: Promise<Exit>
  readonly process: Process
  readonly life: Life
  readonly model: Model
  isStopping = false
  readonly #traits: Traits
  readonly #context: Context
  readonly #machine: Machine
  readonly #chance: Chance
  readonly #watch: InstanceWatch
  /** What would happen to the process; nothing of it does when it has ended. */
  readonly #plans = new Set<() => void>()
  /** A load or batches under way. */
  readonly #jobs = new Set<Job>()
  #failure: ItemError | null = null
  /** Of the kernel, when the last load or batch began. */
  #killsBefore = 0
  #exit: (exit: Exit) => void = () => {}

  constructor(
    process: Process,
    model: Model,
    {
      context,
      machine,
      chance,
      watch,
    }: { context: Context; machine: Machine; chance: Chance; watch: InstanceWatch },
  ) {
    this.instanceId = process.instanceId
    this.process = process
    this.life = process.life
    this.model = model
    this.#traits = context.world.traits.get(model.id)!
    this.pid = this.#traits.hasProcess ? process.pid : null
    this.#context = context
    this.#machine = machine
    this.#chance = chance
    this.#watch = watch
    this.exited = new Promise((resolve) => {
      this.#exit = resolve
    })
    process.onEnd = () => {
      for (const cancel of this.#plans) cancel()
      this.#plans.clear()
    }
    process.endAfter = (ms) => this.#plan(ms, () => this.#crash(killed))
    process.kill = () => this.#crash(killed)
  }

  remains(): string {
    if (!this.process.isAlive) return 'its processes are gone'
    return `process ${this.process.pid} (simulated), which does not react to KILL`
  }

  get isBusy(): boolean {
    return this.#jobs.size > 0
  }

  load(): Promise<LoadAnswer> {
    if (!this.life.act('load')) return never()
    const { faults } = this.#context
    const { loadMs, fate } = drawLoad(this.model, this.#chance, this.#context)
    return new Promise((resolve) => {
      const job = this.#begin([], (error) => resolve({ type: 'failed', error, retryable: true }))
      const { bytes } = this.#traits
      this.#plan(loadMs * 0.4, () => {
        if (fate === 'load-out-of-memory' || !this.#machine.allocate(this.process, bytes)) this.#runOut(job)
      })
      this.#plan(loadLimitMs, () =>
        this.#expire(job, { code: 'LOAD_TIMEOUT', message: 'took too long to load' }),
      )
      if (fate === 'load-hangs' || fate === 'load-out-of-memory') return
      this.#plan(fate === null ? loadMs : loadMs * this.#chance.number(), () => {
        if (fate === 'load-crashes') return this.#crash(gaveUp)
        if (!this.#end(job)) return
        if (fate === 'load-fails' || fate === 'load-broken') {
          const error = { code: 'LOAD_FAILED', message: 'no weights' }
          return this.#tell(() => resolve({ type: 'failed', error, retryable: fate === 'load-fails' }))
        }
        if (faults.strikes('idle-crashes'))
          this.#plan(this.#chance.between(1, 20_000), () => this.#crash(crashed))
        const residentBytes = this.#traits.tellsSize ? bytes : null
        const maxBatch = this.#chance.happens(0.2) ? this.#chance.between(1, 8) : null
        this.#tell(() => resolve({ type: 'loaded', residentBytes, maxBatch }))
      })
    })
  }

  run(batch: RunnerBatch): Promise<BatchAnswer> {
    if (!this.life.act('run')) return never()
    this.#watch.batchStarted(
      this,
      batch.items.map(({ id }) => id),
    )
    if (this.#failure || !this.process.isAlive)
      return Promise.resolve({ answers: [], failure: this.#failure ?? stopped, peakBytes: null })
    return new Promise((resolve) => this.#perform(batch, resolve))
  }

  #perform(batch: RunnerBatch, resolve: (answer: BatchAnswer) => void): void {
    const { items, timeoutMs } = batch
    const size = { itemCount: items.length, timeoutMs }
    const { batchMs, limitMs, fate } = drawBatch(this.model, size, this.#chance, this.#context)
    const running = this.#beginBatch(batch, resolve)
    this.#plan(1, () => this.#takeMemory(running))
    this.#plan(limitMs, () =>
      this.#expire(running.job, { code: 'RUN_TIMEOUT', message: 'took too long to run' }),
    )
    const endMs = fate === null ? batchMs : batchMs * this.#chance.number()
    const { atEnd, afterEnd } = this.#planAnswers(running, batchMs, fate === null ? null : endMs)
    this.#planStranger(running)
    if (fate === 'batch-hangs') return
    this.#plan(Math.max(2, endMs), () => {
      if (fate === 'batch-crashes') return this.#crash(crashed)
      if (!this.#end(running.job)) return
      for (const each of atEnd) running.answer(each)
      running.finish(null)
      for (const each of afterEnd)
        this.life.deliver(this.#chance.between(0, 3000), () => batch.onAnswer?.(each))
    })
  }

  #beginBatch({ items, onAnswer }: RunnerBatch, resolve: (answer: BatchAnswer) => void): RunningBatch {
    const answers: ItemAnswer[] = []
    const ids = items.map(({ id }) => id)
    const finish = (failure: ItemError | null) => {
      this.#machine.free(this.process, running.heldBytes)
      if (this.process.isAlive && this.#context.faults.isOn)
        this.#machine.allocate(this.process, this.#traits.leakBytes)
      this.#watch.batchEnded(this, ids.length)
      const restBytes = this.#traits.tellsRest && this.process.isAlive ? this.process.bytes : null
      const said = { peakBytes: this.#said(running.peakBytes), residentBytes: this.#said(restBytes) }
      this.#tell(() => resolve({ answers, failure, ...said }))
    }
    const answer = (each: ItemAnswer) => {
      answers.push(each)
      this.#tell(() => onAnswer?.(each))
    }
    const job = this.#begin(ids, finish)
    const running = { ids, job, heldBytes: 0, peakBytes: this.process.bytes, answer, finish }
    return running
  }

  /** For its items, beside the model: or the batch runs out of memory. */
  #takeMemory(running: RunningBatch): void {
    const { ids, job, answer, finish } = running
    const bytes = Math.floor(ids.length * this.#traits.activationBytes)
    const isTooMuch =
      ids.length >= this.#traits.outOfMemoryFrom || !this.#machine.allocate(this.process, bytes)
    if (!isTooMuch) {
      running.heldBytes = bytes
      running.peakBytes = this.process.bytes
    } else if (this.#chance.happens(0.7)) this.#runOut(job)
    else if (this.#end(job)) {
      if (ids.length === 1) this.#watch.blamed(ids[0]!)
      for (const id of ids) answer({ type: 'error', id, error: outOfMemoryError, retryable: true })
      finish(null)
    }
  }

  /** Plans an answer for each item, in turn; gives back those that come with the end
   * and after it. A batch that is cut short at `cutMs` gives no later ones. */
  #planAnswers({ ids, job, answer }: RunningBatch, batchMs: number, cutMs: number | null): Belated {
    const { faults } = this.#context
    const belated: Belated = { atEnd: [], afterEnd: [] }
    for (const [index, id] of ids.entries()) {
      const atMs = Math.max(2, (batchMs * (index + 1)) / (ids.length + 1))
      const poison = poisonOf(this.#context, id)
      if (poison !== null) {
        this.#plan(atMs, () => this.#poison(poison, id, job, answer))
        continue
      }
      const each = this.#answerFor(id)
      if (faults.strikes('answer-late')) belated.atEnd.push(each)
      else if (faults.strikes('answer-after-end')) {
        belated.afterEnd.push(each)
        this.#watch.blamed(id)
      } else if (faults.strikes('answer-lost')) this.#watch.blamed(id)
      else if (cutMs === null || atMs < cutMs) {
        this.#plan(atMs, () => answer(each))
        if (faults.strikes('answer-doubled'))
          this.#plan(atMs + this.#chance.between(0, 50), () => answer(wrongAnswer(id)))
      }
    }
    return belated
  }

  /** An answer for an item that is not in the batch. */
  #planStranger({ ids, answer }: RunningBatch): void {
    const stranger = ['i0', 'i1', 'i2'].find((id) => !ids.includes(id))
    if (stranger && this.#context.faults.strikes('answer-of-stranger'))
      this.#plan(2, () => answer(wrongAnswer(stranger)))
  }

  /** What the worker says that it held. */
  #said(bytes: number | null): number | null {
    if (bytes === null || !this.#context.faults.strikes('reports-lie')) return bytes
    const lie = this.#chance.pick([null, 0, 0.5, 1.5, 3])
    return lie === null ? null : Math.floor(bytes * lie)
  }

  #poison(
    poison: 'kills' | 'needs too much',
    id: string,
    job: Job,
    answer: (each: ItemAnswer) => void,
  ): void {
    if (!this.#jobs.has(job)) return
    this.#context.faults.counts.poison++
    this.#watch.poisoned(id)
    if (poison === 'kills') this.#crash(crashed)
    else if (this.#chance.happens(0.5)) this.#runOut(job)
    else {
      if (job.items.length === 1) this.#watch.blamed(id)
      answer({ type: 'error', id, error: outOfMemoryError, retryable: true })
    }
  }

  #answerFor(id: string): ItemAnswer {
    if (!this.#context.faults.strikes('item-fails')) return { type: 'output', id, output: rightOutput(id) }
    this.#watch.blamed(id)
    const error = { code: 'RUN_FAILED', message: 'chance' }
    return { type: 'error', id, error, retryable: this.#chance.happens(0.5) }
  }

  stop(): Promise<Exit> {
    if (!this.life.act('stop')) return never()
    this.#stop()
    return this.exited
  }

  /** Unload where nothing runs, TERM, grace, KILL. */
  #stop(): void {
    if (this.isStopping || !this.process.isAlive) return
    this.isStopping = true
    const wasBusy = this.isBusy
    const isSlow = this.#context.faults.strikes('stop-slow')
    const unloadMs = wasBusy || this.#failure ? 0 : isSlow ? unloadLimitMs : this.model.unloadMs
    const killMs = isSlow ? graceMs + this.#chance.pick([0, 1000, 15_000]) : this.#chance.between(1, 100)
    if (isSlow) this.#context.disturb(unloadMs + killMs)
    this.#fail(stopped)
    if (!this.#context.faults.strikes('stop-never')) {
      this.#plan(unloadMs + killMs, () => this.#crash(terminated))
      return
    }
    this.process.isStuck = true
    const ms = this.#chance.pick([30_000, 200_000, Number.POSITIVE_INFINITY])
    if (ms < Number.POSITIVE_INFINITY)
      this.#plan(ms, () => {
        this.process.isStuck = false
        this.#crash(terminated)
      })
  }

  /** The process ends, whatever the reason: all of its group is gone. As in
   * src/runners/stdio.ts, who ran out of memory is told from how it ended. */
  #crash(end: End): void {
    if (!this.process.isAlive || this.process.isStuck) return
    if (!this.isStopping) this.#context.disturb(2 * this.model.loadMs) // it has to be loaded again
    this.#machine.end(this.process)
    const killsBefore = this.isStopping ? null : this.#killsBefore
    this.#fail(errorOf(end, killsBefore, this.#machine.kernelKills))
    const exit = { code: end.code, signal: end.signal, cause: causeOf(end) }
    this.#tell(() => this.#exit(exit))
  }

  /** The worker says so; or ends with such words, or is killed: by the kernel, which
   * counts, or by nobody knows whom. */
  #runOut(job: Job): void {
    const way = this.#chance.pick(['says', 'says', 'words', 'kernel', 'kill'])
    if (way === 'words') this.#crash(wantedMemory)
    else if (way === 'kernel') this.#machine.killForMemory(this.process)
    else if (way === 'kill') this.#crash(killed)
    else if (this.#end(job)) {
      this.#blame(job)
      job.fail(outOfMemoryError)
    }
  }

  /** Who was alone in a batch that failed. */
  #blame({ items }: Job): void {
    if (items.length === 1) this.#watch.blamed(items[0]!)
  }

  #expire(job: Job, error: ItemError): void {
    if (!this.#jobs.has(job)) return
    this.#fail(error)
    this.#stop()
  }

  #fail(error: ItemError): void {
    this.#failure ??= error
    for (const job of this.#jobs) {
      if (!this.#end(job)) continue
      if (!this.isStopping) this.#blame(job)
      job.fail(this.#failure)
    }
  }

  #begin(items: readonly string[], fail: (error: ItemError) => void): Job {
    const job = { items, fail }
    this.#killsBefore = this.#machine.kernelKills
    this.#jobs.add(job)
    return job
  }

  /** False: it has ended before. */
  #end(job: Job): boolean {
    return this.#jobs.delete(job)
  }

  #tell(tell: () => void): void {
    if (!this.life.isOver) tell()
  }

  #plan(ms: number, act: () => void): void {
    const cancel = this.#context.agenda.after(ms, () => {
      this.#plans.delete(cancel)
      act()
    })
    this.#plans.add(cancel)
  }
}

function wrongAnswer(id: string): ItemAnswer {
  return { type: 'output', id, output: wrongOutput(id) }
}
