// The store on the simulated disk: the memory store behind a wrapper. A call is carried out after
// a while and answered after another; it may be refused (STORE_FULL), or its outcome may be
// unknown (STORE_FAILED, carried out or not). Several calls under way are carried out in the order
// in which they were made, or in any (as over several connections). When the daemon is killed each
// call under way happens or does not; a `finish` may even happen when the next daemon runs.
import { SchedulerError } from '../../../src/core/errors.ts'
import { openMemoryStore } from '../../../src/stores/memory.ts'
import type { Outcome, Resolver, Store } from '../../../src/stores/store.ts'
import type { Chance } from './chance.ts'
import type { Context } from './context.ts'
import { type Life, never } from './life.ts'

/** Told of every call that is carried out; what it awaits comes before the answer. */
export interface StoreWatch {
  carryOut<T>(method: string, args: readonly unknown[], work: () => Promise<T>): Promise<T>
}

interface Call {
  method: string
  carryOut: () => Promise<void>
}

const reads = new Set(['queueHeads', 'list', 'briefs', 'latestAtMs', 'get', 'events', 'stats'])

export class FaultyStore {
  /** Without faults, for the user and the checks. */
  readonly store: Store
  /** Errors that were made up here. */
  readonly injected = new Set<unknown>()
  readonly #context: Context
  readonly #chance: Chance
  readonly #watch: StoreWatch
  readonly #isOrdered: boolean
  readonly #pending = new Set<Call>()
  /** Calls that are carried out, or answered, no earlier. */
  #carriedOutAtMs = 0
  #owner: Life | null = null
  #openCount = 0

  constructor(context: Context, resolver: Resolver, watch: (store: Store) => StoreWatch) {
    this.#context = context
    this.store = openMemoryStore({ resolver })
    this.#watch = watch(this.store)
    this.#chance = context.chance('disk')
    this.#isOrdered = this.#chance.happens(0.5)
  }

  /** Calls that have not been answered. */
  get openCount(): number {
    return this.#openCount
  }

  async open(life: Life): Promise<Store> {
    if (!life.act('open')) return never()
    this.#context.check(this.#owner === null, () => 'two daemons own one store')
    this.#owner = life
    this.#openCount = 0
    const call =
      (method: string) =>
      (...args: unknown[]) =>
        this.#call(life, method, args)
    return {
      supports: { durable: true, shared: false },
      submit: call('submit'),
      queueHeads: call('queueHeads'),
      claim: call('claim'),
      heartbeat: call('heartbeat'),
      finish: call('finish'),
      cancel: call('cancel'),
      retry: call('retry'),
      adopt: call('adopt'),
      sweep: call('sweep'),
      releaseAll: call('releaseAll'),
      get: call('get'),
      list: call('list'),
      briefs: call('briefs'),
      latestAtMs: call('latestAtMs'),
      events: call('events'),
      stats: call('stats'),
      close: () => this.#close(life),
    } as Store
  }

  #call(life: Life, method: string, args: unknown[]): Promise<unknown> {
    if (!life.act(method)) return never()
    this.#context.check(this.#owner === life, () => `the daemon calls ${method} after it closed the store`)
    const fate = this.#fate(method)
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void) => {
        const tell = () => {
          this.#openCount--
          settle()
        }
        const ms = this.#isOrdered ? 0 : this.#delayMs()
        if (ms === 0 && !life.isOver) tell()
        else life.deliver(ms, tell)
      }
      const call: Call = {
        method,
        carryOut: async () => {
          this.#pending.delete(call)
          if (fate === 'full' || fate === 'lost') return answer(() => reject(this.#error(fate, method)))
          try {
            const value = await this.#watch.carryOut(method, args, () => this.#ask(method, args))
            answer(() => (fate === 'done' ? reject(this.#error(fate, method)) : resolve(value)))
          } catch (error) {
            answer(() => reject(error))
          }
        },
      }
      this.#pending.add(call)
      this.#openCount++
      this.#context.agenda.after(this.#delayUntilTurnMs(), () => {
        if (this.#pending.has(call)) call.carryOut()
      })
    })
  }

  #ask(method: string, args: readonly unknown[]): Promise<unknown> {
    const ask = this.store[method as keyof Store] as (...args: readonly unknown[]) => Promise<unknown>
    return ask(...args)
  }

  /** In order: never before the call that was made before it. */
  #delayUntilTurnMs(): number {
    const { nowMs } = this.#context.agenda
    const atMs = nowMs + this.#delayMs()
    this.#carriedOutAtMs = this.#isOrdered ? Math.max(atMs, this.#carriedOutAtMs) : atMs
    return this.#carriedOutAtMs - nowMs
  }

  #delayMs(): number {
    if (!this.#context.faults.strikes('store-slow')) return this.#chance.between(0, 2)
    const ms = this.#chance.between(100, 5000)
    this.#context.disturb(2 * ms)
    return ms
  }

  #fate(method: string): 'fine' | 'full' | 'done' | 'lost' {
    if (reads.has(method)) return 'fine'
    if (this.#context.faults.strikes('store-full')) return 'full'
    if (this.#context.faults.strikes('store-unknown')) return this.#chance.pick(['done', 'lost'])
    return 'fine'
  }

  #error(fate: 'full' | 'done' | 'lost', method: string): SchedulerError {
    const error =
      fate === 'full'
        ? new SchedulerError('STORE_FULL', `The disk is full: ${method}.`)
        : new SchedulerError('STORE_FAILED', `Nobody knows whether ${method} happened.`)
    this.injected.add(error)
    return error
  }

  /** As SQLite does: what was asked for is carried out before. */
  async #close(life: Life): Promise<void> {
    if (!life.act('close')) return never()
    for (const call of [...this.#pending]) await call.carryOut()
    this.#owner = null
  }

  /** The lock goes with its owner. Each call under way happens or does not; a stale
   * answer may come when nobody waits. */
  async kill(life: Life): Promise<void> {
    if (this.#owner !== life) return
    this.#owner = null
    for (const call of [...this.#pending]) {
      const fate = this.#chance.pick(['happens', 'does not', call.method === 'finish' ? 'late' : 'does not'])
      if (fate === 'happens') await call.carryOut()
      else this.#pending.delete(call)
      if (fate === 'late')
        this.#context.agenda.after(this.#chance.between(100, 10_000), () => call.carryOut())
    }
  }
}

/** The outcomes of a `finish`. */
export function outcomesOf(args: readonly unknown[]): { token: string; outcomes: Outcome[] } {
  return { token: args[0] as string, outcomes: args[1] as Outcome[] }
}
