// An item in the graph, the queue of its model, and what can be read from them. Only the graph writes them.
import type { ItemError } from './errors.ts'
import type { ModelQueue } from './model-queues.ts'
import type { ResolvedParent } from './resolver.ts'
import {
  dependencyError,
  type EdgePolicy,
  hasEnded,
  type ItemState,
  type NewItem,
  satisfies,
} from './work-item.ts'
import type { Level } from './work-queue.ts'

export interface WorkNode {
  readonly item: NewItem
  readonly queue: ModelQueue
  /** Order of submission, from 1. */
  readonly sequence: number
  readonly priority: number
  readonly submittedAtMs: number
  /** The fan-out item that made it. */
  readonly maker: WorkNode | null
  readonly made: WorkNode[]
  readonly parents: { node: WorkNode; policy: EdgePolicy }[]
  readonly children: { node: WorkNode; policy: EdgePolicy }[]
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

export interface LiveClaim {
  readonly token: string
  readonly nodes: Set<WorkNode>
  untilMs: number
}

export interface End {
  node: WorkNode
  state: ItemState
  error: ItemError | null
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
    submittedAtMs: nowMs,
    maker,
    made: [],
    parents: [],
    children: [],
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

export function badParent({ parents }: WorkNode): WorkNode['parents'][number] | undefined {
  return parents.find(
    ({ node: { state }, policy }) => hasEnded(state) && !satisfies(state) && policy !== 'continue',
  )
}

/** How a bad end passes an edge: fail keeps the kind of end (failed, cancelled), skip makes it skipped. */
export function inherited(node: WorkNode, parent: WorkNode, policy: EdgePolicy): End {
  const state = policy === 'skip' ? 'skipped' : parent.state === 'cancelled' ? 'cancelled' : 'failed'
  return { node, state, error: dependencyError(parent.item.id, parent.error) }
}

export function toParent({ item, state, output }: WorkNode): ResolvedParent {
  const { id, modelId, step, sourceId, source } = item
  return { id, modelId, step, sourceId, source, state, output: state === 'done' ? output : null }
}
