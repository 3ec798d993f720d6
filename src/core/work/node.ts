// An item of a graph in memory, with its edges, the queue of its model and the claim that holds it. Only the
// graph writes them: nodes.ts, and the rules in transitions.ts.

import type { ItemError } from '../errors.ts'
import type { ModelId } from '../model.ts'
import type { EdgePolicy, ItemState, NewItem } from './item.ts'
import type { Level } from './level.ts'
import type { WorkQueue } from './queue.ts'
import type { GraphRow } from './working-set.ts'

/** The queue of a model, with what its head shows. */
export interface ModelQueue {
  readonly modelId: ModelId
  /** It holds what is not served: no head shows it, no claim takes from it. */
  readonly isParked: boolean
  readonly ready: WorkQueue<WorkNode>
  blockedCount: number
  /** Open dependencies on items of another model, by model id. */
  readonly waitsOn: { readonly queue: ModelQueue; count: number }[]
  isChanged: boolean
}

/** Items that are leased together. */
export interface LiveClaim {
  readonly token: string
  /** As they were taken; those that it still holds say so themselves. */
  readonly nodes: readonly WorkNode[]
  heldCount: number
  /** Its first item that is held, where the next answer is looked for: answers mostly come in order. */
  cursor: number
  /** An item was taken from it: cancelled while it ran. */
  isBroken: boolean
  untilMs: number
}

/** One object, in the lists of both its ends. */
export interface Edge {
  readonly parent: WorkNode
  readonly child: WorkNode
  readonly policy: EdgePolicy
}

/** Most items have no edges: they share one empty list. */
const none: readonly never[] = []

export class WorkNode implements GraphRow {
  item: NewItem
  queue: ModelQueue
  readonly sequence: number
  priority: number
  readonly tenant: string | null
  latestEndAtMs: number | null
  readonly submittedAtMs: number
  /** The fan-out item that made it. */
  readonly maker: WorkNode | null
  made: readonly WorkNode[] = none
  parents: readonly Edge[] = none
  children: readonly Edge[] = none
  state: ItemState = 'blocked'
  input: unknown
  output: unknown = null
  error: ItemError | null = null
  attempt = 0
  openCount = 0
  readyAtMs = 0
  /** 0: it was never ready. */
  turn = 0
  startedAtMs: number | null = null
  endedAtMs: number | null = null
  claim: LiveClaim | null = null
  dueAtMs = 0
  // Of the level that it stands in.
  level: Level<WorkNode> | null = null
  previous: WorkNode | null = null
  next: WorkNode | null = null

  constructor(item: NewItem, queue: ModelQueue, sequence: number, maker: WorkNode | null, nowMs: number) {
    this.item = item
    this.queue = queue
    this.sequence = sequence
    this.priority = item.priority
    this.tenant = item.tenant
    this.latestEndAtMs = item.deadlineAtMs
    this.submittedAtMs = nowMs
    this.maker = maker
    this.input = item.input
  }

  get modelId(): ModelId {
    return this.item.modelId
  }

  get step(): string | null {
    return this.item.step
  }

  get pipeline(): string | null {
    return this.item.pipeline
  }

  get isParked(): boolean {
    return this.queue.isParked
  }

  get maxAttempts(): number {
    return this.item.maxAttempts
  }
}

/** Appends. A short list is copied: pushing to it would reserve room for sixteen more, on millions of
 * items. */
export function append<T>(list: readonly T[], value: T): readonly T[] {
  if (list.length === 0) return [value]
  if (list.length < 4) return [...list, value]
  ;(list as T[]).push(value)
  return list
}

/** Dependents stand in the order of their submission, in which they are released. A fan-out may come to wait
 * for an item after others that were submitted later. */
export function addChild(parent: WorkNode, edge: Edge): void {
  const last = parent.children.at(-1)
  parent.children = append(parent.children, edge)
  if (last && last.child.sequence > edge.child.sequence)
    parent.children = parent.children.toSorted((a, b) => a.child.sequence - b.child.sequence)
}
