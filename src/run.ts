// A run of a pipeline, for programs that embed Plimsoll: what they need of it, and nothing of the machinery
// that the command line shares (daemon/run.ts).
import type { ItemId } from './core/work/item.ts'
import { startRun as startDaemonRun } from './daemon/run.ts'
import type { Pipeline } from './pipelines/pipeline.ts'
import { databaseOf, type RunFiles, runFiles } from './record/files.ts'
import type { StoreReader } from './stores/store.ts'

/**
 * What is run, and where it keeps its files.
 *
 * @beta
 * @example
 * ```ts
 * const pipeline = definePipeline({
 *   name: 'options',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['cat'] } },
 *   sources: { words: { stdin: 'lines' } },
 *   steps: { shout: { source: 'words', model: 'loud' } },
 * })
 * const options: PipelineRunOptions = { pipeline, files: runFiles('other.db'), stdin: 'hello' }
 * ```
 */
export interface PipelineRunOptions {
  pipeline: Pipeline
  /** Default: those of `.plimsoll/<name>.db` in the pipeline's folder. */
  files?: RunFiles
  /** Files or `source=glob` that replace a source's. Default: the pipeline's own. */
  inputs?: readonly string[]
  /** Text for a source that reads standard input. Default: none. */
  stdin?: string
}

/**
 * A run of a pipeline that has been started. `close` it in the end, whatever happens.
 *
 * @beta
 * @example
 * ```ts
 * const pipeline = definePipeline({
 *   name: 'run',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
 *   sources: { words: { list: [{ text: 'hello' }] } },
 *   steps: { shout: { source: 'words', model: 'loud', input: '${source.text}' } },
 * })
 * const run: PipelineRun = await startRun({ pipeline })
 * await run.finished
 * const { items } = await run.store.list({})
 * gatherResults(pipeline, items)[0]!.steps // => { shout: 'HELLO' }
 * await run.close() // => []
 * ```
 */
export interface PipelineRun {
  /** Items that no earlier run has had. */
  readonly addedCount: number
  /** To look at the items while they run. */
  readonly store: StoreReader
  /** Resolves when nothing is left that could run, or what ran when `drain` was called has ended. Rejects
   * with the cause when the run cannot go on. */
  readonly finished: Promise<void>
  /** Starts nothing new. */
  drain(): void
  /** Cancels items that have not ended, and what depends on them. Rejects with UNKNOWN_ITEM. */
  cancel(ids: ItemId[]): Promise<{ cancelledCount: number }>
  /** Makes failed and cancelled items new, with what ended because of them. Rejects with UNKNOWN_ITEM. */
  retry(ids: ItemId[]): Promise<{ retriedCount: number }>
  /** Stops all workers, then closes devices and database. Items that ran are given back. Answers with the
   * workers of which nobody can prove that they are gone. To be called once, also when `finished` rejects. */
  close(): Promise<string[]>
}

/**
 * Opens the database, stops what an earlier run has left behind, submits what is new, and starts. The same
 * as `plimsoll run`, without its screen. Rejects with BAD_PIPELINE, BAD_VALUE, NEVER_FITS, NO_DEVICE,
 * STORE_LOCKED, STORE_CORRUPT, OLD_NODE.
 *
 * @beta
 * @example
 * ```ts
 * const pipeline = definePipeline({
 *   name: 'run',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
 *   sources: { words: { list: [{ text: 'hello' }] } },
 *   steps: { shout: { source: 'words', model: 'loud', input: '${source.text}' } },
 * })
 * const run = await startRun({ pipeline })
 * await run.finished
 * const { items } = await run.store.list({})
 * gatherResults(pipeline, items)[0]!.steps // => { shout: 'HELLO' }
 * await run.close() // => []
 * ```
 */
export async function startRun(options: PipelineRunOptions): Promise<PipelineRun> {
  const { folder, name } = options.pipeline
  const run = await startDaemonRun({ files: runFiles(databaseOf(folder, name)), ...options })
  const { addedCount, store, finished, daemon, jobs, journal } = run
  return {
    addedCount,
    store,
    finished,
    drain: () => daemon.drain(),
    cancel: (ids) => jobs.cancel(ids),
    retry: (ids) => jobs.retry(ids),
    async close() {
      const unproven = await daemon.close().finally(() => journal.flush())
      await run.close()
      return unproven
    },
  }
}
