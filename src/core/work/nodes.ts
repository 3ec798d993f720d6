// The items of a graph in memory, as the rules in transitions.ts see them. An item stays from its submission
// until the graph goes. Queues, claims and counts are kept up to date with every change of an item.
import type { ItemError } from '../errors.ts'
import { Claims } from './claims.ts'
import { type Dependency, type EdgePolicy, type ItemId, type NewItem, ofPipeline } from './item.ts'
import { addChild, append, type Edge, type ModelQueue, newNode, type WorkNode } from './node.ts'
import type { ModelQueues } from './queues.ts'
import type { ResolvedParent } from './resolver.ts'
import { checkGraph, refuseCircle } from './submission.ts'
import type { WorkingSet } from './working-set.ts'

/** Told of every change of state, in order. */
export type OnChange = (node: WorkNode, nowMs: number) => void

export class WorkNodes implements WorkingSet<WorkNode> {
  readonly claims = new Claims()
  readonly #queues: ModelQueues
  readonly #serves: (pipeline: string | null) => boolean
  readonly #onChange: OnChange | null
  readonly #byId = new Map<ItemId, WorkNode>()
  readonly #scheduled = new Set<WorkNode>()
  #sequence = 0
  #turn = 0
  #endedCount = 0

  constructor(queues: ModelQueues, serves: (pipeline: string | null) => boolean, onChange: OnChange | null) {
    this.#queues = queues
    this.#serves = serves
    this.#onChange = onChange
  }

  /** Items that have not ended. */
  get pendingCount(): number {
    return this.#byId.size - this.#endedCount
  }

  /** In the order of submission. */
  all(): IterableIterator<WorkNode> {
    return this.#byId.values()
  }

  // ── finding ──

  find(id: ItemId): WorkNode | null {
    return this.#byId.get(id) ?? null
  }

  idOf({ item }: WorkNode): ItemId {
    return item.id
  }

  itemOf({ item }: WorkNode): NewItem {
    return item
  }

  isParked({ queue }: WorkNode): boolean {
    return queue.isParked
  }

  parentsOf({ parents }: WorkNode): readonly Edge[] {
    return parents
  }

  waitsForAll({ openCount, parents }: WorkNode): boolean {
    return openCount === parents.length
  }

  childrenOf({ children }: WorkNode): readonly Edge[] {
    return children
  }

  madeBy({ made }: WorkNode): readonly WorkNode[] {
    return made
  }

  errorOf({ error }: WorkNode): ItemError | null {
    return error
  }

  viewOf({ item, parents }: WorkNode): { item: NewItem; parents: ResolvedParent[] } {
    return { item, parents: parents.map(({ parent }) => viewOfParent(parent)) }
  }

  heldBy(token: string, id: ItemId): WorkNode | null {
    const claim = this.claims.of(token)
    if (!claim) return null
    const next = claim.nodes[claim.cursor]
    const node = next?.item.id === id ? next : this.find(id)
    return node?.claim === claim ? node : null
  }

  leased(): WorkNode[] {
    return this.claims.held()
  }

  expired(nowMs: number): WorkNode[] {
    return this.claims.held(({ untilMs }) => untilMs <= nowMs)
  }

  due(nowMs: number): WorkNode[] {
    const due = [...this.#scheduled].filter((node) => node.dueAtMs <= nowMs)
    return due.sort((a, b) => a.dueAtMs - b.dueAtMs || a.sequence - b.sequence)
  }

  /** What is served is the same for as long as the graph is there. */
  heldBack(): readonly WorkNode[] {
    return []
  }

  nextAtMs(nowMs: number): number {
    let nextAtMs = this.#queues.dropLate(nowMs)
    for (const { untilMs } of this.claims.all()) nextAtMs = Math.min(nextAtMs, untilMs)
    for (const { dueAtMs } of this.#scheduled) nextAtMs = Math.min(nextAtMs, dueAtMs)
    return nextAtMs
  }

  // ── changing ──

  add(items: readonly NewItem[], maker: WorkNode | null, nowMs: number): readonly WorkNode[] {
    if (maker !== null) {
      checkGraph(items, (id) => this.#byId.has(id))
      refuseCircle(maker, items, this)
    }
    const added: WorkNode[] = []
    for (const item of items) {
      if (!this.#byId.has(item.id)) added.push(this.create(item, maker, nowMs))
    }
    if (added.some(({ item }) => item.dependencies.length > 0)) this.#connectNew(added)
    if (maker !== null) for (const node of added) maker.made = append(maker.made, node)
    return added
  }

  create(item: NewItem, maker: WorkNode | null, nowMs: number): WorkNode {
    const own = maker === null ? item : ofPipeline(item, maker.item.pipeline)
    const node = newNode(own, this.#queueOf(own), ++this.#sequence, maker, nowMs)
    this.#byId.set(item.id, node)
    return node
  }

  #queueOf({ pipeline, modelId }: NewItem): ModelQueue {
    return this.#serves(pipeline) ? this.#queues.of(modelId) : this.#queues.parked
  }

  /** To the items they wait for. Throws; then the new items are gone again. */
  #connectNew(added: readonly WorkNode[]): void {
    const parents: WorkNode[] = []
    // Where each item comes after those it waits for nothing is unknown and there is no cycle: the common
    // case.
    let isInOrder = true
    for (const { item, sequence } of added) {
      for (const { id } of item.dependencies) {
        const parent = this.#byId.get(id)
        if (!parent || parent.sequence >= sequence) isInOrder = false
        parents.push(parent!)
      }
    }
    if (!isInOrder) this.#check(added)
    let next = 0
    for (const node of added) {
      const { dependencies } = node.item
      if (dependencies.length > 0) node.parents = edgesOf(node, dependencies, parents, next)
      next += dependencies.length
    }
  }

  #check(added: readonly WorkNode[]): void {
    for (const { item } of added) this.#byId.delete(item.id)
    checkGraph(
      added.map(({ item }) => item),
      (id) => this.#byId.has(id),
    )
    for (const node of added) this.#byId.set(node.item.id, node)
  }

  connect(node: WorkNode, parents: readonly WorkNode[], policy: EdgePolicy): readonly WorkNode[] {
    const known = new Set(node.parents.map(({ parent }) => parent))
    const added = [...new Set(parents)].filter((parent) => !known.has(parent))
    const edges = added.map((parent) => edgeOf(node, parent, policy))
    node.parents = [...node.parents, ...edges]
    return added
  }

  countEdge(child: WorkNode, parent: WorkNode, count: 1 | -1): void {
    this.#queues.countEdge(child.queue, parent.queue, count)
  }

  raise(node: WorkNode, priority: number, latestEndAtMs: number | null): void {
    const isReady = node.state === 'ready'
    if (isReady) node.queue.ready.remove(node)
    node.priority = priority
    node.latestEndAtMs = latestEndAtMs
    if (isReady) node.queue.ready.push(node)
    node.queue.isChanged = true
  }

  hold(nodes: readonly WorkNode[], untilMs: number): string {
    return this.claims.hold(nodes, untilMs)
  }

  leave(node: WorkNode): void {
    const { state, queue } = node
    if (state === 'ready') queue.ready.remove(node)
    else if (state === 'leased') this.claims.release(node)
    else if (state === 'blocked') queue.blockedCount--
    else if (state === 'scheduled') {
      this.#scheduled.delete(node)
      queue.blockedCount--
    } else this.#endedCount--
    queue.isChanged = true
  }

  enter(node: WorkNode, nowMs: number): void {
    const { state, queue } = node
    if (state === 'ready') queue.ready.push(node)
    else if (state === 'blocked') queue.blockedCount++
    else if (state === 'scheduled') {
      this.#scheduled.add(node)
      queue.blockedCount++
    } else if (state !== 'leased') this.#endedCount++
    queue.isChanged = true
    this.#onChange?.(node, nowMs)
  }

  nextTurn(): number {
    return ++this.#turn
  }

  setInput(node: WorkNode, input: unknown): void {
    node.input = input
  }

  pack(_: WorkNode, output: unknown): unknown {
    return output
  }

  setResult(node: WorkNode, endedAtMs: number | null, output: unknown, error: ItemError | null): void {
    node.endedAtMs = endedAtMs
    node.output = output
    node.error = error
  }

  moveTo(node: WorkNode, pipeline: string): void {
    const waits = node.state === 'blocked' || node.state === 'scheduled'
    if (node.state === 'ready') node.queue.ready.remove(node)
    else if (waits) node.queue.blockedCount--
    node.queue.isChanged = true
    node.item = ofPipeline(node.item, pipeline)
    node.queue = this.#queueOf(node.item)
    if (node.state === 'ready') node.queue.ready.push(node)
    else if (waits) node.queue.blockedCount++
    node.queue.isChanged = true
  }

  renew(node: WorkNode): void {
    node.attempt = node.openCount = node.turn = 0
    node.output = node.error = node.startedAtMs = node.endedAtMs = null
  }
}

/** `parents`: from that place on, in the order of the dependencies. */
function edgesOf(
  node: WorkNode,
  dependencies: readonly Dependency[],
  parents: readonly WorkNode[],
  from: number,
): Edge[] {
  return dependencies.map(({ policy }, index) => edgeOf(node, parents[from + index]!, policy))
}

function edgeOf(child: WorkNode, parent: WorkNode, policy: EdgePolicy): Edge {
  const edge = { parent, child, policy }
  addChild(parent, edge)
  return edge
}

function viewOfParent({ item, state, output }: WorkNode): ResolvedParent {
  const { id, modelId, step, sourceId, source } = item
  return { id, modelId, step, sourceId, source, state, output: state === 'done' ? output : null }
}
