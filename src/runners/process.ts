// A worker process in a group of its own. Its stdin is its lifeline: when we die, stdin ends and the worker ends itself.
// Stopping is TERM to the group, a grace, KILL to the group; `exited` resolves only when no process of the group is left,
// so that memory held by children counts until it is really free.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import type { Exit } from './runner.ts'

export interface ProcessOptions {
  argv: readonly string[]
  cwd: string
  environment: Readonly<Record<string, string>>
  /** Standard error (and standard output where `answersOn` is 3) is appended here. */
  logFile: string
  /** The descriptor on which the worker answers: 1, standard output, or 3, one of its own. */
  answersOn: 1 | 3
  /** From TERM to KILL, ms. */
  graceMs: number
}

/** How often a group is asked whether it is gone, ms. */
const pollMs = 20

export class WorkerProcess {
  readonly child: ChildProcess
  /** Leader of the group; undefined when it could not be started. */
  readonly pid: number | undefined
  /** Resolves when the whole group is gone. */
  readonly exited: Promise<Exit>
  readonly #graceMs: number
  #stopping: Promise<Exit> | null = null

  constructor({ argv, cwd, environment, logFile, answersOn, graceMs }: ProcessOptions) {
    writeFileSync(logFile, '') // an earlier run's instance may have had this name
    const log = openSync(logFile, 'a')
    const stdio = answersOn === 1 ? (['pipe', 'pipe', log] as const) : (['pipe', log, log, 'pipe'] as const)
    const [command, ...args] = argv
    // `node` is the Node that runs us: the one on the PATH may be older.
    const file = command === 'node' ? process.execPath : command!
    this.child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...environment },
      stdio: [...stdio],
      detached: true,
    })
    closeSync(log)
    this.pid = this.child.pid
    this.#graceMs = graceMs
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
    // What the leader left behind holds memory too.
    if (this.pid !== undefined) await endGroup(this.pid, 0)
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
      if (this.pid !== undefined) await endGroup(this.pid, this.#graceMs)
      return this.exited
    })()
    return this.#stopping
  }
}

function causeOf(code: number | null, signal: string | null): string {
  return signal === null ? `ended with code ${code}` : `was killed by ${signal}`
}

/** Ends a process group and resolves when it is gone: TERM, after the grace KILL. Grace 0: KILL at once. */
export async function endGroup(group: number, graceMs: number): Promise<void> {
  if (graceMs > 0) {
    signalGroup(group, 'SIGTERM')
    const deadlineMs = Date.now() + graceMs
    while (Date.now() < deadlineMs) {
      if (!isGroupAlive(group)) return
      await new Promise((wake) => setTimeout(wake, pollMs))
    }
  }
  while (isGroupAlive(group)) {
    signalGroup(group, 'SIGKILL')
    await new Promise((wake) => setTimeout(wake, pollMs))
  }
}

export function isGroupAlive(group: number): boolean {
  return signalGroup(group, 0)
}

function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
