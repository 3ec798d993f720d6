// NVIDIA's cards through NVML: starts the process that calls it (nvml-host.ts), asks it, and ends it
// when it does not answer in time or says that a card is gone: a new one sees what is there then.
// Where NVML cannot be used at all, the reason is given, and nvidia-smi is the other way (nvidia.ts).
//
//   an answer                       the reading
//   "lost"                          why; the process is replaced, not more often than every `retryMs`
//   none in `askMs`                 the process is killed; this card is left alone for
//                                   `retryMs`, since asking it again would hold up the
//                                   others. Their questions are put to the next process.
//   the process fails by itself     why; no new one for `retryMs`
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { formatMs } from '../core/units.ts'

export interface NvmlCard {
  index: number
  name: string
  uuid: string
}

export interface NvmlReading {
  totalBytes: number
  /** What the driver keeps to itself; 0 where an older one counts it as used. */
  reservedBytes: number
  freeBytes: number
  /** Pid and bytes, null: not told; null: no list. */
  processes: [pid: number, bytes: number | null][] | null
  utilisationRatio: number | null
  health: {
    /** Memory errors that could not be corrected, since the driver was loaded or the GPU reset. */
    uncorrectedCount: number
    isRetirementPending: boolean
    hasRemapFailed: boolean
    /** Errors told since the last reading. */
    xids: number[]
  }
}

export interface NvmlQuestion {
  id: number
  uuid: string
}

export type NvmlAnswer =
  | {
      type: 'opened'
      versions: { nvml: string; driver: string; koffi: string }
      cards: NvmlCard[]
      left: string[]
    }
  | { type: 'failed'; message: string }
  | { type: 'reading'; id: number; reading: NvmlReading }
  | { type: 'lost'; id: number; message: string }

export type Opened = Extract<NvmlAnswer, { type: 'opened' }>

export interface NvmlOptions {
  library?: string
  /** To initialise a driver that is not in use can take seconds for each GPU. Chosen, not measured. */
  openMs?: number
  /** Shorter than what a device waits for its reading, so that the cause is told. Chosen, not measured. */
  askMs?: number
  retryMs?: number
}

const hostFile = fileURLToPath(
  new URL(`./nvml-host${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
)

/** The driver answers, and the card is not there or lost. */
export class CardGone extends Error {}

/** A question whose process ended for another question's sake. */
class Interrupted extends Error {}

interface Pending {
  resolve: (reading: NvmlReading) => void
  reject: (error: Error) => void
}

interface Host {
  child: ChildProcess
  startedAtMs: number
  opened: Promise<Opened>
  pending: Map<number, Pending>
}

export class Nvml {
  readonly #options: Required<NvmlOptions>
  #host: Host | null = null
  #sequence = 0
  /** Cards whose questions were not answered, and until when they are left alone. */
  readonly #hung = new Map<string, { untilMs: number; message: string }>()
  /** Why there is no process, and until when there is no other. */
  #failed: { untilMs: number; error: Error } | null = null

  constructor({
    library = 'libnvidia-ml.so.1',
    openMs = 30_000,
    askMs = 4000,
    retryMs = 10_000,
  }: NvmlOptions = {}) {
    this.#options = { library, openMs, askMs, retryMs }
  }

  /** Rejects with why NVML cannot be used. */
  open(): Promise<Opened> {
    if (!this.#host && this.#failed && performance.now() < this.#failed.untilMs)
      return Promise.reject(this.#failed.error)
    this.#host ??= this.#start()
    return this.#host.opened
  }

  /** Rejects with why the card cannot be read now. */
  async read(uuid: string): Promise<NvmlReading> {
    const hung = this.#hung.get(uuid)
    if (hung && performance.now() < hung.untilMs) throw new Error(hung.message)
    this.#hung.delete(uuid)
    for (;;) {
      try {
        await this.open()
        return await this.#ask(uuid)
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error
      }
    }
  }

  close(): void {
    const error = new Error('the driver was closed')
    this.#end(this.#host, error)
    this.#failed = { untilMs: Number.POSITIVE_INFINITY, error }
  }

  #start(): Host {
    const { library, openMs } = this.#options
    // A group of its own: a Ctrl-C for us is not for it.
    const child = fork(hostFile, [library], {
      detached: true,
      execArgv: ['--max-semi-space-size=4'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    // What waits for an answer has a timer; nothing else should keep us from ending.
    child.unref()
    child.channel?.unref()
    const pending: Host['pending'] = new Map()
    const opened = new Promise<Opened>((resolve, reject) => {
      const late = `NVML has not opened the driver for ${formatMs(openMs)}`
      const timer = setTimeout(() => this.#end(host, new Error(late)), openMs)
      pending.set(0, {
        resolve: () => {},
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      child.on('message', (answer: NvmlAnswer) => {
        if (answer.type === 'opened') {
          clearTimeout(timer)
          pending.delete(0)
          resolve(answer)
        } else if (answer.type === 'failed') this.#end(host, new Error(answer.message))
        else this.#hear(host, answer)
      })
    })
    opened.catch(() => {}) // whoever asks hears of it
    const host: Host = { child, startedAtMs: performance.now(), opened, pending }
    const gone = (cause: string) => this.#end(host, new Error(`the process that asks NVML ${cause}`))
    child.on('error', (error) => gone(`could not be started: ${error.message}`))
    child.on('exit', (code, signal) => gone(signal ? `was killed by ${signal}` : `ended with code ${code}`))
    return host
  }

  #hear(host: Host, answer: Extract<NvmlAnswer, { id: number }>): void {
    const question = host.pending.get(answer.id)
    host.pending.delete(answer.id)
    if (answer.type === 'reading') question?.resolve(answer.reading)
    else {
      question?.reject(new CardGone(answer.message))
      if (performance.now() - host.startedAtMs > this.#options.retryMs) this.#end(host, new Interrupted())
    }
  }

  async #ask(uuid: string): Promise<NvmlReading> {
    const host = this.#host
    if (!host) throw new Interrupted()
    const { askMs, retryMs } = this.#options
    const id = ++this.#sequence
    let timer: NodeJS.Timeout | undefined
    const answer = new Promise<NvmlReading>((resolve, reject) => {
      host.pending.set(id, { resolve, reject })
      timer = setTimeout(() => {
        const message = `the NVIDIA driver has not answered for ${formatMs(askMs)}`
        this.#hung.set(uuid, { untilMs: performance.now() + retryMs, message })
        host.pending.delete(id)
        reject(new Error(message))
        this.#end(host, new Interrupted())
      }, askMs)
    })
    host.child.send({ id, uuid } satisfies NvmlQuestion, () => {}) // a failure is an exit
    return answer.finally(() => clearTimeout(timer))
  }

  /** Kills the process and tells all that wait for it why. */
  #end(host: Host | null, reason: Error): void {
    if (!host) return
    if (this.#host === host) {
      this.#host = null
      const untilMs = performance.now() + this.#options.retryMs
      if (!(reason instanceof Interrupted)) this.#failed = { untilMs, error: reason }
    }
    host.child.kill('SIGKILL')
    for (const { reject } of host.pending.values()) reject(reason)
    host.pending.clear()
  }
}
