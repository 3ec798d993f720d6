// Which ready items a claim takes, and since when a queue waits. The owner keeps the order of its queues in memory, read from
// the file when it opens: an index of ready items would cost a third of what a release and an end write. A level for each
// model, priority and tenant holds its items by turn (sqlite-level.ts); those with a deadline are also listed by it.
//
//   (1) Interactive levels alone, by priority, when one of them has an item.
//   (2) Items that must have ended soon, the earliest first.
//   (3) Overdue items, oldest first over all levels.
//   (4) The others by priority; then the tenant that has had least; first in, first out inside a level.
import { leastServed, levelOf } from '../core/levels.ts'
import type { ModelId } from '../core/model.ts'
import type { TenantShare } from '../core/queue-head.ts'
import { SqliteDue } from './sqlite-due.ts'
import { Level } from './sqlite-level.ts'
import type { ClaimRequest } from './store.ts'

interface ModelQueue {
  /** Highest priority first, then by tenant. */
  readonly levels: Level[]
  readonly due: SqliteDue
}

export class SqliteQueue {
  readonly #queues = new Map<ModelId, ModelQueue>()

  clear(): void {
    this.#queues.clear()
  }

  levelOf(modelId: ModelId, priority: number, tenant: string | null): Level {
    let queue = this.#queues.get(modelId)
    if (!queue) {
      queue = { levels: [], due: new SqliteDue() }
      this.#queues.set(modelId, queue)
    }
    const { levels, due } = queue
    return levelOf(levels, priority, tenant, () => new Level(priority, tenant, due))
  }

  /** Takes items out of a model's levels, in the order of a claim. */
  take({ modelId, maxCount, order }: ClaimRequest): number[] {
    const { levels, due } = this.#queues.get(modelId) ?? { levels: [], due: null }
    const seqs: number[] = []
    const shares = order.shares.length > 1 ? order.shares.map((each) => ({ ...each })) : []
    takeByPriority(levels, seqs, maxCount, shares, order.interactiveFrom) // (1)
    if (seqs.length > 0) return seqs
    while (seqs.length < maxCount && due !== null && order.urgentBeforeMs !== null) {
      const seq = due.shift(order.urgentBeforeMs) // (2)
      if (seq === null) break
      seqs.push(seq)
    }
    while (seqs.length < maxCount) {
      const level = overdueLevel(levels, order.overdueBeforeMs) // (3)
      if (level === null) break
      seqs.push(level.shift())
    }
    takeByPriority(levels, seqs, maxCount, shares, Number.NEGATIVE_INFINITY) // (4)
    return seqs
  }

  /** Deadlines that have passed count no more. Answers with the next one, ms; Infinity: there is none. Cost: O(models). */
  dropLate(nowMs: number): number {
    let nextAtMs = Number.POSITIVE_INFINITY
    for (const { due } of this.#queues.values()) {
      due.dropLate(nowMs)
      nextAtMs = Math.min(nextAtMs, due.latestEndAtMs ?? nextAtMs)
    }
    return nextAtMs
  }
}

function takeByPriority(
  levels: readonly Level[],
  seqs: number[],
  maxCount: number,
  shares: TenantShare[],
  leastPriority: number,
): void {
  for (let index = 0; index < levels.length && seqs.length < maxCount; ) {
    const { priority } = levels[index]!
    if (priority < leastPriority) return
    let end = index + 1
    while (levels[end]?.priority === priority) end++
    const level = end - index > 1 ? leastServed(levels, index, end, shares, turnOf) : levels[index]!
    if (level === null || level.isEmpty) index = end
    else seqs.push(level.shift())
  }
}

/** The level whose first item is overdue and has been ready longest. */
function overdueLevel(levels: readonly Level[], overdueBeforeMs: number): Level | null {
  let oldest: Level | null = null
  for (const level of levels) {
    if (level.readyAtMs < overdueBeforeMs && (oldest === null || level.turn < oldest.turn)) oldest = level
  }
  return oldest
}

function turnOf({ turn }: Level): number {
  return turn
}
