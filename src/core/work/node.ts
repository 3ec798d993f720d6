// An item in the graph, the queue of its model, and what can be read from them. Only the graph writes them.

import type { ItemError } from '../errors.ts'
import type { LiveClaim } from './claims.ts'
import { inheritedState, isBadEnd, isRetryable } from './edges.ts'
import { dependencyError, type EdgePolicy, hasEnded, type ItemState, type NewItem } from './item.ts'
import type { ClaimedItem } from './lease.ts'
import type { Level } from './level.ts'
import type { ModelQueue } from './queues.ts'
import type { ResolvedParent } from './resolver.ts'

export interface WorkNode {
  readonly item: NewItem
  readonly queue: ModelQueue
  /** Order of submission, from 1. */
  readonly sequence: number
  /** Its own, or a higher one of an item that waits for it. */
  priority: number
  readonly tenant: string | null
  /** When it must have ended for its own deadline, and for those of the items that wait for it, ms; null: none has one. */
  latestEndAtMs: number | null
  readonly submittedAtMs: number
  /** The fan-out item that made it. */
  readonly maker: WorkNode | null
  made: readonly WorkNode[]
  parents: readonly Edge[]
  children: readonly Edge[]
  state: ItemState
  input: unknown
  output: unknown
  error: ItemError | null
  attempt: number
  /** Dependencies that have not ended. */
  openCount: number
  readyAtMs: number
  turn: number
  startedAtMs: number | null
  endedAtMs: number | null
  claim: LiveClaim | null
  /** When it is tried again. */
  dueAtMs: number
  level: Level<WorkNode> | null
  previous: WorkNode | null
  next: WorkNode | null
}

/** One object, in the lists of both its ends. */
export interface Edge {
  readonly parent: WorkNode
  readonly child: WorkNode
  readonly policy: EdgePolicy
}

/** Most items have no edges: they share one empty list. */
const none: readonly never[] = []

/** Appends. A short list is copied: pushing to it would reserve room for sixteen more, on millions of items. */
export function append<T>(list: readonly T[], value: T): readonly T[] {
  if (list.length === 0) return [value]
  if (list.length < 4) return [...list, value]
  ;(list as T[]).push(value)
  return list
}

/** Dependents stand in the order of their submission, in which they are released. A fan-out may come to wait for an item after
 * others that were submitted later. */
export function addChild(parent: WorkNode, edge: Edge): void {
  const last = parent.children.at(-1)
  parent.children = append(parent.children, edge)
  if (last && last.child.sequence > edge.child.sequence)
    parent.children = parent.children.toSorted((a, b) => a.child.sequence - b.child.sequence)
}

/** What is still to become of an item in a change: an end; or `ready`, when a fan-out made it and it waits for nothing. */
export interface End {
  node: WorkNode
  state: ItemState
  error: ItemError | null
  /** Default null. */
  output?: unknown
}

export function createNode(
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

/** As if it had never been tried. What it was lent stays. */
export function renew(node: WorkNode): void {
  Object.assign(node, {
    attempt: 0,
    output: null,
    error: null,
    turn: 0,
    startedAtMs: null,
    endedAtMs: null,
    openCount: 0,
  })
}

/** The edge over which a bad end comes, or undefined. */
export function badEdge({ parents }: WorkNode): Edge | undefined {
  return parents.find(({ parent, policy }) => isBadEnd(parent.state, policy))
}

/** The end that a bad one brings over an edge. */
export function inherited({ child: node, parent, policy }: Edge): End {
  const state = inheritedState(parent.state, policy)
  return { node, state, error: dependencyError(parent.item.id, parent.error) }
}

/** What the resolver sees of an item. */
export function look({ item, parents }: WorkNode): { item: NewItem; parents: ResolvedParent[] } {
  return { item, parents: parents.map(({ parent }) => toParent(parent)) }
}

function toParent({ item, state, output }: WorkNode): ResolvedParent {
  const { id, modelId, step, sourceId, source } = item
  return { id, modelId, step, sourceId, source, state, output: state === 'done' ? output : null }
}

export function claimedItem({ item, input, priority, attempt }: WorkNode): ClaimedItem {
  const { id, timeoutMs, step, sourceId, tenant } = item
  return { id, input, priority, attempt, timeoutMs, step, sourceId, tenant }
}

/** The items, those that ended because of them, and the parts of a fan-out that did not end well (without them it could not
 *  end well either), over any number of edges. */
export function withDependents(nodes: readonly WorkNode[]): Set<WorkNode> {
  const waiting = [...nodes]
  const chosen = new Set<WorkNode>()
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (chosen.has(node)) continue
    chosen.add(node)
    for (const { child } of node.children) {
      if (child.error?.code === 'DEPENDENCY_FAILED' && hasEnded(child.state)) waiting.push(child)
    }
    for (const part of node.made) if (isRetryable(part.state)) waiting.push(part)
  }
  return chosen
}
