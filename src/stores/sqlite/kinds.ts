// Items come in few kinds: one for each model, step, priority and tenant in use. In the file an item has the number of its
// kind; in memory the kind has what its items are counted in and the level in which they queue. An item that is lent a
// priority is of another kind from then on. The owner's copy of the table `kind`, from which nothing is taken away.
import type { ModelId } from '../../core/model.ts'
import type { Counted, Counts } from './counts.ts'
import type { Level } from './level.ts'
import { all, type Queries } from './queries.ts'
import type { SqliteQueue } from './queue.ts'

export interface Kind extends Counted {
  readonly number: number
  readonly modelId: ModelId
  readonly step: string | null
  /** In the queue: an item's own, or what it was lent. */
  readonly priority: number
  readonly tenant: string | null
  readonly level: Level
}

export class SqliteKinds {
  readonly #query: Queries
  readonly #counts: Counts
  readonly #queue: SqliteQueue
  #byNumber: Kind[] = []
  readonly #byName = new Map<string, Kind>()

  constructor(query: Queries, counts: Counts, queue: SqliteQueue) {
    this.#query = query
    this.#counts = counts
    this.#queue = queue
  }

  /** After an opening, and after a transaction that was undone: counts and queue have begun anew. */
  reload(): void {
    this.#byNumber = []
    this.#byName.clear()
    for (const { number, model, step, priority, tenant } of all<KindRow>(this.#query.kinds))
      this.#keep(number, model, step, priority, tenant)
  }

  of(number: number): Kind {
    return this.#byNumber[number]!
  }

  /** A new kind is written. */
  named(modelId: ModelId, step: string | null, priority: number, tenant: string | null): Kind {
    const known = this.#byName.get(nameOf(modelId, step, priority, tenant))
    if (known) return known
    const { lastInsertRowid } = this.#query.addKind.run(modelId, step, priority, tenant)
    return this.#keep(Number(lastInsertRowid), modelId, step, priority, tenant)
  }

  #keep(
    number: number,
    modelId: ModelId,
    step: string | null,
    priority: number,
    tenant: string | null,
  ): Kind {
    const group = this.#counts.group(modelId, step)
    const counts = this.#counts.level(modelId, priority, tenant)
    const level = this.#queue.levelOf(modelId, priority, tenant)
    counts.queue = level
    group.model.due = level.due
    const kind = { number, modelId, step, priority, tenant, group, counts, level }
    this.#byNumber[number] = kind
    this.#byName.set(nameOf(modelId, step, priority, tenant), kind)
    return kind
  }
}

interface KindRow {
  number: number
  model: ModelId
  step: string | null
  priority: number
  tenant: string | null
}

/** With lengths, since a name may have any characters. */
function nameOf(modelId: ModelId, step: string | null, priority: number, tenant: string | null): string {
  const plain = `${priority} ${modelId.length} ${modelId}`
  const withStep = step === null ? plain : `${plain} ${step.length} ${step}`
  return tenant === null ? withStep : `${withStep} of ${tenant}`
}
