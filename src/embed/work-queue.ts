// The queue of one model on its own, as the seed has it: items that wait for others, and those that are
// ready, by priority and first in, first out within a priority. The order is that of the core's queue
// (core/work/queue.ts). What has been resolved is remembered, so that it counts for items that come later.
import { SchedulerError } from '../core/errors.ts'
import type { ModelId } from '../core/model.ts'
import type { ItemId } from '../core/work/item.ts'
import type { Level } from '../core/work/level.ts'
import { ReadyQueue, type Waiting } from '../core/work/queue.ts'
import { WorkItem } from './work-item.ts'

/**
 * The queue of one model on its own: items that wait for others, and those that are ready, by priority and
 * first in, first out within a priority. It remembers what has been resolved, by its id, for as long as it
 * is there.
 *
 * @public
 * @example
 * ```ts
 * const queue = new WorkQueue('Whisper')
 * queue.push(new WorkItem({ id: 'a', modelId: 'Whisper' }))
 * queue.push(new WorkItem({ id: 'b', modelId: 'Whisper', priority: 5 }))
 * queue.push(new WorkItem({ id: 'c', modelId: 'Whisper', dependencies: ['upload'] }))
 * queue.readyCount // => 2
 * queue.pop()?.id // => 'b'
 * queue.resolveDependency('upload')
 * queue.waitingCount // => 0
 * ```
 */
export class WorkQueue {
  /** Whose items it holds. */
  readonly modelId: ModelId
  readonly #ready = new ReadyQueue<Place>()
  /** By what they wait for; an item stands under each of its open dependencies. */
  readonly #waitingFor = new Map<ItemId, Set<WorkItem>>()
  readonly #waiting = new Set<WorkItem>()
  /** Ids of those that wait or are ready. */
  readonly #ids = new Set<ItemId>()
  readonly #resolved = new Set<ItemId>()
  #turn = 0

  /** Throws BAD_VALUE. */
  constructor(modelId: ModelId) {
    if (typeof modelId !== 'string' || modelId === '') {
      const message = `A queue is of one model, by its name, such as new WorkQueue('Whisper'); this is ${JSON.stringify(modelId)}.`
      throw new SchedulerError('BAD_VALUE', message, { modelId })
    }
    this.modelId = modelId
  }

  /** Items that could run now. */
  get readyCount(): number {
    return this.#ready.count
  }

  /** Items that wait for others. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Adds an item: to the ready ones, behind those of its priority, or to those that wait. One that is in the
   * queue already changes nothing. Throws BAD_VALUE for what is no item of this model. Cost: O(priorities in
   * use), O(dependencies). */
  push(item: WorkItem): void {
    this.#assertOwn(item)
    if (this.#ids.has(item.id)) return
    this.#ids.add(item.id)
    for (const { id } of item.dependencies) if (this.#resolved.has(id)) item.resolveDependency(id)
    if (item.isReady) this.#enter(item)
    else this.#wait(item)
  }

  /** Takes the ready item of the highest priority out, of these the first; null: none is ready. */
  pop(): WorkItem | null {
    const place = this.#ready.pop()
    if (place === null) return null
    this.#ids.delete(place.item.id)
    return place.item
  }

  /** Says that something is there, an item of any queue or anything that has a name: now, and for items that
   * come later. Items that waited for nothing else become ready in the order in which they came. Never
   * throws. Cost: O(items that wait for it). */
  resolveDependency(id: ItemId): void {
    this.#resolved.add(id)
    const items = this.#waitingFor.get(id)
    if (!items) return
    this.#waitingFor.delete(id)
    for (const item of items) {
      item.resolveDependency(id)
      // Its owner may have resolved more of it, so that it is ready already.
      if (item.isReady && this.#waiting.delete(item)) this.#enter(item)
    }
  }

  #enter(item: WorkItem): void {
    this.#ready.push(new Place(item, ++this.#turn))
  }

  #wait(item: WorkItem): void {
    this.#waiting.add(item)
    const resolved = item.resolvedDependencies
    for (const { id } of item.dependencies) {
      if (resolved.has(id)) continue
      const items = this.#waitingFor.get(id) ?? new Set()
      this.#waitingFor.set(id, items)
      items.add(item)
    }
  }

  #assertOwn(item: WorkItem): void {
    if (!(item instanceof WorkItem)) {
      const message = `push takes a WorkItem; make one: new WorkItem({ sourceId: 'v1', modelId: '${this.modelId}', input }).`
      throw new SchedulerError('BAD_VALUE', message, { item })
    }
    if (item.modelId === this.modelId) return
    const message = `Item "${item.id}" is of ${item.modelId}, the queue of ${this.modelId}. Push it to the queue of its model, or submit it to a GpuScheduler, which has one for each.`
    throw new SchedulerError('BAD_VALUE', message, { id: item.id, modelId: item.modelId })
  }
}

/** Where a ready item stands. */
class Place implements Waiting<Place> {
  readonly item: WorkItem
  readonly priority: number
  readonly submittedAtMs: number
  readyAtMs: number
  turn: number
  // Neither tenants nor deadlines count here: a queue alone has nobody to be fair to, and no clock.
  readonly tenant = null
  readonly latestEndAtMs = null
  level: Level<Place> | null = null
  previous: Place | null = null
  next: Place | null = null

  constructor(item: WorkItem, turn: number) {
    this.item = item
    this.priority = item.priority
    this.submittedAtMs = this.readyAtMs = item.submittedAtMs
    this.turn = turn
  }
}
