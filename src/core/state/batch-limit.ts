// How large the batches of a model may be on a kind of device, after batches that failed as a whole: they ran
// out of memory, or their instance crashed, hung or broke the contract.
//
//  (1) A batch of n items fails: the limit is n ÷ 2. The items come back and are tried again in the same
//      order, so that an item that is to blame ends up alone.
//  (2) A batch of one item fails: that item is to blame, and the limit is again what it was before these
//      failures.
//  (3) As many items as failed together have passed: their number was to blame. After a crash it was bad luck
//      instead, and the limit is again what it was.
//  (4) `cleanBatches` batches of the largest size in a row that go well raise the limit by one. (Additive
//      increase, multiplicative decrease: Clipper, Crankshaw et al., NSDI 2017.)
//
// shrinkBatches and growBatches are for apply.ts alone.
import type { BatchLimit, InstanceState, ModelState } from './state.ts'

/** Batches in a row that must go well before one more item is tried (docs/policy.md). */
export const cleanBatches = 10

/** The limit of an instance's batches; null: only the model's own. */
export function batchLimitOf({ model, device }: InstanceState): BatchLimit | null {
  if (model.batchLimits.length === 0) return null
  return model.batchLimits.find(({ kind }) => kind === device.kind) ?? null
}

/** Batches failed as a whole, and whether one of their items is to blame is not known yet. An item that now
 * fails alone is. */
export function isSearching(instance: InstanceState): boolean {
  return (batchLimitOf(instance)?.beforeCount ?? null) !== null
}

/** A batch failed as a whole. (1), (2) */
export function shrinkBatches(
  instance: InstanceState,
  { itemCount, isForMemory }: Pick<BatchLimit, 'itemCount' | 'isForMemory'>,
): void {
  let limit = batchLimitOf(instance)
  if (itemCount === 1) {
    if (limit) restoreBatchLimit(instance, limit)
    return
  }
  if (!limit) {
    const { max } = instance.model.declared.batch
    limit = { kind: instance.device.kind, isForMemory, itemCount: max, cleanCount: 0, beforeCount: null }
    instance.model.batchLimits.push(limit)
  }
  limit.cleanCount = 0
  limit.isForMemory ||= isForMemory
  limit.beforeCount ??= limit.itemCount
  limit.itemCount = Math.min(limit.itemCount, Math.floor(itemCount / 2))
}

/** The failures were not about the number of items: the limit is again what it was before them. */
function restoreBatchLimit({ model }: InstanceState, limit: BatchLimit): void {
  limit.cleanCount = 0
  if (limit.beforeCount !== null) limit.itemCount = limit.beforeCount
  limit.beforeCount = null
  forgetBatchLimit(model, limit)
}

/** Drops a limit that is as large as the model's own. */
function forgetBatchLimit({ batchLimits, declared }: ModelState, limit: BatchLimit): void {
  if (limit.itemCount >= declared.batch.max) batchLimits.splice(batchLimits.indexOf(limit), 1)
}

/** A batch went well. (3), (4) */
export function growBatches(instance: InstanceState, itemCount: number): void {
  const limit = batchLimitOf(instance)
  if (!limit || itemCount < limit.itemCount) return
  limit.cleanCount++
  // As many items as failed together have passed: it was their number, not one of them.
  if (limit.beforeCount !== null && limit.cleanCount * limit.itemCount >= limit.beforeCount) {
    if (limit.isForMemory) limit.beforeCount = null
    else restoreBatchLimit(instance, limit)
  }
  if (limit.cleanCount < cleanBatches) return
  limit.cleanCount = 0
  limit.itemCount++
  forgetBatchLimit(instance.model, limit)
}
