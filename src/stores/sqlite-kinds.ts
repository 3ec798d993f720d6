// Items come in few kinds: one for each model, step and priority in use. In the file an item has the number of its kind; in
// memory the kind has what its items are counted in and the level in which they queue. The owner's copy of the table `kind`,
// from which nothing is taken away.
import type { ModelId } from '../core/model.ts'
import type { Counts, Group } from './counts.ts'
import { all, type Queries } from './sqlite-queries.ts'
import type { Level, SqliteQueue } from './sqlite-queue.ts'

export interface Kind {
  readonly number: number
  readonly modelId: ModelId
  readonly step: string | null
  readonly priority: number
  readonly group: Group
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
    for (const { number, model, step, priority } of all<KindRow>(this.#query.kinds))
      this.#keep(number, model, step, priority)
  }

  of(number: number): Kind {
    return this.#byNumber[number]!
  }

  /** A new kind is written. */
  named(modelId: ModelId, step: string | null, priority: number): Kind {
    const known = this.#byName.get(nameOf(modelId, step, priority))
    if (known) return known
    const { lastInsertRowid } = this.#query.addKind.run(modelId, step, priority)
    return this.#keep(Number(lastInsertRowid), modelId, step, priority)
  }

  #keep(number: number, modelId: ModelId, step: string | null, priority: number): Kind {
    const group = this.#counts.group(modelId, step)
    const kind = { number, modelId, step, priority, group, level: this.#queue.levelOf(modelId, priority) }
    this.#byNumber[number] = kind
    this.#byName.set(nameOf(modelId, step, priority), kind)
    return kind
  }
}

interface KindRow {
  number: number
  model: ModelId
  step: string | null
  priority: number
}

function nameOf(modelId: ModelId, step: string | null, priority: number): string {
  return step === null ? `${priority} ${modelId}` : `${priority} ${modelId}\n${step}`
}
