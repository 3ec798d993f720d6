// The messages between us and a worker, one JSON object a line
// (docs/runner-contract.md), and the checks of what comes.
import { z } from 'zod'

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
    error: workerError.optional(),
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
 * word of the worker's, for the log. */
export function readMessage(line: string): FromWorker | string | null {
  if (!line.startsWith('{')) return null
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    return `a line is not JSON (${(error as Error).message}): ${line.slice(0, 100)}`
  }
  const { data, error } = fromWorker.safeParse(value)
  return data ?? `a message is not of the contract (${error!.issues[0]!.message}): ${line.slice(0, 100)}`
}
