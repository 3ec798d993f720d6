// The chaos agent: what it does and when is drawn from the seed before the round
// begins; to whom, when the moment comes, since that hangs on who is there.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Chance } from '../dst/world/chance.ts'
import type { Machine } from './machine.ts'
import type { ChaosProject } from './project.ts'
import { type Seen, Sight } from './sight.ts'

export type FaultKind = 'kill worker' | 'pause worker' | 'stop worker' | 'kill scheduler' | 'eat memory'

export type FaultCounts = Readonly<Record<FaultKind, number>>

interface Fault {
  atMs: number
  kind: FaultKind
}

export interface AgentOptions {
  seed: number
  round: string
  machine: Machine
  project: ChaosProject
  counts: FaultCounts
  /** Faults come in the first so many ms. */
  forMs: number
  /** The scheduler that runs now; null: none. */
  scheduler: () => ChildProcess | null
}

export class Agent {
  /** Workers that were killed or stopped: what ran there may have failed for it. */
  readonly hitPids = new Set<number>()
  readonly done: Record<FaultKind, number>
  readonly #options: AgentOptions
  readonly #chance: Chance
  readonly #plan: Fault[]
  readonly #sight: Sight
  readonly #eaters = new Set<ChildProcess>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #isOver = false

  constructor(options: AgentOptions) {
    const { seed, round, counts, forMs } = options
    this.#options = options
    this.#chance = new Chance(seed, 'agent')
    this.#sight = new Sight(round)
    const kinds = Object.keys(counts) as FaultKind[]
    this.#plan = kinds
      .flatMap((kind) =>
        Array.from({ length: counts[kind] }, () => ({ kind, atMs: this.#chance.between(300, forMs) })),
      )
      .sort((a, b) => a.atMs - b.atMs)
    this.done = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<FaultKind, number>
  }

  /** The first fault comes some time after this. */
  start(): void {
    for (const { atMs, kind } of this.#plan) this.#after(atMs, () => this.#perform(kind))
  }

  /** No more faults; what it started is gone, what it stopped stays as it is. */
  async end(): Promise<void> {
    this.#isOver = true
    for (const timer of this.#timers) clearTimeout(timer)
    await Promise.all(
      [...this.#eaters].map(async (eater) => {
        const exited = once(eater, 'exit')
        eater.kill('SIGKILL')
        await exited
      }),
    )
  }

  #after(ms: number, task: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      if (!this.#isOver) task()
    }, ms)
    this.#timers.add(timer)
  }

  #perform(kind: FaultKind): void {
    const handlers: Record<FaultKind, () => boolean> = {
      'kill worker': () => this.#signal('SIGKILL') !== null,
      'stop worker': () => this.#signal('SIGSTOP') !== null,
      'pause worker': () => {
        const worker = this.#signal('SIGSTOP')
        if (worker) this.#after(this.#chance.between(50, 1200), () => signal(worker, 'SIGCONT'))
        return worker !== null
      },
      'kill scheduler': () => this.#options.scheduler()?.kill('SIGKILL') ?? false,
      'eat memory': () => this.#eat(),
    }
    if (handlers[kind]()) this.done[kind]++
    else this.#after(100, () => this.#perform(kind)) // nobody is there: a little later
  }

  /** To the first process of a worker, whatever it does just now. */
  #signal(name: NodeJS.Signals): Seen | null {
    const workers = this.#sight.look().filter(({ pid, group, model }) => model !== null && pid === group)
    // A child that left its worker's group leads one of its own; it has no pipe to the scheduler.
    const pids = new Set(workers.map(({ pid }) => pid))
    const leaders = workers.filter(({ parent }) => !pids.has(parent))
    if (leaders.length === 0) return null
    const worker = this.#chance.pick(leaders)
    if (!signal(worker, name)) return null
    this.hitPids.add(worker.pid)
    return worker
  }

  #eat(): boolean {
    const { machine, project } = this.#options
    const bytes = project.capacityBytes * (0.5 + 0.5 * this.#chance.number())
    const eater = machine.eater(bytes, this.#chance.between(1000, 4000))
    this.#eaters.add(eater)
    eater.on('exit', () => this.#eaters.delete(eater))
    return true
  }
}

/** False: it is gone. */
function signal({ pid }: Seen, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}
