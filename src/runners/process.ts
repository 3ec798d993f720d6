// A worker process in a group of its own. Its stdin is its lifeline: when we die, stdin ends and the worker
// ends itself. Stopping is TERM to the group, a grace, KILL to the group; `exited` resolves only when no
// process of it is left (owned.ts), so that memory held by children counts until it is really free.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { ownerVariable } from '../devices/processes.ts'
import { endGroup, endStrays, namesOf, pidsOf } from './owned.ts'
import type { Exit } from './runner.ts'

export interface ProcessOptions {
  argv: readonly string[]
  cwd: string
  environment: Readonly<Record<string, string>>
  /** Who starts it: its descendants are known by this, also outside the group. */
  owner: string
  /** Standard error (and standard output where `answersOn` is 3) is appended here. */
  logFile: string
  /** The descriptor on which the worker answers: 1, standard output, or 3, one of its own. */
  answersOn: 1 | 3
  /** From TERM to KILL, ms. */
  graceMs: number
  /** Default true: what left the group ends with it. */
  endsStrays?: boolean
}

export class WorkerProcess {
  readonly child: ChildProcess
  /** Leader of the group; undefined when it could not be started. */
  readonly pid: number | undefined
  /** Resolves when the whole group is gone. */
  readonly exited: Promise<Exit>
  readonly #options: ProcessOptions
  #stopping: Promise<Exit> | null = null
  /** The last thing that it was told. */
  #signal: 'nothing' | 'TERM' | 'KILL' = 'nothing'

  constructor(options: ProcessOptions) {
    const { argv, cwd, environment, owner, logFile, answersOn } = options
    this.#options = options
    writeFileSync(logFile, '') // an earlier run's instance may have had this name
    const log = openSync(logFile, 'a')
    const stdio = answersOn === 1 ? (['pipe', 'pipe', log] as const) : (['pipe', log, log, 'pipe'] as const)
    const [command, ...args] = argv
    // `node` is the Node that runs us: the one on the PATH may be older.
    const file = command === 'node' ? process.execPath : command!
    this.child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...environment, [ownerVariable]: owner },
      stdio: [...stdio],
      detached: true,
    })
    closeSync(log)
    this.pid = this.child.pid
    this.child.stdin!.on('error', () => {}) // it ended while we wrote; `exited` tells
    this.exited = this.#watch()
  }

  async #watch(): Promise<Exit> {
    const exit = await new Promise<Exit>((resolve) => {
      this.child.on('error', (error) =>
        resolve({ code: null, signal: null, cause: `could not be started: ${error.message}` }),
      )
      this.child.on('exit', (code, signal) => resolve({ code, signal, cause: causeOf(code, signal) }))
    })
    if (this.pid === undefined) return exit
    // What the leader left behind holds memory too.
    await this.#end(0)
    const { owner, endsStrays = true } = this.#options
    if (endsStrays) await endStrays(owner)
    return exit
  }

  /** The leader has ended by itself or was killed. */
  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** TERM → grace → KILL; resolves with proof. */
  stop(): Promise<Exit> {
    this.#stopping ??= (async () => {
      this.child.stdin?.end()
      await this.#end(this.#options.graceMs)
      return this.exited
    })()
    return this.#stopping
  }

  async #end(graceMs: number): Promise<void> {
    if (this.pid === undefined) return
    await endGroup(this.pid, graceMs, (signal) => {
      this.#signal = signal
    })
  }

  /** What is still there, for people. */
  remains(): string {
    const pids = this.pid === undefined ? [] : pidsOf(this.pid, this.#options.owner)
    if (pids.length === 0) return 'its processes are gone'
    return `${namesOf(pids)}, which ${this.#signal === 'nothing' ? 'has not ended yet' : `does not react to ${this.#signal}`}`
  }
}

function causeOf(code: number | null, signal: string | null): string {
  return signal === null ? `ended with code ${code}` : `was killed by ${signal}`
}
