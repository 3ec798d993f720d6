// The public API: re-exports only.
export { type ErrorCode, errorKinds, type ItemError, SchedulerError } from './core/errors.ts'
export {
  defineModel,
  type Model,
  type ModelId,
  type ModelOptions,
  ModelType,
  mediaModels,
} from './core/model.ts'
export { defaultPolicy, type Policy, parsePolicy, policyOptions } from './core/policy.ts'
export { type AbortSignalLike, type VramPermit, VramSemaphore } from './core/semaphore.ts'
export { formatBytes, formatMs, parseBytes, parseDuration } from './core/units.ts'
export { VramConfig, type VramOptions } from './core/vram.ts'
export { WorkGraph } from './core/work/graph.ts'
export type { ItemId, NewItem, NewItemOptions, StoredItem } from './core/work/item.ts'
export { type Run, startRun } from './daemon/run.ts'
export type { Device } from './devices/device.ts'
export { ModelStateManager, type ModelStateOptions, type ModelStates } from './embed/model-state.ts'
export type { NextBatch } from './embed/next-batch.ts'
export type { GpuSchedulerOptions } from './embed/options.ts'
export type { ItemProgress } from './embed/progress.ts'
export { GpuScheduler } from './embed/scheduler.ts'
export type { ModelStatus, SchedulerStatus } from './embed/status.ts'
export type { Submission } from './embed/submission.ts'
export { itemId, newItem, type TimeAndChance, WorkItem, type WorkItemOptions } from './embed/work-item.ts'
export { WorkQueue } from './embed/work-queue.ts'
export { definePipeline, type Pipeline, readPipeline } from './pipelines/pipeline.ts'
export type {
  Duration,
  PipelineBatch,
  PipelineFile,
  PipelineGpu,
  PipelineModel,
  PipelinePolicy,
  PipelineSource,
  PipelineStep,
  PipelineTable,
  PipelineTimeouts,
  Size,
} from './pipelines/pipeline-file.ts'
export { gatherReport, gatherResults } from './pipelines/report.ts'
export { databaseOf, type RunFiles, runFiles } from './record/files.ts'
export type { Instance, Runner } from './runners/runner.ts'
export { openMemoryStore } from './stores/memory.ts'
export { openSqliteReader, openSqliteStore } from './stores/sqlite/store.ts'
export type { Store } from './stores/store.ts'
