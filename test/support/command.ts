// The real command in a folder: one that is waited for, one that goes on while a test
// asks others, and what its journal says.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, watch } from 'node:fs'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { socketFile } from '../../src/http/socket-path.ts'

export const bin = resolve(import.meta.dirname, '../../bin/plimsoll')

export interface Answer {
  status: number | null
  stdout: string
  stderr: string
  /** Both, for what is said anywhere. */
  all: string
}

export function plimsoll(folder: string, ...args: string[]): Answer {
  return plimsollWith({}, folder, ...args)
}

/** With variables beside those of this process. */
export function plimsollWith(
  environment: Readonly<Record<string, string>>,
  folder: string,
  ...args: string[]
): Answer {
  const env = { ...process.env, ...environment }
  const options = { cwd: folder, env, encoding: 'utf8', timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync(bin, args, options)
  return { status, stdout, stderr, all: stdout + stderr }
}

/** A command that goes on while the test asks others; killed at the end of the test, if it has not ended. */
export function startPlimsoll(test: TestContext, folder: string, ...args: string[]): ChildProcess {
  const child = spawn(bin, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  test.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

/** Waits until the journal of a run has what is looked for and the run can be asked; fails when it ends
 * before. */
export async function journaled(run: ChildProcess, folder: string, what: RegExp): Promise<void> {
  const home = join(folder, '.plimsoll')
  const path = join(home, 'small.journal.jsonl')
  mkdirSync(home, { recursive: true })
  const { promise, resolve: found, reject } = Promise.withResolvers<void>()
  const socket = socketFile(join(home, 'small.db'))
  const look = () => {
    if (!existsSync(path) || !what.test(readFileSync(path, 'utf8'))) return
    // Whoever asks now is to be answered by the run: it may be only just about to listen.
    if (existsSync(socket)) found()
    else if (run.exitCode === null) setTimeout(look, 10)
  }
  const ended = () => reject(new assert.AssertionError({ message: `the run has ended without ${what}` }))
  const watcher = watch(home, look)
  run.once('exit', ended)
  look()
  await promise.finally(() => {
    watcher.close()
    run.off('exit', ended)
  })
}
