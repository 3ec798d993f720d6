// What a scheduler answers when it is asked for a batch: the items, what has to be done before they run, and
// why it is this batch and no other.
import { formatReason } from '../core/explain/explain.ts'
import type { ModelId } from '../core/model.ts'
import type { Reason } from '../core/state/events.ts'
import type { ClaimedItem } from '../core/work/lease.ts'
import type { BatchSteps } from './steps.ts'

/**
 * What is to be run next: the items, the models to unload and to load before, and why.
 *
 * @public
 * @example
 * ```ts
 * const scheduler = new GpuScheduler()
 * scheduler.submit({ id: 'a', modelId: 'CLAP' })
 * const batch: NextBatch = scheduler.getNextBatch(8)!
 * batch.modelId // => 'CLAP'
 * batch.loads // => ['CLAP']
 * batch.evictions // => []
 * batch.why[0] // => 'CLAP is loaded: its queue deserves the device most (1 ready).'
 * ```
 */
export interface NextBatch {
  modelId: ModelId
  /** At least one. */
  items: ClaimedItem[]
  /** Models to unload first. */
  evictions: ModelId[]
  /** The model of this batch if it has to be loaded, after the evictions; its memory is booked already. */
  loads: ModelId[]
  /** The rule by which the batch was chosen, and the figures that it saw. */
  reason: Reason
  /** Why it is this batch, in sentences: the evictions, the load, then the batch. */
  readonly why: string[]
}

export class ReasonedBatch implements NextBatch {
  readonly modelId: ModelId
  readonly items: ClaimedItem[]
  readonly evictions: ModelId[]
  readonly loads: ModelId[]
  readonly reason: Reason
  readonly #steps: BatchSteps
  readonly #passedOver: readonly ModelId[]

  /** `passedOver`: other models that had ready items. */
  constructor(
    { modelId, items }: Pick<NextBatch, 'modelId' | 'items'>,
    steps: BatchSteps,
    reason: Reason,
    passedOver: readonly ModelId[],
  ) {
    this.modelId = modelId
    this.items = items
    this.evictions = steps.evictions
    this.loads = steps.loads
    this.reason = reason
    this.#steps = steps
    this.#passedOver = passedOver
  }

  /** Made when it is asked for: most batches are never explained. */
  get why(): string[] {
    const count = this.items.length === 1 ? '1 item' : `${this.items.length} items`
    const others = this.#passedOver.length > 0 ? ` Ready too: ${this.#passedOver.join(', ')}.` : ''
    const sentence = `${this.modelId} runs ${count}: ${formatReason(this.reason)}.${others}`
    return [...this.#steps.reasons.map(([what, reason]) => `${what}: ${formatReason(reason)}.`), sentence]
  }
}
