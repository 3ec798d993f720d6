// The queues of all models of a graph in memory, and what their heads show. Heads are read only where
// something has changed, so that a decision costs the same however many items wait.

import type { ModelId } from '../model.ts'
import type { ModelQueue, WorkNode } from './node.ts'
import { ReadyQueue } from './queue.ts'
import type { QueueHead } from './queue-head.ts'

/** The model of what is resolved from outside and was never submitted. */
export const outside = ''

export class ModelQueues {
  readonly #queueById = new Map<string, ModelQueue>()
  /** By model id. */
  readonly #queues: ModelQueue[] = []
  /** Where items of pipelines wait that are not served, of whatever model. */
  readonly parked: ModelQueue = { ...newQueue('', Number.NEGATIVE_INFINITY), isParked: true }
  #lateMs = Number.NEGATIVE_INFINITY

  of(modelId: ModelId): ModelQueue {
    let queue = this.#queueById.get(modelId)
    if (!queue) {
      queue = newQueue(modelId, this.#lateMs)
      this.#queueById.set(modelId, queue)
      insertByModel(this.#queues, queue, (each) => each)
    }
    return queue
  }

  /** One more open dependency, or one less, of an item of one model on an item of another. */
  countEdge(child: ModelQueue, parent: ModelQueue, count: 1 | -1): void {
    child.isChanged = true
    for (const edge of child.waitsOn) {
      if (edge.queue !== parent) continue
      edge.count += count
      return
    }
    insertByModel(child.waitsOn, { queue: parent, count }, (each) => each.queue)
  }

  /** Deadlines that have passed count no more. Answers with the next one, ms; Infinity: there is none. Cost:
   * O(models). */
  dropLate(nowMs: number): number {
    this.#lateMs = nowMs
    let nextAtMs = Number.POSITIVE_INFINITY
    for (const queue of this.#queues) {
      if (queue.ready.dropLate(nowMs)) queue.isChanged = true
      nextAtMs = Math.min(nextAtMs, queue.ready.latestEndAtMs ?? nextAtMs)
    }
    return nextAtMs
  }

  /** Heads of the queues that changed since the last call, by model id. Cost: O(models). */
  changedHeads(): QueueHead[] {
    const heads: QueueHead[] = []
    for (const queue of this.#queues) {
      if (!queue.isChanged) continue
      queue.isChanged = false
      if (queue.modelId !== outside) heads.push(headOf(queue))
    }
    return heads
  }

  /** Heads of all queues that have items ready or waiting, by model id. */
  heads(): QueueHead[] {
    return this.#queues.filter(({ blockedCount, ready }) => blockedCount > 0 || ready.count > 0).map(headOf)
  }
}

function newQueue(modelId: ModelId, lateMs: number): ModelQueue {
  const ready = new ReadyQueue<WorkNode>(lateMs)
  return { modelId, isParked: false, ready, blockedCount: 0, waitsOn: [], isChanged: false }
}

function headOf({ modelId, ready, blockedCount, waitsOn }: ModelQueue): QueueHead {
  const open: QueueHead['waitsOn'] = []
  for (const { queue, count } of waitsOn) {
    if (count > 0 && !queue.isParked) open.push({ modelId: queue.modelId, count })
  }
  const { count: readyCount, latestEndAtMs } = ready
  return { modelId, readyCount, blockedCount, levels: ready.levels(), latestEndAtMs, waitsOn: open }
}

function insertByModel<T>(list: T[], value: T, queueOf: (value: T) => ModelQueue): void {
  const { modelId } = queueOf(value)
  const index = list.findIndex((each) => queueOf(each).modelId > modelId)
  list.splice(index < 0 ? list.length : index, 0, value)
}
