// The public API: re-exports only. Each heading is a page of docs/api (scripts/reference), and what stands
// below it opens the page.

// ── Scheduler ──
// The scheduler to embed, the types of the origin, and what they say. Nothing here starts a process, opens a
// file or sets a timer. docs/origin.md has the origin's names beside ours, examples/embed a whole program.

export type { InfeasibleDeadline } from './core/decide/admission.ts'
export type { Reason, RuleId } from './core/state/events.ts'
export type { ClaimedItem } from './core/work/lease.ts'
export { ModelStateManager, type ModelStateOptions, type ModelStates } from './embed/model-state.ts'
export type { NextBatch } from './embed/next-batch.ts'
export type { GpuSchedulerOptions } from './embed/options.ts'
export type { ItemProgress } from './embed/progress.ts'
export { GpuScheduler } from './embed/scheduler.ts'
export type { ModelStatus, SchedulerStatus } from './embed/status.ts'
export type { Submission } from './embed/submission.ts'
export { WorkQueue } from './embed/work-queue.ts'

// ── Items ──
// A work item is one input for one model: what the scheduler and the stores take.

export type {
  Dependency,
  DependencyOptions,
  EdgePolicy,
  ItemId,
  ItemState,
  NewItem,
  NewItemOptions,
} from './core/work/item.ts'
export { itemId, newItem, type TimeAndChance, WorkItem, type WorkItemOptions } from './embed/work-item.ts'

// ── Models and memory ──
// Models with their sizes and times, the memory of a device, and permits to use it.

export {
  type BatchProfile,
  defineModel,
  type Model,
  type ModelId,
  type ModelOptions,
  ModelType,
  mediaModels,
} from './core/model.ts'
export { type AbortSignalLike, type VramPermit, VramSemaphore } from './core/semaphore.ts'
export { formatBytes, formatMs, parseBytes, parseDuration } from './core/units.ts'
export { VramConfig, type VramOptions } from './core/vram.ts'

// ── Policy ──
// How the scheduler chooses. docs/policy.md has the rules, their formulas and what they were measured to do.

export {
  defaultPolicy,
  type Policy,
  type PolicyKey,
  type PolicyOption,
  type PolicyOptions,
  parsePolicy,
  policyOptions,
} from './core/policy.ts'

// ── Errors ──
// Everything that is thrown on purpose is a SchedulerError. docs/errors.md says for each code why it comes
// and what to do.

export { type ErrorCode, type ErrorKind, errorKinds, type ItemError, SchedulerError } from './core/errors.ts'

// ── Pipelines ──
// What `plimsoll run` does, from a program: a pipeline is read, its models run in processes of their own, and
// its items are kept in a database, so that the next run goes on. docs/configuration.md has every key.

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
export { gatherReport, gatherResults, type ReportTable, type Result } from './pipelines/report.ts'
export { databaseOf, type RunFiles, runFiles } from './record/files.ts'
export { type PipelineRun, type PipelineRunOptions, startRun } from './run.ts'

// ── Stores ──
// Where items, their dependencies, leases and results live, in memory or in a file: a queue that outlives the
// process, for programs that bring their own scheduler, and a way to read what runs have kept.

export type { StoredItem } from './core/work/item.ts'
export type { Claim, ClaimRequest, Outcome } from './core/work/lease.ts'
export type { ClaimOrder, LevelHead, QueueHead, TenantShare } from './core/work/queue-head.ts'
export type { Resolution, ResolvedParent, Resolver } from './core/work/resolver.ts'
export { openMemoryStore } from './stores/memory.ts'
export { openSqliteReader, openSqliteStore, type SqliteOptions } from './stores/sqlite/store.ts'
export type {
  ItemBrief,
  ListQuery,
  RetryQuery,
  Store,
  StoreEvent,
  StoreOptions,
  StoreReader,
  StoreStats,
} from './stores/store.ts'
