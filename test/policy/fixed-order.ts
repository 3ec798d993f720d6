// Eviction alone: items run one by one in the order they became ready, a model is loaded
// when the turn of its item comes, and resident ones are given up one after another,
// those worth least first, until it fits; none is put back. Caches of web pages are
// compared like this; published and exact miss counts check the simulator (laws.ts).
//
//   lru        the one used longest ago
//   lfu        the one used least often, ever; then the one loaded first
//   gds, gdsf  the least H = clock + (uses ×) load ÷ bytes, where the clock is the H of the last
//              victim: GreedyDual-Size (Cao and Irani 1997) and with frequency (Cherkasova 1998)
//   farthest   the one needed latest: the future is known (Belady 1966)
import type { Model, ModelId } from '../../src/core/model.ts'
import type { DeviceState, InstanceState } from '../../src/core/state/state.ts'
import { canHold, firstInFirstOut, follow, instanceOf, type Rule } from '../../src/sim/baselines/follow.ts'
import type { SimulatedPolicy } from '../../src/sim/simulate.ts'
import type { WorkloadItem } from '../../src/sim/workload.ts'

export const evictions = ['lru', 'lfu', 'gds', 'gdsf', 'farthest'] as const
export type Eviction = (typeof evictions)[number]

/** What is known of a model's uses. */
interface Uses {
  count: number
  /** Number of the item that used it last, and of the one that will use it next. */
  last: number
  next: number
  /** Of GreedyDual-Size. */
  worth: number
}

const worths: Record<Eviction, (uses: Uses) => number> = {
  lru: ({ last }) => last,
  lfu: ({ count }) => count,
  gds: ({ worth }) => worth,
  gdsf: ({ worth }) => worth,
  farthest: ({ next }) => -next,
}

/** `items` in the order they become ready: the future that `farthest` knows. */
export function fixedOrder(
  eviction: Eviction,
  items: readonly Pick<WorkloadItem, 'model'>[],
): SimulatedPolicy {
  return {
    name: eviction,
    create(backlog, models) {
      const record = new UseRecord(
        eviction,
        models.map(({ id }) => id),
        nextUsesOf(items),
      )
      const rule: Rule = {
        isAlone: false,
        overlaps: false,
        victims: (device) => record.victims(device),
        next(state, device) {
          const modelId = backlog.oldestModel((id) => canHold(device, state.modelById.get(id)!))
          if (modelId === null) return null
          const model = state.modelById.get(modelId)!
          const instance = instanceOf(device, model)
          if (!instance) return { type: 'load', model }
          record.used(model.model)
          return { type: 'run', instance, maxCount: 1, order: firstInFirstOut }
        },
      }
      return (state) => follow(state, rule)
    },
  }
}

/** What an eviction rule remembers of the uses so far, and in what order it gives models up. */
class UseRecord {
  readonly #eviction: Eviction
  readonly #uses: Map<ModelId, Uses>
  readonly #nextUses: Float64Array
  /** The worth of the last victim, of the rules that count by it. */
  #clock = 0
  #itemNumber = 0

  constructor(eviction: Eviction, modelIds: readonly ModelId[], nextUses: Float64Array) {
    this.#eviction = eviction
    this.#uses = new Map(modelIds.map((id) => [id, { count: 0, last: 0, next: 0, worth: 0 }]))
    this.#nextUses = nextUses
  }

  used({ id, loadMs, vramBytes }: Model): void {
    const uses = this.#uses.get(id)!
    uses.count++
    uses.last = this.#itemNumber
    uses.next = this.#nextUses[this.#itemNumber++]!
    const times = this.#eviction === 'gdsf' ? uses.count : 1
    uses.worth = this.#clock + (times * loadMs) / vramBytes
  }

  /** The first of them is the one that goes: asked anew for each. */
  victims(device: DeviceState): InstanceState[] {
    const worthOf = ({ model }: InstanceState) => worths[this.#eviction](this.#uses.get(model.model.id)!)
    const ready = device.instances.filter(({ phase }) => phase === 'ready')
    ready.sort((a, b) => worthOf(a) - worthOf(b))
    this.#clock = Math.max(this.#clock, this.#uses.get(ready[0]!.model.model.id)!.worth)
    return ready
  }
}

/** For each item the number of the next one of its model; Infinity: none comes. */
function nextUsesOf(items: readonly Pick<WorkloadItem, 'model'>[]): Float64Array {
  const nextUse = new Float64Array(items.length)
  const seen = new Map<ModelId, number>()
  for (let index = items.length - 1; index >= 0; index--) {
    const { model } = items[index]!
    nextUse[index] = seen.get(model) ?? Number.POSITIVE_INFINITY
    seen.set(model, index)
  }
  return nextUse
}
