// Items come in few kinds: one for each model, step, priority, tenant and pipeline in use. In the file an
// item has the number of its kind. In memory a kind has the counts of its items and the level in which they
// queue. An item that inherits a priority is of another kind from then on. The table `kind` only grows; this
// is the owner's copy of it.
import type { ModelId } from '../../core/model.ts'
import type { Counted, Counts, KindName } from './counts.ts'
import type { Level } from './level.ts'
import { all, type Queries } from './queries.ts'
import { Queues } from './queues.ts'

export interface Kind extends Counted, KindName {
  readonly number: number
  /** In the queue: an item's own, or one that it inherited. */
  readonly priority: number
  /** Its pipeline is not served. */
  readonly isParked: boolean
  readonly level: Level
}

export class Kinds {
  readonly #query: Queries
  readonly #counts: Counts
  readonly #queues: Queues
  /** Of what is not served: nothing is taken from it. */
  readonly #parked = new Queues()
  #byNumber: Kind[] = []
  readonly #byName = new Map<string, Kind>()

  constructor(query: Queries, counts: Counts, queues: Queues) {
    this.#query = query
    this.#counts = counts
    this.#queues = queues
  }

  /** After an opening, and after a transaction that was undone: counts and queue have begun anew. */
  reload(): void {
    this.#byNumber = []
    this.#byName.clear()
    this.#parked.clear()
    for (const { number, model: modelId, ...rest } of all<KindRow>(this.#query.kinds))
      this.#keep(number, { modelId, ...rest })
  }

  of(number: number): Kind {
    return this.#byNumber[number]!
  }

  /** A new kind is written. */
  named(name: KindName): Kind {
    const known = this.#byName.get(textOf(name))
    if (known) return known
    const { modelId, step, priority, tenant, pipeline } = name
    const { lastInsertRowid } = this.#query.addKind.run(modelId, step, priority, tenant, pipeline)
    return this.#keep(Number(lastInsertRowid), name)
  }

  #keep(number: number, name: KindName): Kind {
    const { modelId, step, priority, tenant, pipeline } = name
    const { group, counts } = this.#counts.of(name)
    const { isParked } = group.model
    const level = (isParked ? this.#parked : this.#queues).levelOf(modelId, priority, tenant)
    counts.queue = level
    group.model.due = level.due
    const kind = { number, modelId, step, priority, tenant, pipeline, isParked, group, counts, level }
    this.#byNumber[number] = kind
    this.#byName.set(textOf(kind), kind)
    return kind
  }
}

interface KindRow {
  number: number
  model: ModelId
  step: string | null
  priority: number
  tenant: string | null
  pipeline: string | null
}

/** With lengths, since a name may have any characters. */
function textOf({ modelId, step, priority, tenant, pipeline }: KindName): string {
  let text = `${priority} ${modelId.length} ${modelId}`
  if (step !== null) text += ` ${step.length} ${step}`
  if (pipeline !== null) text += ` in ${pipeline.length} ${pipeline}`
  return tenant === null ? text : `${text} of ${tenant}`
}
