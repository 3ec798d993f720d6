// What has become of an item of a scheduler, for its caller and for the sentences that say why it waits.
import type { WaitingItem } from '../core/explain/explain.ts'
import type { ModelId } from '../core/model.ts'
import { hasEnded, type ItemState } from '../core/work/item.ts'
import type { WorkNode } from '../core/work/node.ts'

/**
 * What has become of an item.
 *
 * @public
 * @example
 * ```ts
 * const scheduler = new GpuScheduler()
 * scheduler.submit({ id: 'a', modelId: 'CLAP' })
 * scheduler.getNextBatch()
 * scheduler.complete('a', { tags: ['rain'] })
 * const progress: ItemProgress = scheduler.get('a')!
 * progress.state // => 'done'
 * progress.output // => { tags: ['rain'] }
 * ```
 */
export interface ItemProgress {
  modelId: ModelId
  state: ItemState
  /** Attempts that have begun. */
  attempt: number
  /** What `complete` was given; null before that. */
  output: unknown
  /** Why it failed, or failed last; null: it did not. */
  error: string | null
}

export function progressOf({ item, state, attempt, output, error }: WorkNode): ItemProgress {
  return { modelId: item.modelId, state, attempt, output, error: error?.message ?? null }
}

export function waitingOf(node: WorkNode): WaitingItem {
  const { item, state, priority, latestEndAtMs, readyAtMs, error, parents } = node
  const open = parents.map(({ parent }) => parent).filter((parent) => !hasEnded(parent.state))
  return {
    ...{ modelId: item.modelId, state, latestEndAtMs, error },
    effectivePriority: priority,
    readyAtMs: state === 'ready' ? readyAtMs : null,
    openDependencies: open.map((each) => ({
      id: each.item.id,
      modelId: each.item.modelId,
      state: each.state,
    })),
  }
}
