// The public API: re-exports only.
export { type ErrorCode, errorKinds, type ItemError, SchedulerError } from './core/errors.ts'
export { defineModel, type Model, type ModelOptions, mediaModels } from './core/model.ts'
export { defaultPolicy, type Policy, parsePolicy, policyOptions } from './core/policy.ts'
export type { NextBatch } from './core/scheduler.ts'
export { type AbortSignalLike, type VramPermit, VramSemaphore } from './core/semaphore.ts'
export { ModelStateManager } from './core/state/loads.ts'
export { formatBytes, formatMs, parseBytes, parseDuration } from './core/units.ts'
export { VramConfig } from './core/vram.ts'
export { WorkGraph } from './core/work/graph.ts'
export { itemId, type NewItem, type NewItemOptions, newItem, type StoredItem } from './core/work/item.ts'
export { WorkQueue } from './core/work/queue.ts'
export { type Run, startRun } from './daemon/run.ts'
export type { Device } from './devices/device.ts'
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
export { GpuScheduler } from './scheduler.ts'
export { openMemoryStore } from './stores/memory.ts'
export { openSqliteReader, openSqliteStore } from './stores/sqlite/store.ts'
export type { Store } from './stores/store.ts'
