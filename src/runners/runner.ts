// The runner contract: how the daemon starts an instance of a model, gives it batches and
// gets rid of it. A runner is one per model; an instance is one running copy. Nothing
// here throws for what a worker does: a load answers with a value or a failure, a batch
// answers for every item, and `exited` tells when the process group is proven gone.

import type { ItemError } from '../core/errors.ts'
import type { ModelId } from '../core/model.ts'
import type { InstanceId } from '../core/state/events.ts'
import type { ItemId } from '../core/work/item.ts'

export interface Runner {
  /** Starts the process (if there is one) and records it on disk before it may allocate. Returns at once.
   * `environment`: what makes it see its device and no other; it goes before what the model says. */
  start(instanceId: InstanceId, environment?: Readonly<Record<string, string>>): Instance
}

/** How a model is run. */
export type RunnerSpec = {
  modelId: ModelId
  /** Given to `load`. */
  options: unknown
  environment: Readonly<Record<string, string>>
  /** The pipeline's folder. */
  cwd: string
  /** As declared; left out: not known. */
  vramBytes?: number | undefined
  timeouts: Partial<Timeouts>
} & (
  | { kind: 'module'; file: string }
  | { kind: 'command'; argv: readonly string[] }
  | { kind: 'exec'; argv: readonly string[] }
)

export interface Timeouts {
  /** From the start of the process to its `ready`. */
  readyMs: number
  loadMs: number
  /** A batch without limits of its own. */
  runMs: number
  unloadMs: number
  /** From TERM to KILL. */
  graceMs: number
}

export interface Instance {
  readonly instanceId: InstanceId
  /** Leader of the process group; null: none runs now. */
  readonly pid: number | null
  /** Brings the model into memory. Called once. */
  load(): Promise<LoadAnswer>
  /** Runs a batch. Resolves when every item has an answer, or the instance failed,
   * timed out or was stopped. */
  run(batch: RunnerBatch): Promise<BatchAnswer>
  /** Unload → TERM to the group → grace → KILL. Resolves like `exited`. May be called
   * at any moment, and twice. */
  stop(): Promise<Exit>
  /** Resolves when no process of the group is left, whatever the reason. */
  readonly exited: Promise<Exit>
  /** Which of its processes are still there, for people: "process 4242 (python3), which
   * does not react to KILL". */
  remains(): string
}

export interface RunnerBatch {
  items: { id: ItemId; input: unknown }[]
  /** For the whole batch, ms; when it ends the instance is stopped. null: the runner's own limit. */
  timeoutMs: number | null
  /** Called for each item as its answer arrives, so that it can be recorded before the batch ends. */
  onAnswer?: (answer: ItemAnswer) => void
}

/** An error with the code OUT_OF_MEMORY: it ran out of memory, whoever said so. `retryable`: another load
 * may succeed although nobody changes anything; not so with code that cannot be parsed or imported. */
export type LoadAnswer =
  | { type: 'loaded'; residentBytes: number | null; maxBatch: number | null }
  | { type: 'failed'; error: ItemError; retryable: boolean }

export type ItemAnswer =
  | { type: 'output'; id: ItemId; output: unknown }
  | { type: 'error'; id: ItemId; error: ItemError; retryable: boolean }

export interface BatchAnswer {
  /** One for each item that was answered; in a failed batch only those that may be trusted. */
  answers: ItemAnswer[]
  /** null: all went as the contract says. Else why the instance can no longer be used;
   * it is being stopped. */
  failure: ItemError | null
  /** Most bytes the worker says it held during the batch, or null. */
  peakBytes: number | null
  /** What it says it still holds; left out, or null: it does not say. */
  residentBytes?: number | null
}

export interface Exit {
  /** Exit code of the leader, or null. */
  code: number | null
  signal: string | null
  /** A sentence for people: "ended with code 1", "was killed by SIGKILL". */
  cause: string
}
