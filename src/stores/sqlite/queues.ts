// Which ready items a claim takes. The owner keeps the order of its queues in memory and reads it from the
// file when it opens: an index of ready items would cost a third of what a release and an end write. There is
// a level for each model, priority and tenant (level.ts); items with a deadline are also listed by it. The
// order of a claim is that of core/work/levels.ts.

import type { ModelId } from '../../core/model.ts'
import { Deadlines } from '../../core/work/deadlines.ts'
import { type LevelledQueue, levelOf, takeInOrder } from '../../core/work/levels.ts'
import type { ClaimRequest } from '../store.ts'
import { type DueSeqs, Level } from './level.ts'

class ModelQueue implements LevelledQueue<Level, number> {
  readonly levels: Level[] = []
  readonly due: DueSeqs

  constructor(lateMs: number) {
    this.due = new Deadlines(lateMs)
  }

  turnOf({ turn }: Level): number {
    return turn
  }

  readyAtOf({ readyAtMs }: Level): number {
    return readyAtMs
  }

  takeFirst(level: Level): number {
    return level.shift()
  }

  takeUrgent(beforeMs: number): number | null {
    const due = this.due.take(beforeMs)
    due?.level.removeTurn(due.turn)
    return due?.item ?? null
  }
}

export class Queues {
  readonly #queues = new Map<ModelId, ModelQueue>()
  #lateMs = Number.NEGATIVE_INFINITY

  clear(): void {
    this.#queues.clear()
  }

  levelOf(modelId: ModelId, priority: number, tenant: string | null): Level {
    let queue = this.#queues.get(modelId)
    if (!queue) {
      queue = new ModelQueue(this.#lateMs)
      this.#queues.set(modelId, queue)
    }
    const { levels, due } = queue
    return levelOf(levels, priority, tenant, () => new Level(priority, tenant, due))
  }

  /** Takes items out of a model's levels, in the order of a claim. */
  take({ modelId, maxCount, order }: ClaimRequest): number[] {
    const queue = this.#queues.get(modelId)
    return queue ? takeInOrder(queue, maxCount, order) : []
  }

  /** Deadlines that have passed count no more. Answers with the next one, ms; Infinity: there is none. Cost:
   * O(models). */
  dropLate(nowMs: number): number {
    this.#lateMs = nowMs
    let nextAtMs = Number.POSITIVE_INFINITY
    for (const { due } of this.#queues.values()) {
      due.dropLate(nowMs)
      nextAtMs = Math.min(nextAtMs, due.latestEndAtMs ?? nextAtMs)
    }
    return nextAtMs
  }
}
