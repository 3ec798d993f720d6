// Items and their dependencies in memory: the same rules as in SQL (stores/store.ts), without time, chance or disk.
//
//   (1) An ended item tells each dependent that still waits: a good end, or a bad one on an edge `continue`, closes the
//       edge; a bad one fails, cancels or skips the dependent by the edge's policy.
//   (2) A dependent whose last edge closed is released: an item with a step is shown to the resolver, which says run,
//       skip, fail, finish, or expand into children that it then waits for.
//   (3) An item lends its priority and its deadline to what it waits for, over any number of edges, as long as that has
//       not ended. What was lent is not taken back.
//
// Submission and release cost O(edges) of the item, whatever the size of the graph. Ends spread through a work list, not
// by recursion, so a chain may be a million long. Ended items stay until the graph goes.
import { earlier, isBadEnd, isRetryable } from './edges.ts'
import type { ItemError, SchedulerError } from './errors.ts'
import { type Claim, type ClaimRequest, leaseExpired, type Outcome } from './lease.ts'
import type { ModelId } from './model.ts'
import { ModelQueues, outside } from './model-queues.ts'
import { askResolver, type Expansion, type Resolver } from './resolver.ts'
import { checkGraph } from './submission.ts'
import {
  dependencyError,
  type EdgePolicy,
  hasEnded,
  type ItemId,
  type ItemState,
  type NewItem,
  newItem,
} from './work-item.ts'
import {
  append,
  badEdge,
  claimedItem,
  createNode,
  type Edge,
  type End,
  held,
  inherited,
  type LiveClaim,
  latestEndBefore,
  lendsTo,
  look,
  nodesOf,
  type WorkNode,
  withDependents,
} from './work-node.ts'

export type { ClaimedItem } from './lease.ts'

export interface WorkGraphOptions {
  /** Asked about items with a step. Without one they run as they are. */
  resolver?: Resolver | null
  /** Told of every change of state, in order. */
  onChange?: ((node: WorkNode, nowMs: number) => void) | null
  /** Time that an item of a model takes at the least, ms: what it waits for must have ended so long before it. Default 0. */
  leadMs?: (modelId: ModelId) => number
}

export class WorkGraph {
  readonly #resolver: Resolver | null
  readonly #onChange: WorkGraphOptions['onChange']
  readonly #leadMs: (modelId: ModelId) => number
  readonly #nodes = new Map<ItemId, WorkNode>()
  /** Whose heads are read; only the graph writes them. */
  readonly queues = new ModelQueues()
  readonly #claims = new Map<string, LiveClaim>()
  readonly #scheduled = new Set<WorkNode>()
  #sequence = 0
  #turn = 0
  #claimNumber = 0
  #endedCount = 0

  constructor({ resolver = null, onChange = null, leadMs = () => 0 }: WorkGraphOptions = {}) {
    this.#resolver = resolver
    this.#onChange = onChange
    this.#leadMs = leadMs
  }

  /** Items that have not ended. */
  get totalPending(): number {
    return this.#nodes.size - this.#endedCount
  }

  get(id: ItemId): WorkNode | null {
    return this.#nodes.get(id) ?? null
  }

  /** Whether a claim holds an item. */
  holds(token: string, id: ItemId): boolean {
    const claim = this.#claims.get(token)
    return (
      claim !== undefined &&
      (claim.nodes[claim.cursor]?.item.id === id || this.#nodes.get(id)?.claim === claim)
    )
  }

  /** In the order of submission. */
  nodes(): IterableIterator<WorkNode> {
    return this.#nodes.values()
  }

  /** All or nothing; a known id changes nothing. Throws UNKNOWN_DEPENDENCY, CYCLE. */
  submit(items: readonly NewItem[], nowMs: number): { addedCount: number; knownCount: number } {
    const added = this.#add(items, null, nowMs)
    this.#settle(added, nowMs)
    return { addedCount: added.length, knownCount: items.length - added.length }
  }

  #add(items: readonly NewItem[], maker: WorkNode | null, nowMs: number): WorkNode[] {
    const added: WorkNode[] = []
    for (const item of items) {
      if (!this.#nodes.has(item.id)) added.push(this.#createNode(item, maker, nowMs))
    }
    const parents = this.#parentsOf(added)
    let next = 0
    for (const node of added) {
      const { dependencies } = node.item
      if (dependencies.length > 0)
        node.parents = dependencies.map(({ policy }) => this.#connect(parents[next++]!, node, policy))
      if (maker) maker.made = append(maker.made, node)
      this.#enter(node, 'blocked', nowMs)
    }
    return added
  }

  /** What the new items wait for, one after another. Throws UNKNOWN_DEPENDENCY, CYCLE; then they are gone again. */
  #parentsOf(added: readonly WorkNode[]): readonly WorkNode[] {
    const parents: WorkNode[] = []
    // Where each item comes after those it waits for nothing is unknown and there is no cycle: the common case.
    let isInOrder = true
    for (const { item, sequence } of added) {
      for (const { id } of item.dependencies) {
        const parent = this.#nodes.get(id)
        if (!parent || parent.sequence >= sequence) isInOrder = false
        parents.push(parent!)
      }
    }
    if (!isInOrder) this.#checkGraph(added)
    return parents
  }

  #checkGraph(added: readonly WorkNode[]): void {
    for (const { item } of added) this.#nodes.delete(item.id)
    checkGraph(
      added.map(({ item }) => item),
      (id) => this.#nodes.has(id),
    )
    for (const node of added) this.#nodes.set(node.item.id, node)
  }

  #createNode(item: NewItem, maker: WorkNode | null, nowMs: number): WorkNode {
    const node = createNode(item, this.queues.of(item.modelId), ++this.#sequence, maker, nowMs)
    this.#nodes.set(item.id, node)
    return node
  }

  /** The child has to take the edge into its list of parents. */
  #connect(parent: WorkNode, child: WorkNode, policy: EdgePolicy): Edge {
    const edge = { parent, child, policy }
    parent.children = append(parent.children, edge)
    this.#waitFor(child, parent)
    return edge
  }

  #waitFor(child: WorkNode, parent: WorkNode): void {
    if (hasEnded(parent.state)) return
    this.#openEdge(child, parent, 1)
    this.#lend(child, parent)
  }

  /** (3) */
  #lend(from: WorkNode, to: WorkNode): void {
    if (!lendsTo(from, to, this.#leadMs)) return
    const lending: [WorkNode, WorkNode][] = [[from, to]]
    for (let next = lending.pop(); next; next = lending.pop()) {
      const [child, parent] = next
      if (hasEnded(parent.state) || !lendsTo(child, parent, this.#leadMs)) continue
      const isReady = parent.state === 'ready'
      if (isReady) parent.queue.ready.remove(parent)
      parent.priority = Math.max(parent.priority, child.priority)
      parent.latestEndAtMs = earlier(parent.latestEndAtMs, latestEndBefore(child, this.#leadMs))
      if (isReady) parent.queue.ready.push(parent)
      this.queues.touch(parent.queue)
      for (const edge of parent.parents) lending.push([parent, edge.parent])
    }
  }

  #openEdge(child: WorkNode, parent: WorkNode, count: 1 | -1): void {
    child.openCount += count
    this.queues.countEdge(child.queue, parent.queue, count)
  }

  /** Blocked items that are new: those whose parents ended badly end too, those that wait for nothing are released. */
  #settle(nodes: readonly WorkNode[], nowMs: number): void {
    const ends: End[] = []
    for (const node of nodes) {
      if (node.state !== 'blocked') continue
      const bad = node.openCount < node.parents.length ? badEdge(node) : undefined
      if (bad) ends.push(inherited(bad))
      else if (node.openCount === 0) this.#release(node, nowMs, ends)
      this.#spread(ends, nowMs)
    }
  }

  #spread(ends: End[], nowMs: number): void {
    for (let index = 0; index < ends.length; index++) {
      const end = ends[index]!
      if (!hasEnded(end.node.state)) this.#end(end, nowMs, ends)
    }
    ends.length = 0
  }

  /** (1) */
  #end({ node, state, error, output = null }: End, nowMs: number, ends: End[]): void {
    if (node.claim && state === 'cancelled') node.claim.isBroken = true
    this.#leave(node)
    node.output = output
    node.error = error
    node.endedAtMs = nowMs
    this.#enter(node, state, nowMs)
    for (const edge of node.children) {
      const { child, policy } = edge
      if (child.state !== 'blocked') continue
      this.#openEdge(child, node, -1)
      if (isBadEnd(state, policy)) ends.push(inherited(edge))
      // One that another parent is about to end is not released, nor expanded, for that moment.
      else if (child.openCount === 0 && (ends.length === 0 || !badEdge(child)))
        this.#release(child, nowMs, ends)
    }
    if (state !== 'cancelled' && state !== 'failed') return
    for (const made of node.made)
      ends.push({ node: made, state: 'cancelled', error: dependencyError(node.item.id, null) })
  }

  /** (2) */
  #release(node: WorkNode, nowMs: number, ends: End[]): void {
    const resolution = askResolver(this.#resolver, node.item, () => look(node))
    if (resolution === null || resolution.type === 'run') {
      if (resolution) node.input = resolution.input
      this.#makeReady(node, nowMs)
    } else if (resolution.type === 'skip') {
      ends.push({ node, state: 'skipped', error: { code: 'SKIPPED', message: resolution.reason } })
    } else if (resolution.type === 'fail') ends.push({ node, state: 'failed', error: resolution.error })
    else if (resolution.type === 'finish' || resolution.items.length === 0) {
      const output = resolution.type === 'finish' ? resolution.output : []
      ends.push({ node, state: 'done', error: null, output })
    } else this.#expand(node, resolution, nowMs, ends)
  }

  /** The children are parents of the item that made them: it waits for them, and is asked again. They may be items that
   * are known, and may even have ended. A wrong graph fails this item alone. */
  #expand(node: WorkNode, { items, policy }: Expansion, nowMs: number, ends: End[]): void {
    let made: WorkNode[]
    try {
      made = this.#add(items, node, nowMs)
    } catch (error) {
      const { code, message } = error as SchedulerError
      ends.push({ node, state: 'failed', error: { code, message } })
      return
    }
    node.parents = [
      ...node.parents,
      ...items.map(({ id }) => this.#connect(this.#nodes.get(id)!, node, policy)),
    ]
    this.#settle(made, nowMs)
    if (node.state === 'blocked' && node.openCount === 0) this.#settle([node], nowMs)
  }

  #makeReady(node: WorkNode, nowMs: number): void {
    this.#leave(node)
    node.readyAtMs = nowMs
    node.turn = ++this.#turn
    this.#enter(node, 'ready', nowMs)
  }

  #giveBack(node: WorkNode, attempt: number, nowMs: number): void {
    this.#leave(node)
    node.attempt = attempt
    this.#enter(node, 'ready', nowMs)
  }

  #leave(node: WorkNode): void {
    const { state, queue } = node
    if (state === 'ready') queue.ready.remove(node)
    else if (state === 'leased') {
      const claim = node.claim!
      if (--claim.heldCount === 0) this.#claims.delete(claim.token)
      node.claim = null
    } else if (state === 'scheduled') {
      this.#scheduled.delete(node)
      queue.blockedCount--
    } else if (state === 'blocked') {
      queue.blockedCount--
      // It ends although edges are open: they count no more.
      if (node.openCount > 0) {
        for (const { parent } of node.parents)
          if (!hasEnded(parent.state)) this.queues.countEdge(queue, parent.queue, -1)
      }
    } else this.#endedCount--
    this.queues.touch(queue)
  }

  #enter(node: WorkNode, state: ItemState, nowMs: number): void {
    node.state = state
    if (state === 'ready') node.queue.ready.push(node)
    else if (state === 'blocked' || state === 'scheduled') node.queue.blockedCount++
    else if (state !== 'leased') this.#endedCount++
    this.queues.touch(node.queue)
    this.#onChange?.(node, nowMs)
  }

  claim({ modelId, maxCount, order, leaseMs }: ClaimRequest, nowMs: number): Claim {
    const claim: LiveClaim = {
      token: `${++this.#claimNumber}`,
      nodes: [],
      heldCount: 0,
      cursor: 0,
      isBroken: false,
      untilMs: nowMs + leaseMs,
    }
    const queue = this.queues.of(modelId)
    const taken = queue.ready.take(maxCount, order)
    if (taken.length > 0) this.#claims.set(claim.token, claim)
    const items = taken.map((node) => {
      claim.nodes.push(node)
      claim.heldCount++
      node.claim = claim
      node.attempt++
      node.startedAtMs = nowMs
      this.#enter(node, 'leased', nowMs)
      return claimedItem(node)
    })
    return { token: claim.token, items }
  }

  /** False: at least one item of the claim is no longer held. */
  heartbeat(token: string, leaseMs: number, nowMs: number): boolean {
    const claim = this.#claims.get(token)
    if (claim) claim.untilMs = nowMs + leaseMs
    return claim !== undefined && !claim.isBroken
  }

  finish(
    token: string,
    outcomes: readonly Outcome[],
    nowMs: number,
  ): { accepted: ItemId[]; stale: ItemId[] } {
    const accepted: ItemId[] = []
    const stale: ItemId[] = []
    for (const outcome of outcomes)
      (this.finishItem(token, outcome, nowMs) ? accepted : stale).push(outcome.id)
    return { accepted, stale }
  }

  /** False: the claim does not hold the item, and nothing has changed. */
  finishItem(token: string, outcome: Outcome, nowMs: number): boolean {
    const node = this.#held(token, outcome.id)
    if (node) this.#record(node, outcome, nowMs)
    return node !== null
  }

  /** The item, if the claim holds it. */
  #held(token: string, id: ItemId): WorkNode | null {
    const claim = this.#claims.get(token)
    if (!claim) return null
    const next = claim.nodes[claim.cursor]
    if (next?.item.id === id) claim.cursor++
    const node = next?.item.id === id ? next : this.#nodes.get(id)
    return node?.claim === claim ? node : null
  }

  #record(node: WorkNode, outcome: Outcome, nowMs: number): void {
    if (outcome.type === 'done') this.#finishNode(node, 'done', outcome.output, null, nowMs)
    else if (outcome.type === 'release') this.#giveBack(node, node.attempt - 1, nowMs)
    else if (outcome.retryable && node.attempt < node.item.maxAttempts) {
      this.#leave(node)
      node.error = outcome.error
      node.dueAtMs = outcome.retryAtMs
      this.#scheduled.add(node)
      this.#enter(node, 'scheduled', nowMs)
    } else this.#finishNode(node, 'failed', null, outcome.error, nowMs)
  }

  #finishNode(
    node: WorkNode,
    state: ItemState,
    output: unknown,
    error: ItemError | null,
    nowMs: number,
  ): void {
    const ends: End[] = []
    this.#end({ node, state, error, output }, nowMs, ends)
    this.#spread(ends, nowMs)
  }

  /** Says that something is there: an item of ours that has not ended, or a name that later items will wait for. */
  resolve(id: ItemId, output: unknown, nowMs: number): void {
    const node = this.#nodes.get(id) ?? this.#createNode(newItem({ id, modelId: outside }), null, nowMs)
    if (!hasEnded(node.state)) this.#finishNode(node, 'done', output, null, nowMs)
  }

  cancel(ids: readonly ItemId[], nowMs: number, cause: ItemError): number {
    const nodes = nodesOf(this.#nodes, ids)
    let cancelledCount = 0
    const ends: End[] = nodes.map((node) => ({ node, state: 'cancelled', error: cause }))
    for (let index = 0; index < ends.length; index++) {
      const end = ends[index]!
      if (hasEnded(end.node.state)) continue
      if (end.state === 'cancelled') cancelledCount++
      this.#end(end, nowMs, ends)
    }
    return cancelledCount
  }

  /** Failed or cancelled items are new, and with them what ended because of them. Answers how many. */
  retry(ids: readonly ItemId[], nowMs: number): number {
    const chosen = withDependents(nodesOf(this.#nodes, ids).filter(({ state }) => isRetryable(state)))
    const inOrder = [...chosen].sort((a, b) => a.sequence - b.sequence)
    for (const node of inOrder) {
      this.#leave(node)
      Object.assign(node, {
        attempt: 0,
        output: null,
        error: null,
        startedAtMs: null,
        endedAtMs: null,
        openCount: 0,
      })
      this.#enter(node, 'blocked', nowMs)
    }
    for (const node of inOrder) {
      for (const { parent } of node.parents) this.#waitFor(node, parent)
      for (const { child } of node.children) {
        // One that had gone on without it, and still waits for others, waits for it again.
        if (child.state === 'blocked' && !chosen.has(child)) this.#waitFor(child, node)
      }
    }
    this.#settle(inOrder, nowMs)
    return inOrder.length
  }

  sweep(nowMs: number): { changedCount: number; nextAtMs: number | null } {
    let changedCount = 0
    let nextAtMs = this.queues.dropLate(nowMs)
    for (const claim of [...this.#claims.values()]) {
      if (claim.untilMs > nowMs) nextAtMs = Math.min(nextAtMs, claim.untilMs)
      else changedCount += this.#expire(claim, nowMs)
    }
    const due = [...this.#scheduled].filter((node) => node.dueAtMs <= nowMs)
    for (const node of due.sort((a, b) => a.dueAtMs - b.dueAtMs || a.sequence - b.sequence))
      this.#makeReady(node, nowMs)
    for (const { dueAtMs } of this.#scheduled) nextAtMs = Math.min(nextAtMs, dueAtMs)
    return { changedCount: changedCount + due.length, nextAtMs: Number.isFinite(nextAtMs) ? nextAtMs : null }
  }

  #expire(claim: LiveClaim, nowMs: number): number {
    const expired = held(claim).sort((a, b) => a.turn - b.turn)
    for (const node of expired) {
      if (node.claim !== claim) continue // it went with another part of its fan-out
      if (node.attempt < node.item.maxAttempts) this.#giveBack(node, node.attempt, nowMs)
      else this.#finishNode(node, 'failed', null, leaseExpired, nowMs)
    }
    return expired.length
  }

  releaseAll(nowMs: number): number {
    const nodes = [...this.#claims.values()].flatMap(held)
    for (const node of nodes) this.#giveBack(node, node.attempt - 1, nowMs)
    return nodes.length
  }
}
