// An item of a graph in memory, with its edges, the queue of its model and the claim that holds it. Only the
// graph writes them: nodes.ts, and the rules in transitions.ts.

import type { ItemError } from '../errors.ts'
import type { ModelId } from '../model.ts'
import type { EdgePolicy, NewItem } from './item.ts'
import type { Level } from './level.ts'
import type { ReadyQueue } from './queue.ts'
import type { GraphRow } from './working-set.ts'

/** The queue of a model, with what its head shows. */
export interface ModelQueue {
  readonly modelId: ModelId
  /** It holds what is not served: no head shows it, no claim takes from it. */
  readonly isParked: boolean
  readonly ready: ReadyQueue<WorkNode>
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

export interface WorkNode extends GraphRow {
  item: NewItem
  queue: ModelQueue
  priority: number
  latestEndAtMs: number | null
  readonly tenant: string | null
  readonly submittedAtMs: number
  /** The fan-out item that made it. */
  readonly maker: WorkNode | null
  made: readonly WorkNode[]
  parents: readonly Edge[]
  children: readonly Edge[]
  input: unknown
  output: unknown
  error: ItemError | null
  readyAtMs: number
  /** 0: it was never ready. */
  turn: number
  endedAtMs: number | null
  claim: LiveClaim | null
  dueAtMs: number
  // Of the level that it stands in.
  level: Level<WorkNode> | null
  previous: WorkNode | null
  next: WorkNode | null
}

/** A literal, not a class: the engine learns that what this line makes stays, and makes it in old space at
 * once. Instances of a class are copied twice on their way there: a queue of 100,000 then takes a third
 * longer. */
export function newNode(
  item: NewItem,
  queue: ModelQueue,
  sequence: number,
  maker: WorkNode | null,
  nowMs: number,
): WorkNode {
  return {
    item,
    queue,
    sequence,
    priority: item.priority,
    tenant: item.tenant,
    latestEndAtMs: item.deadlineAtMs,
    submittedAtMs: nowMs,
    maker,
    made: none,
    parents: none,
    children: none,
    state: 'blocked',
    input: item.input,
    output: null,
    error: null,
    attempt: 0,
    openCount: 0,
    readyAtMs: 0,
    turn: 0,
    startedAtMs: null,
    endedAtMs: null,
    claim: null,
    dueAtMs: 0,
    level: null,
    previous: null,
    next: null,
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
