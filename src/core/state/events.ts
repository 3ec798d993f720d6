// What goes into the core: events, facts that happened. And what comes out: commands, what to do now, each
// with its reason. A command is a request, not a fact. The loop reports it as `command-issued`, and reports
// its effect as another event.
import type { Id } from '../id.ts'
import type { ModelId } from '../model.ts'
import type { ClaimOrder, QueueHead } from '../work/queue-head.ts'

export type DeviceId = Id<'device'>
export type InstanceId = Id<'instance'>
export type BatchId = Id<'batch'>

export type SchedulerEvent =
  /** New heads of the queues that changed. A model that is not listed keeps its head. */
  | { type: 'queue-changed'; atMs: number; heads: QueueHead[] }
  /** The loop has taken a command from `decide` and is about to carry it out. Its bytes are booked. */
  | { type: 'command-issued'; atMs: number; command: Command }
  /** How many items the store gave for a batch; 0 ends it. */
  | {
      type: 'batch-claimed'
      atMs: number
      batchId: BatchId
      itemCount: number
      /** Items by tenant, '' for nobody in particular; left out where no item names one. */
      countByTenant?: Readonly<Record<string, number>> | undefined
    }
  | {
      type: 'batch-finished'
      atMs: number
      batchId: BatchId
      failedCount: number
      runMs: number
      /** Most bytes that the worker says it held; null: it does not say. */
      peakBytes: number | null
      /** What the worker says it still holds; left out, or null: it does not say. */
      residentBytes?: number | null
      /** The most its instance held while the batch ran, and what it held after it, as measured; left out, or
       * null: not measured. */
      held?: { peakBytes: number; afterBytes: number } | null
      /** It, or some of its items, ran out of memory. Default false. */
      isOutOfMemory?: boolean
      /** Its instance ended, hung or broke the contract meanwhile, and nobody had stopped it. Default
       * false. */
      hasCrashed?: boolean
    }
  | {
      type: 'load-finished'
      atMs: number
      instanceId: InstanceId
      /** null: not measured. */
      loadMs: number | null
      residentBytes: number | null
      maxBatch: number | null
    }
  /** The instance is being stopped; its bytes stay booked until `memory-released`. */
  | {
      type: 'load-failed'
      atMs: number
      instanceId: InstanceId
      message: string
      /** Default false. */
      isOutOfMemory?: boolean
      /** Another load would fail alike: its code cannot be parsed or imported. Default false. */
      isFinal?: boolean
    }
  /** An instance ended or failed although nobody had stopped it. Its bytes stay booked until
   * `memory-released`. */
  | { type: 'instance-failed'; atMs: number; instanceId: InstanceId; message: string }
  /** A reading of a device: what others hold, and what each of our instances holds. */
  | {
      type: 'memory-observed'
      atMs: number
      /** When the device was asked; left out: just now. A reading that was asked for before the last one
       * changes nothing. */
      askedAtMs?: number
      deviceId: DeviceId
      capacityBytes: number
      foreignBytes: number
      /** In use by anybody; left out, or null: the device cannot tell. */
      usedBytes?: number | null
      /** Empty where the device cannot tell. */
      bytesByInstance: Record<InstanceId, number>
      /** Most since the last reading, where the device knows it. */
      peakByInstance?: Record<InstanceId, number>
      /** Why nothing new should be put on it; left out, or null: it is well. */
      fault?: string | null
    }
  /** The memory of a stopped instance is not back, and why, as far as can be seen. */
  | { type: 'release-delayed'; atMs: number; instanceId: InstanceId; cause: string }
  /** The process is gone and the device shows its bytes back. */
  | { type: 'memory-released'; atMs: number; instanceId: InstanceId }
  /** No new work is started; what runs, finishes. */
  | { type: 'drain-started'; atMs: number }
  | { type: 'timer-fired'; atMs: number }

export type Command =
  | {
      type: 'start-load'
      instanceId: InstanceId
      modelId: ModelId
      deviceId: DeviceId
      bytes: number
      reason: Reason
    }
  | {
      type: 'stop-instance'
      instanceId: InstanceId
      modelId: ModelId
      deviceId: DeviceId
      makeRoomFor: ModelId | null
      reason: Reason
    }
  | {
      type: 'run-batch'
      batchId: BatchId
      instanceId: InstanceId
      modelId: ModelId
      deviceId: DeviceId
      maxCount: number
      order: ClaimOrder
      /** Activation bytes booked while the batch runs. */
      bytes: number
      reason: Reason
    }
  /** The bytes of a stopped instance did not come back in time: they count as gone until they do. */
  | {
      type: 'quarantine'
      instanceId: InstanceId
      modelId: ModelId
      deviceId: DeviceId
      bytes: number
      reason: Reason
    }
  /** Loads of the model failed too often: the items that wait for it fail with the reason. */
  | { type: 'fail-queue'; modelId: ModelId; message: string; reason: Reason }

/** One kind of event, or of command: `EventOf<'load-finished'>`. */
export type EventOf<Type extends SchedulerEvent['type']> = Extract<SchedulerEvent, { type: Type }>
export type CommandOf<Type extends Command['type']> = Extract<Command, { type: Type }>

/**
 * Which rule chose something, and the figures that it saw.
 *
 * @public
 * @example
 * ```ts
 * const scheduler = new GpuScheduler()
 * scheduler.submit({ id: 'a', modelId: 'CLAP' })
 * const reason: Reason = scheduler.getNextBatch()!.reason
 * reason.rule // => 'run-best'
 * ```
 */
export interface Reason {
  rule: RuleId
  /** By name; units are in the names: `waitedMs`, `headroomBytes`, `bill` (item-seconds). */
  figures: Record<string, number>
}

/**
 * The name of a rule by which something is chosen: docs/policy.md.
 *
 * @public
 * @example
 * ```ts
 * const rule: RuleId = 'run-best'
 * ```
 */
export type RuleId =
  | 'shutdown'
  | 'release-overdue'
  | 'loads-failed'
  | 'cannot-load'
  | 'load-interactive'
  | 'load-urgent'
  | 'load-overdue'
  | 'load-best'
  | 'load-filler'
  | 'load-copy'
  | 'prefetch'
  | 'make-room'
  | 'no-room'
  | 'over-the-line'
  | 'idle'
  | 'leaks'
  | 'device-fault'
  | 'preload'
  | 'never-fits'
  | 'run-interactive'
  | 'run-urgent'
  | 'run-overdue'
  | 'run-best'

export type Decision =
  | { command: Command; passedOver: ModelId[] }
  /** Nothing to do now; look again at the latest at this moment (null: after the next event). */
  | { command: null; wakeAtMs: number | null }
