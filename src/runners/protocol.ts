// The messages between us and a worker, one JSON object a line
// (docs/runner-contract.md), and the checks of what comes.
import { z } from 'zod'
import { readJson } from '../core/json.ts'

export type ToWorker =
  | { type: 'load'; id: string; options: unknown }
  | { type: 'run'; id: string; items: { id: string; input: unknown }[] }
  | { type: 'unload'; id: string }

const workerError = z.object({
  code: z.string().optional(),
  message: z.string(),
  retryable: z.boolean().optional(),
})

const fromWorker = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), protocol: z.number() }),
  z.object({
    type: z.literal('loaded'),
    id: z.string(),
    residentBytes: z.number().nonnegative().nullish(),
    maxBatch: z.number().int().positive().nullish(),
  }),
  z.object({
    type: z.literal('result'),
    id: z.string(),
    item: z.string(),
    output: z.unknown().optional(),
    error: workerError.nullish(),
  }),
  z.object({
    type: z.literal('done'),
    id: z.string(),
    peakBytes: z.number().nonnegative().nullish(),
    residentBytes: z.number().nonnegative().nullish(),
  }),
  z.object({ type: z.literal('unloaded'), id: z.string() }),
  z.object({ type: z.literal('error'), id: z.string(), error: workerError }),
])

export type FromWorker = z.infer<typeof fromWorker>
export type WorkerError = z.infer<typeof workerError>

/** The version that we speak. */
export const protocolVersion = 1

/** A message; a sentence that says what is wrong with the line; null: the line is a
 * word of the worker's, for the log. A number that would be changed fails the item that has it. */
export function readMessage(line: string): FromWorker | string | null {
  if (!line.startsWith('{')) return null
  let read: ReturnType<typeof readJson>
  try {
    read = readJson(line)
  } catch (error) {
    return `a line is not JSON (${(error as Error).message}): ${line.slice(0, 100)}`
  }
  const { data, error } = fromWorker.safeParse(read.value)
  if (data === undefined) {
    const { path, message } = error!.issues[0]!
    return `a message is not of the contract (${[path.join('.'), message].filter(Boolean).join(': ')}): ${line.slice(0, 100)}`
  }
  if (data.type !== 'result' || read.fault === null) return data
  return { ...data, output: null, error: { message: `the output ${read.fault}`, retryable: false } }
}

/** Where a line that does not begin with an answer may have one: behind a print without a line end. */
export function gluedAnswer(line: string): { print: string; message: FromWorker } | null {
  const from = line.indexOf('{"type":')
  if (from <= 0) return null
  const message = readMessage(line.slice(from))
  return message === null || typeof message === 'string' ? null : { print: line.slice(0, from), message }
}
