// An instance behind the NDJSON contract: the same for a command on stdin and stdout
// and for our module host, which answers on a descriptor of its own. What a worker says
// is believed only as far as the contract allows:
//
//   an answer of an item of this batch     taken as it comes, the first for each item
//   a second answer, or of an old batch    ignored, with a line in the log
//   an item that is not in the batch,      violation: the instance is stopped, and what of its batch was
//   a broken line, a wrong order           not answered yet is tried again elsewhere
//   no sign in time, or the process ends   the same

import { appendFileSync, rmSync } from 'node:fs'
import type { ItemError } from '../core/errors.ts'
import type { InstanceId } from '../core/state/events.ts'
import { formatMs } from '../core/units.ts'
import { endOfLog, isBroken, lastWords } from './last-words.ts'
import { LineReader } from './lines.ts'
import { kernelKills, marked, outOfMemory, ranOutOfMemory } from './out-of-memory.ts'
import { WorkerProcess } from './process.ts'
import {
  type FromWorker,
  gluedAnswer,
  protocolVersion,
  readMessage,
  type ToWorker,
  type WorkerError,
} from './protocol.ts'
import type { BatchAnswer, Exit, Instance, ItemAnswer, LoadAnswer, RunnerBatch, Timeouts } from './runner.ts'
import type { StartedProcesses } from './started.ts'

export interface StdioOptions {
  instanceId: InstanceId
  argv: readonly string[]
  cwd: string
  environment: Readonly<Record<string, string>>
  logFile: string
  answersOn: 1 | 3
  /** It is the host of a module: if it ends before it is ready, the module cannot be imported. */
  isModuleHost?: boolean
  modelOptions: unknown
  timeouts: Timeouts
  started: StartedProcesses
  /** Longest line of an answer. */
  maxLineBytes?: number
}

const defaultMaxLineBytes = 64 * 2 ** 20

/** How long answers are still read after the end of the process group, ms. */
const lastAnswersMs = 1000

const unanswered = { message: 'the worker ended the batch without an answer for this item' }

/** What the instance waits for, and who is told. `null` as an answer: the time is over,
 * or the instance is. */
interface Expectation {
  take: (message: FromWorker) => boolean
  fail: (error: ItemError) => void
  timer: NodeJS.Timeout
}

export class StdioInstance implements Instance {
  readonly instanceId: InstanceId
  readonly pid: number | null
  readonly exited: Promise<Exit>
  readonly #process: WorkerProcess
  readonly #options: StdioOptions
  /** By request; '' waits for ready. */
  readonly #expectations = new Map<string, Expectation>()
  #sequence = 0
  #isStopping = false
  #stopped: Promise<Exit> | null = null
  /** Why the instance can no longer be used. */
  #failure: ItemError | null = null
  #wasReady = false
  /** It ended before it was ready, and would do so again. */
  #isBroken = false
  /** Of the kernel, when the last load or batch began. */
  #killsBefore: number | null = null

  constructor(options: StdioOptions) {
    this.#options = options
    this.instanceId = options.instanceId
    const { graceMs } = options.timeouts
    const owner = options.started.ownerOf(options.instanceId)
    this.#process = new WorkerProcess({ ...options, owner, graceMs })
    const { pid } = this.#process
    this.pid = pid ?? null
    if (pid !== undefined) options.started.add(pid, options.instanceId)
    this.exited = this.#end()
    this.#listen()
  }

  #listen(): void {
    const answers = this.#process.child.stdio[this.#options.answersOn] as NodeJS.ReadableStream | null
    const { maxLineBytes = defaultMaxLineBytes } = this.#options
    const tooLong = () => this.#violation(`a line is longer than ${maxLineBytes} bytes`)
    const reader = new LineReader(maxLineBytes, (line) => this.#hear(line), tooLong)
    answers?.on('data', (chunk: Buffer) => reader.push(chunk))
    answers?.on('error', () => {}) // the pipe broke with the process; `exited` tells
  }

  async load(): Promise<LoadAnswer> {
    const { readyMs, loadMs } = this.#options.timeouts
    const ready = await this.#expect('to be ready', readyMs, 'LOAD_TIMEOUT', null, (message, done) => {
      if (message.type !== 'ready') return false
      if (message.protocol !== protocolVersion) {
        this.#violation(`the worker speaks protocol ${message.protocol}, we speak ${protocolVersion}`)
      } else {
        this.#wasReady = true
        done(null)
      }
      return true
    })
    if (ready) return { type: 'failed', error: ready, retryable: !this.#isBroken }
    let loaded: LoadAnswer | null = null
    let retryable = true
    const id = this.#nextId('load')
    const request = { type: 'load', id, options: this.#options.modelOptions ?? {} } as const
    const failure = await this.#expect('to load', loadMs, 'LOAD_TIMEOUT', request, (message, done) => {
      if (message.type === 'loaded' && message.id === id) {
        loaded = {
          type: 'loaded',
          residentBytes: message.residentBytes ?? null,
          maxBatch: message.maxBatch ?? null,
        }
        done(null)
      } else if (message.type === 'error' && message.id === id) {
        retryable = message.error.retryable ?? true
        done(marked({ code: message.error.code ?? 'LOAD_FAILED', message: message.error.message }))
      } else return false
      return true
    })
    return (
      loaded ?? {
        type: 'failed',
        error: failure ?? { code: 'LOAD_FAILED', message: 'the worker gave no reason' },
        retryable,
      }
    )
  }

  async run({ items, timeoutMs, onAnswer }: RunnerBatch): Promise<BatchAnswer> {
    const id = this.#nextId('batch')
    const open = new Set(items.map((item) => item.id))
    const answers: ItemAnswer[] = []
    let peakBytes: number | null = null
    let residentBytes: number | null = null
    const answer = (each: ItemAnswer) => {
      open.delete(each.id)
      answers.push(each)
      onAnswer?.(each)
    }
    const known = new Set(open)
    const limitMs = timeoutMs ?? this.#options.timeouts.runMs
    const failure = await this.#expect(
      'to run a batch',
      limitMs,
      'RUN_TIMEOUT',
      { type: 'run', id, items },
      (message, done) => {
        if (!('id' in message) || message.id !== id) return false
        if (message.type === 'result') {
          if (open.has(message.item)) answer(answerOf(message))
          else if (known.has(message.item)) this.#log(`a second answer for "${message.item}" was ignored`)
          else this.#violation(`an answer for "${message.item}", which is not in the batch`)
        } else if (message.type === 'done') {
          peakBytes = message.peakBytes ?? null
          residentBytes = message.residentBytes ?? null
          for (const item of open) answer(errorAnswer(item, unanswered))
          done(null)
        } else if (message.type === 'error') {
          for (const item of open) answer(errorAnswer(item, message.error))
          done(null)
        } else return false
        return true
      },
    )
    return { answers, failure, peakBytes, residentBytes }
  }

  stop(): Promise<Exit> {
    this.#stopped ??= this.#unloadAndStop()
    return this.#stopped
  }

  async #unloadAndStop(): Promise<Exit> {
    const wasBusy = this.#expectations.size > 0
    this.#isStopping = true
    if (!wasBusy && this.#failure === null && !this.#process.hasExited) {
      const id = this.#nextId('unload')
      const isUnloaded = (message: FromWorker, done: (error: ItemError | null) => void) => {
        if (message.type !== 'unloaded' || message.id !== id) return false
        done(null)
        return true
      }
      await this.#expect(
        'to unload',
        this.#options.timeouts.unloadMs,
        'RUN_TIMEOUT',
        { type: 'unload', id },
        isUnloaded,
      )
    }
    if (!this.#process.hasExited) this.#break({ code: 'RUNNER_EXITED', message: 'the instance was stopped' })
    await this.#process.stop()
    return this.exited
  }

  /** Sends the request and waits for what `take` calls the end. Answers with null, or
   * with why it did not come. */
  #expect(
    what: string,
    limitMs: number,
    code: string,
    request: ToWorker | null,
    take: (message: FromWorker, done: (error: ItemError | null) => void) => boolean,
  ): Promise<ItemError | null> {
    if (this.#failure) return Promise.resolve(this.#failure)
    const key = request?.id ?? ''
    this.#killsBefore = kernelKills()
    return new Promise((resolve) => {
      const done = (error: ItemError | null) => {
        clearTimeout(expectation.timer)
        this.#expectations.delete(key)
        resolve(error)
      }
      const late = () =>
        this.#fault({ code, message: `the worker took longer than ${formatMs(limitMs)} ${what}` })
      const expectation: Expectation = {
        take: (message) => take(message, done),
        fail: done,
        timer: setTimeout(late, Math.min(limitMs, 2 ** 31 - 1)),
      }
      this.#expectations.set(key, expectation)
      if (request) this.#process.child.stdin!.write(`${JSON.stringify(request)}\n`)
    })
  }

  #hear(line: string): void {
    if (this.#failure) return
    const message = readMessage(line)
    if (message === null) this.#hearWords(line)
    else if (typeof message === 'string') this.#violation(message)
    else if (this.#expectations.get('id' in message ? message.id : '')?.take(message)) return
    else if (message.type === 'ready') this.#violation('a second ready')
    else this.#log(`a late message was ignored: ${line.slice(0, 200)}`)
  }

  /** No answer begins the line. One may stand behind what was printed without a line end; it counts. */
  #hearWords(line: string): void {
    const glued = gluedAnswer(line)
    if (line.trim() !== '') this.#log(glued?.print ?? line)
    if (glued === null) return
    this.#log('an answer was in the middle of a line: what is printed before it needs a line end')
    this.#hear(JSON.stringify(glued.message))
  }

  #violation(sentence: string): void {
    this.#fault({ code: 'PROTOCOL', message: `the worker broke the contract: ${sentence}` })
  }

  /** The instance can no longer be used: whoever waits is told, and its group is stopped. */
  #fault(error: ItemError): void {
    this.#break(error)
    if (!this.#isStopping) this.stop()
  }

  #break(error: ItemError): void {
    this.#failure ??= error
    for (const { fail } of [...this.#expectations.values()]) fail(this.#failure)
  }

  /** Resolves when no process of the group is left and all that it had said has been
   * read; then whoever still waits is told how it ended. A process that left the group
   * may hold the pipe open: it is not listened to for long. */
  async #end(): Promise<Exit> {
    const { child, exited } = this.#process
    const closed = new Promise((resolve) => {
      child.on('close', resolve)
      child.on('error', resolve)
    })
    const exit = await exited
    const timer = setTimeout(() => {
      for (const stream of child.stdio) stream?.destroy()
    }, lastAnswersMs)
    await closed
    clearTimeout(timer)
    if (this.pid !== null) this.#options.started.remove(this.pid)
    const log = endOfLog(this.#options.logFile)
    if (log === '' && this.#isStopping) rmSync(this.#options.logFile, { force: true })
    this.#break(this.#causeOf(exit, log))
    return exit
  }

  #causeOf(exit: Exit, log: string): ItemError {
    const { cwd, isModuleHost = false } = this.#options
    const words = lastWords(log, cwd)
    const message = `the worker ${exit.cause}${words && `: ${words}`}`
    if (this.#isStopping) return { code: 'RUNNER_EXITED', message }
    if (ranOutOfMemory(exit, log, this.#killsBefore)) return { code: outOfMemory, message }
    const isOfModule = isModuleHost && exit.code !== null
    this.#isBroken = !this.#wasReady && (isOfModule || isBroken(exit, words))
    return this.#isBroken && words
      ? { code: 'LOAD_FAILED', message: words }
      : { code: 'RUNNER_EXITED', message }
  }

  remains(): string {
    return this.#process.remains()
  }

  #log(line: string): void {
    try {
      appendFileSync(this.#options.logFile, `${line}\n`)
    } catch {
      // A full disk shows where results are recorded; a lost line of a log is not worth a worker.
    }
  }

  #nextId(kind: string): string {
    return `${kind}-${++this.#sequence}`
  }
}

function answerOf({ item, output, error }: Extract<FromWorker, { type: 'result' }>): ItemAnswer {
  return error ? errorAnswer(item, error) : { type: 'output', id: item, output: output ?? null }
}

function errorAnswer(
  id: string,
  { code = 'RUN_FAILED', message, retryable = true }: WorkerError,
): ItemAnswer {
  return { type: 'error', id, error: marked({ code, message }), retryable }
}
