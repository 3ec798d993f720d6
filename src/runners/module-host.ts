// The process around a Node module worker: loads the module, speaks the contract on descriptor 3, and
// leaves standard output and error to the log, so that no print can break an answer. Ends when stdin ends.
// A module that cannot be imported ends it, before it says that it is ready: Node's own words about it, with
// the line, are the last in the log.

import { writeSync } from 'node:fs'
import { basename } from 'node:path'
import { outputJson } from '../core/json.ts'
import { speaksOfBrokenCode } from './last-words.ts'
import { LineReader } from './lines.ts'
import { decideFormats, importFile } from './module-format.ts'
import type { ToWorker, WorkerError } from './protocol.ts'

interface WorkerModule {
  load: (context: { options: unknown }) => unknown
  run: (inputs: unknown[], model: unknown) => Promise<unknown[]> | unknown[]
  unload?: (model: unknown) => unknown
}

const file = process.argv[2]!
const worker = await importWorker()
let model: unknown

/** Its exports, or those that its default export or `module.exports` has. */
async function importWorker(): Promise<WorkerModule> {
  decideFormats()
  const exports = (await importFile(file)) as Partial<WorkerModule> & { default?: Partial<WorkerModule> }
  const worker = [exports, exports.default].find(
    (each) => typeof each?.load === 'function' && typeof each.run === 'function',
  )
  if (worker) return worker as WorkerModule
  console.error(`TypeError: ${basename(file)} must export the functions load and run`)
  process.exit(1)
}

function say(...messages: Record<string, unknown>[]): void {
  write(messages.map((message) => `${JSON.stringify(message)}\n`).join(''))
}

/** All of it: the pipe may take less at once than we have. */
function write(lines: string): void {
  const bytes = Buffer.from(lines)
  for (let from = 0; from < bytes.length; ) {
    try {
      from += writeSync(3, bytes, from)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.exit(1)
    }
  }
}

function errorOf(error: unknown): WorkerError {
  const { name, code, message, retryable } = error as Partial<
    Record<keyof Error | keyof WorkerError, unknown>
  >
  const isBroken = speaksOfBrokenCode(`${name} [${code}]: ${message}`)
  return {
    ...(typeof code === 'string' ? { code } : {}),
    message: typeof message === 'string' ? message : String(error),
    ...(typeof retryable === 'boolean' ? { retryable } : isBroken ? { retryable: false } : {}),
  }
}

/** Share of the time of batches that may be spent on collecting garbage. */
const tidyRatio = 0.05
let creditMs = 0
let tidyMs = 0

/** V8 lets large buffers pile up before it collects them: memory that the device shows
 * as held, and more or less of it each time. After batches of OCR 410 to 500 MB were
 * left without this, 385 to 440 with it (`node bench/learned.bench.ts`). */
function tidy(runMs: number): void {
  creditMs += runMs * tidyRatio
  if (creditMs < tidyMs) return
  const startedAtMs = performance.now()
  globalThis.gc?.()
  tidyMs = performance.now() - startedAtMs
  creditMs = 0
}

const handlers: {
  [Type in ToWorker['type']]: (message: Extract<ToWorker, { type: Type }>) => Promise<void>
} = {
  async load({ id, options }) {
    model = await worker.load({ options })
    say({ type: 'loaded', id })
  },
  async run({ id, items }) {
    const startedAtMs = performance.now()
    const outputs = await worker.run(
      items.map(({ input }) => input),
      model,
    )
    if (!Array.isArray(outputs) || outputs.length !== items.length) {
      throw new TypeError(
        `run was given ${items.length} inputs and must return a list of as many outputs, not ${Array.isArray(outputs) ? outputs.length : typeof outputs}`,
      )
    }
    // Together: each by itself would often be recorded by itself.
    write(outputs.map((output, index) => resultLine(id, items[index]!.id, output)).join(''))
    tidy(performance.now() - startedAtMs)
    say({ type: 'done', id })
  },
  async unload({ id }) {
    await worker.unload?.(model)
    model = undefined
    say({ type: 'unloaded', id })
  },
}

/** An output that JSON cannot say fails its item. */
function resultLine(id: string, item: string, output: unknown): string {
  const result = { type: 'result', id, item }
  const failed = (error: WorkerError) => `${JSON.stringify({ ...result, error })}\n`
  if (output instanceof Error) return failed(errorOf(output))
  try {
    return `${JSON.stringify(result).slice(0, -1)},"output":${outputJson(output)}}\n`
  } catch (error) {
    return failed({ ...errorOf(error), retryable: false })
  }
}

async function answer(line: string): Promise<void> {
  const message = JSON.parse(line) as ToWorker
  try {
    await handlers[message.type](message as never)
  } catch (error) {
    console.error(error)
    say({ type: 'error', id: message.id, error: errorOf(error) })
  }
}

// Lines end at byte 10 and nowhere else: a text may hold what others take for the end of a line.
let answered = Promise.resolve()
const reader = new LineReader(
  Number.POSITIVE_INFINITY,
  (line) => {
    answered = answered.then(() => answer(line))
  },
  () => {},
)
process.stdin.on('data', (chunk: Buffer) => reader.push(chunk))
process.stdin.on('end', () => process.exit(0))
say({ type: 'ready', protocol: 1 })
