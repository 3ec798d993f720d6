// A plain command for each item: its input as JSON on stdin, its output as JSON on stdout, a failure as
// a code other than 0 with the reason on stderr, in the line that tells most (last-words.ts). Nothing is
// loaded and nothing stays.

import { rmSync } from 'node:fs'
import type { ItemError } from '../core/errors.ts'
import { readJson } from '../core/json.ts'
import type { InstanceId } from '../core/state/events.ts'
import { formatMs } from '../core/units.ts'
import { endOfLog, isBroken, lastWords } from './last-words.ts'
import { kernelKills, outOfMemory, ranOutOfMemory } from './out-of-memory.ts'
import { endStrays } from './owned.ts'
import { WorkerProcess } from './process.ts'
import type { BatchAnswer, Exit, Instance, ItemAnswer, LoadAnswer, RunnerBatch } from './runner.ts'
import type { StartedProcesses } from './started.ts'

export interface ExecOptions {
  instanceId: InstanceId
  argv: readonly string[]
  cwd: string
  environment: Readonly<Record<string, string>>
  logFolder: string
  timeouts: { runMs: number; graceMs: number }
  started: StartedProcesses
}

/** An output is still read for so long after the end of its command, ms. */
const lastOutputMs = 1000

/** Most bytes of an output. */
const maxOutputBytes = 64 * 2 ** 20

export class ExecInstance implements Instance {
  readonly instanceId: InstanceId
  readonly pid = null
  readonly exited: Promise<Exit>
  readonly #options: ExecOptions
  readonly #running = new Set<WorkerProcess>()
  #isStopped = false
  #sequence = 0
  #end: (exit: Exit) => void = () => {}

  constructor(options: ExecOptions) {
    this.#options = options
    this.instanceId = options.instanceId
    this.exited = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  load(): Promise<LoadAnswer> {
    return Promise.resolve({ type: 'loaded', residentBytes: 0, maxBatch: null })
  }

  async run({ items, timeoutMs, onAnswer }: RunnerBatch): Promise<BatchAnswer> {
    const answers: ItemAnswer[] = []
    for (const { id, input } of items) {
      if (this.#isStopped) break
      const answer = await this.#runOne(id, input, timeoutMs ?? this.#options.timeouts.runMs)
      answers.push(answer)
      onAnswer?.(answer)
    }
    const failure = this.#isStopped ? { code: 'RUNNER_EXITED', message: 'the instance was stopped' } : null
    return { answers, failure, peakBytes: null }
  }

  async stop(): Promise<Exit> {
    this.#isStopped = true
    await Promise.all([...this.#running].map((each) => each.stop()))
    await endStrays(this.#options.started.ownerOf(this.instanceId))
    const exit: Exit = { code: 0, signal: null, cause: 'was stopped' }
    this.#end(exit)
    return exit
  }

  remains(): string {
    return [...this.#running].map((each) => each.remains()).join('; ') || 'its processes are gone'
  }

  async #runOne(id: string, input: unknown, limitMs: number): Promise<ItemAnswer> {
    const logFile = `${this.#options.logFolder}/${this.instanceId}-${++this.#sequence}.log`
    const killsBefore = kernelKills()
    const worker = this.#start(logFile)
    let isLate = false
    const timer = setTimeout(
      () => {
        isLate = true
        worker.stop()
      },
      Math.min(limitMs, 2 ** 31 - 1),
    )
    const output = outputOf(worker, input)
    const exit = await worker.exited
    clearTimeout(timer)
    // What the command left behind may hold the pipe open: it is not listened to for long.
    const lastWordsTimer = setTimeout(() => worker.child.stdout!.destroy(), lastOutputMs)
    const text = await output
    clearTimeout(lastWordsTimer)
    this.#running.delete(worker)
    if (worker.pid !== undefined) this.#options.started.remove(worker.pid)
    if (isLate)
      return failed(id, { code: 'RUN_TIMEOUT', message: `the command took longer than ${formatMs(limitMs)}` })
    if (exit.code !== 0) {
      const words = lastWords(endOfLog(logFile), this.#options.cwd)
      const code = ranOutOfMemory(exit, words, killsBefore) ? outOfMemory : 'RUN_FAILED'
      const message = `the command ${exit.cause}${words && `: ${words}`}`
      return failed(id, { code, message }, { retryable: !isBroken(exit, words) })
    }
    const answer = readOutput(id, text)
    if (answer.type === 'output') rmSync(logFile, { force: true })
    return answer
  }

  #start(logFile: string): WorkerProcess {
    const { argv, cwd, environment, started, timeouts } = this.#options
    const worker = new WorkerProcess({
      argv,
      cwd,
      environment,
      owner: started.ownerOf(this.instanceId),
      logFile,
      answersOn: 1,
      graceMs: timeouts.graceMs,
      endsStrays: false, // others of this instance run
    })
    this.#running.add(worker)
    if (worker.pid !== undefined) started.add(worker.pid, this.instanceId)
    return worker
  }
}

/** All that a worker writes for its input; one that writes more than it may is stopped. */
function outputOf(worker: WorkerProcess, input: unknown): Promise<string> {
  const { child } = worker
  child.stdin!.end(JSON.stringify(input))
  const chunks: Buffer[] = []
  let bytes = 0
  child.stdout!.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxOutputBytes) chunks.push(chunk)
    else worker.stop()
  })
  return new Promise((resolve) => {
    child.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')))
    child.on('error', () => resolve(''))
  })
}

function readOutput(id: string, output: string): ItemAnswer {
  const refused = (message: string) => failed(id, { code: 'PROTOCOL', message }, { retryable: false })
  try {
    const { value, fault } = readJson(output)
    return fault === null ? { type: 'output', id, output: value } : refused(`the output ${fault}`)
  } catch {
    const met = output.trim() === '' ? 'nothing' : output.trim().slice(0, 100)
    return refused(`the command must print one JSON value; it printed ${met}`)
  }
}

function failed(id: string, error: ItemError, { retryable } = { retryable: true }): ItemAnswer {
  return { type: 'error', id, error, retryable }
}
