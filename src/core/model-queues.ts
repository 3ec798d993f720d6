// The queues of all models and what their heads show: kept up to date with every change, and told only where something
// changed, so that a decision costs the same however many items wait.
import type { QueueHead } from './queue-head.ts'
import type { WorkNode } from './work-node.ts'
import { WorkQueue } from './work-queue.ts'

export interface ModelQueue {
  readonly modelId: string
  readonly ready: WorkQueue<WorkNode>
  blockedCount: number
  /** Open dependencies on items of another model. */
  readonly waitsOn: Map<ModelQueue, number>
  isChanged: boolean
}

/** The model of what is resolved from outside and was never submitted. */
export const outside = ''

export class ModelQueues {
  readonly #queues = new Map<string, ModelQueue>()
  #changed: ModelQueue[] = []

  of(modelId: string): ModelQueue {
    let queue = this.#queues.get(modelId)
    if (!queue) {
      queue = { modelId, ready: new WorkQueue(), blockedCount: 0, waitsOn: new Map(), isChanged: false }
      this.#queues.set(modelId, queue)
    }
    return queue
  }

  touch(queue: ModelQueue): void {
    if (queue.isChanged) return
    queue.isChanged = true
    this.#changed.push(queue)
  }

  /** One more open dependency, or one less, of an item of one model on an item of another. */
  countEdge(child: ModelQueue, parent: ModelQueue, count: 1 | -1): void {
    child.waitsOn.set(parent, (child.waitsOn.get(parent) ?? 0) + count)
    this.touch(child)
  }

  /** Heads of the queues that changed since the last call, by model id. */
  changedHeads(): QueueHead[] {
    if (this.#changed.length === 0) return []
    const changed = this.#changed
    this.#changed = []
    for (const queue of changed) queue.isChanged = false
    return changed
      .filter(({ modelId }) => modelId !== outside)
      .map(headOf)
      .sort(byModel)
  }

  /** Heads of all queues that have items ready or waiting, by model id. */
  heads(): QueueHead[] {
    const busy = [...this.#queues.values()].filter(
      ({ blockedCount, ready }) => blockedCount > 0 || ready.count > 0,
    )
    return busy.map(headOf).sort(byModel)
  }
}

function headOf({ modelId, ready, blockedCount, waitsOn }: ModelQueue): QueueHead {
  const open = [...waitsOn].flatMap(([queue, count]) =>
    count > 0 ? [{ modelId: queue.modelId, count }] : [],
  )
  return {
    modelId,
    readyCount: ready.count,
    blockedCount,
    levels: ready.levels(),
    waitsOn: open.sort(byModel),
  }
}

function byModel(a: { modelId: string }, b: { modelId: string }): number {
  return a.modelId < b.modelId ? -1 : 1
}
