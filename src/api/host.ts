// Who answers a use case: a running daemon, from its memory, or a database at rest, from its files. Both are
// this interface, so a use case is written once, and tested over a host that is made up.
import type { ModelId } from '../core/model.ts'
import type { ModelProfile } from '../core/state/profile.ts'
import type { Jobs } from '../daemon/jobs.ts'
import { countedShapes, type StepShape, shapesOf } from '../forecast/plan-workload.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import type { RunFiles } from '../record/files.ts'
import type { LastRun } from '../record/last-run.ts'
import type { Measured } from '../record/measured.ts'
import type { StoreReader, StoreStats } from '../stores/store.ts'

export interface Host {
  readonly files: RunFiles
  readonly store: StoreReader
  /** The pipeline that is run or asked about; null: only the database is known. */
  readonly pipeline: Pipeline | null
  /** What the scheduler knows, or knew at its end; null: no run is recorded. */
  lastRun(): Promise<LastRun | null>
  /** What runs have learned of the pipeline's models. */
  profiles(): Promise<readonly ModelProfile[]>
  /** What the last run measured, by model. */
  measured(): Promise<ReadonlyMap<ModelId, Measured>>
  /** How long the rest takes, ms; null: nothing is left, or it cannot be foreseen. */
  restMs(stats: StoreStats): Promise<number | null>
}

/** The host of the one process that may change the database. */
export interface OwnerHost extends Host {
  readonly jobs: Pick<Jobs, 'cancel' | 'retry'>
}

/** What earlier runs made of each step. */
export function shapesFor(pipeline: Pipeline | null, stats: StoreStats): Map<string, StepShape> {
  return pipeline === null ? countedShapes(stats) : shapesOf(pipeline, stats)
}
