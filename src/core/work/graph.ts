// Items and their dependencies in memory: the same rules as in SQL (stores/store.ts), without time, chance or disk.
//
//   (1) An ended item tells each dependent that still waits: a good end, or a bad one on an edge `continue`, closes the
//       edge; a bad one fails, cancels or skips the dependent by the edge's policy.
//   (2) A dependent whose last edge closed is released: an item with a step is shown to the resolver, which says run,
//       skip, fail, finish, or expand into children that it then waits for.
//   (3) An item lends its priority and its deadline to what it waits for, as long as that has not ended: inheritance.ts.
//
// Submission and release cost O(edges) of the item, whatever the size of the graph. Ends spread through a work list, not
// by recursion, so a chain may be a million long. Ended items stay until the graph goes.

import type { ItemError, SchedulerError } from '../errors.ts'
import type { ModelId } from '../model.ts'
import { Claims } from './claims.ts'
import { isBadEnd, isRetryable } from './edges.ts'
import { dependencyError, hasEnded, type ItemId, type ItemState, type NewItem, newItem } from './item.ts'
import { type Claim, type ClaimRequest, leaseExpired, type Outcome } from './lease.ts'
import {
  append,
  badEdge,
  claimedItem,
  type End,
  inherited,
  look,
  renew,
  type WorkNode,
  withDependents,
} from './node.ts'
import { KnownNodes } from './nodes.ts'
import { OpenEdges } from './open-edges.ts'
import { ModelQueues, outside } from './queues.ts'
import { askResolver, type Expansion, expandsInVain, type Resolver } from './resolver.ts'
import { checkGraph, refuseCircle } from './submission.ts'

export interface WorkGraphOptions {
  /** Asked about items with a step. Without one they run as they are. */
  resolver?: Resolver | null
  /** Told of every change of state, in order. */
  onChange?: ((node: WorkNode, nowMs: number) => void) | null
  /** Time that an item of a model takes at the least, ms: what it waits for must have ended so long before it. Default 0. */
  leadMs?: (modelId: ModelId) => number
  /** Whether a pipeline's items are worked on. Those of the others are parked: none is released, no head shows them and no
   * claim takes them; they can be read, cancelled and made new. It always gives the same answer. Default: all are. */
  serves?: (pipeline: string | null) => boolean
}

export class WorkGraph {
  readonly #resolver: Resolver | null
  readonly #onChange: WorkGraphOptions['onChange']
  /** Whose heads are read; only the graph writes them. */
  readonly queues = new ModelQueues()
  readonly #nodes: KnownNodes
  readonly #edges: OpenEdges
  readonly #claims: Claims
  readonly #scheduled = new Set<WorkNode>()
  #turn = 0
  #endedCount = 0
  /** How often items were cancelled. */
  #cancelCount = 0

  constructor({
    resolver = null,
    onChange = null,
    leadMs = () => 0,
    serves = () => true,
  }: WorkGraphOptions = {}) {
    this.#nodes = new KnownNodes(this.queues, serves)
    this.#claims = new Claims(this.#nodes)
    this.#resolver = resolver
    this.#onChange = onChange
    this.#edges = new OpenEdges(this.queues, leadMs)
  }

  /** Items that have not ended. */
  get totalPending(): number {
    return this.#nodes.count - this.#endedCount
  }

  get(id: ItemId): WorkNode | null {
    return this.#nodes.find(id)
  }

  /** Whether a claim holds an item. */
  holds(token: string, id: ItemId): boolean {
    return this.#claims.find(token, id) !== null
  }

  /** In the order of submission. */
  nodes(): IterableIterator<WorkNode> {
    return this.#nodes.all()
  }

  /** All or nothing; a known id changes nothing. Throws UNKNOWN_DEPENDENCY, CYCLE. */
  submit(items: readonly NewItem[], nowMs: number): { addedCount: number; knownCount: number } {
    const added = this.#add(items, null, nowMs)
    this.#settleAll(added, nowMs)
    return { addedCount: added.length, knownCount: items.length - added.length }
  }

  #add(items: readonly NewItem[], maker: WorkNode | null, nowMs: number): readonly WorkNode[] {
    const { added, parents } = this.#nodes.add(items, maker, nowMs)
    let next = 0
    for (const node of added) {
      const { dependencies } = node.item
      if (dependencies.length > 0)
        node.parents = dependencies.map(({ policy }) => this.#edges.connect(parents[next++]!, node, policy))
      if (maker) maker.made = append(maker.made, node)
      this.#enter(node, 'blocked', nowMs)
    }
    return added
  }

  #settleAll(nodes: readonly WorkNode[], nowMs: number): void {
    const work: End[] = []
    this.#settle(nodes, work, (node) => this.#release(node, nowMs, work))
    this.#spread(work, nowMs)
  }

  /** Blocked items that are new: those whose parents ended badly end too, those that wait for nothing are to be released. */
  #settle(nodes: readonly WorkNode[], work: End[], release: (node: WorkNode) => void): void {
    for (const node of nodes) {
      if (node.state !== 'blocked') continue
      const bad = node.openCount < node.parents.length ? badEdge(node) : undefined
      if (bad) work.push(inherited(bad))
      else if (node.openCount === 0) release(node)
    }
  }

  /** In the order in which it came. */
  #spread(work: End[], nowMs: number): void {
    for (let index = 0; index < work.length; index++) {
      const each = work[index]!
      if (hasEnded(each.node.state)) continue
      if (each.state === 'ready') this.#release(each.node, nowMs, work)
      else this.#endWithMade(each, nowMs, work)
    }
  }

  /** What a fan-out made goes with it at once: nothing releases it in between. */
  #endWithMade(end: End, nowMs: number, work: End[]): void {
    this.#end(end, nowMs, work)
    if (!isRetryable(end.state)) return
    const makers = [end.node]
    for (const maker of makers) {
      for (const node of maker.made) {
        if (hasEnded(node.state)) continue
        this.#end({ node, state: 'cancelled', error: dependencyError(maker.item.id, null) }, nowMs, work)
        makers.push(node)
      }
    }
  }

  /** (1) */
  #end({ node, state, error, output = null }: End, nowMs: number, work: End[]): void {
    if (node.claim && state === 'cancelled') node.claim.isBroken = true
    this.#leave(node)
    node.output = output
    node.error = error
    node.endedAtMs = nowMs
    this.#enter(node, state, nowMs)
    const { children } = node
    // What is released may fan out into children that wait for this item too: their edges are closed already.
    const count = children.length
    for (let index = 0; index < count; index++) {
      const edge = children[index]!
      const { child, policy } = edge
      if (child.state !== 'blocked') continue
      this.#edges.close(child, node)
      if (isBadEnd(state, policy)) work.push(inherited(edge))
      // One that another parent is about to end is not released, nor expanded, for that moment.
      else if (child.openCount === 0 && (work.length === 0 || !badEdge(child)))
        this.#release(child, nowMs, work)
    }
  }

  /** (2) `mayExpand`: it was not expanded a moment ago, in vain. */
  #release(node: WorkNode, nowMs: number, work: End[], mayExpand = true): void {
    if (node.queue.isParked) return
    const resolution = askResolver(this.#resolver, node.item, () => look(node))
    if (resolution === null || resolution.type === 'run') {
      if (resolution) node.input = resolution.input
      this.#makeReady(node, nowMs)
    } else if (resolution.type === 'skip') {
      work.push({ node, state: 'skipped', error: { code: 'SKIPPED', message: resolution.reason } })
    } else if (resolution.type === 'fail') work.push({ node, state: 'failed', error: resolution.error })
    else if (resolution.type === 'finish' || resolution.items.length === 0) {
      const output = resolution.type === 'finish' ? resolution.output : []
      work.push({ node, state: 'done', error: null, output })
    } else this.#expand(node, resolution, nowMs, work, mayExpand)
  }

  /** The children are parents of the item that made them: it waits for them, and is asked again. They may be items that
   * are known, and may even have ended. A wrong graph fails this item alone. */
  #expand(
    node: WorkNode,
    { items, policy }: Expansion,
    nowMs: number,
    work: End[],
    mayExpand: boolean,
  ): void {
    try {
      checkGraph(items, (id) => this.#nodes.find(id) !== null)
      refuseCircle(node, items, this.#nodes)
    } catch (error) {
      const { code, message } = error as SchedulerError
      work.push({ node, state: 'failed', error: { code, message } })
      return
    }
    const made = this.#add(items, node, nowMs)
    this.#edges.connectMore(node, this.#nodes.of(items.map(({ id }) => id)), policy)
    const bad = badEdge(node)
    if (bad) work.push(inherited(bad))
    this.#settle(made, work, (child) => work.push({ node: child, state: 'ready', error: null }))
    if (bad || node.openCount > 0) return
    if (mayExpand) this.#release(node, nowMs, work, false)
    else work.push({ node, state: 'failed', error: expandsInVain(node.item.id) })
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
    else if (state === 'leased') this.#claims.let(node)
    else if (state === 'scheduled') {
      this.#scheduled.delete(node)
      queue.blockedCount--
    } else if (state === 'blocked') {
      queue.blockedCount--
      this.#edges.drop(node)
    } else this.#endedCount--
    this.queues.touch(queue)
  }

  #enter(node: WorkNode, state: ItemState, nowMs: number): void {
    node.state = state
    if (state === 'ready') node.queue.ready.push(node)
    else if (state === 'blocked' || state === 'scheduled') node.queue.blockedCount++
    else if (state !== 'leased') this.#endedCount++
    if (state === 'cancelled') this.#cancelCount++
    this.queues.touch(node.queue)
    this.#onChange?.(node, nowMs)
  }

  claim({ modelId, maxCount, order, leaseMs }: ClaimRequest, nowMs: number): Claim {
    const nodes = this.queues.of(modelId).ready.take(maxCount, order)
    const token = this.#claims.hold(nodes, nowMs + leaseMs)
    for (const node of nodes) {
      node.attempt++
      node.startedAtMs = nowMs
      this.#enter(node, 'leased', nowMs)
    }
    return { token, items: nodes.map(claimedItem) }
  }

  /** False: at least one item of the claim is no longer held. */
  heartbeat(token: string, leaseMs: number, nowMs: number): boolean {
    const claim = this.#claims.of(token)
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
    const node = this.#claims.find(token, outcome.id)
    if (node) this.#record(node, outcome, nowMs)
    return node !== null
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
    const work: End[] = []
    this.#endWithMade({ node, state, error, output }, nowMs, work)
    this.#spread(work, nowMs)
  }

  /** Says that something is there: an item of ours that has not ended, or a name that later items will wait for. */
  resolve(id: ItemId, output: unknown, nowMs: number): void {
    const node = this.#nodes.find(id) ?? this.#nodes.create(newItem({ id, modelId: outside }), null, nowMs)
    if (!hasEnded(node.state)) this.#finishNode(node, 'done', output, null, nowMs)
  }

  cancel(ids: readonly ItemId[], nowMs: number, cause: ItemError): number {
    const before = this.#cancelCount
    const ends = this.#nodes.of(ids).map((node): End => ({ node, state: 'cancelled', error: cause }))
    this.#spread(ends, nowMs)
    return this.#cancelCount - before
  }

  /** Failed or cancelled items are new, and with them what ended because of them. Answers how many. */
  retry(ids: readonly ItemId[], nowMs: number): number {
    const chosen = withDependents(this.#nodes.of(ids).filter(({ state }) => isRetryable(state)))
    const inOrder = [...chosen].sort((a, b) => a.sequence - b.sequence)
    for (const node of inOrder) {
      this.#leave(node)
      renew(node)
      this.#enter(node, 'blocked', nowMs)
    }
    for (const node of inOrder) {
      for (const { parent } of node.parents) this.#edges.open(node, parent)
      for (const { child } of node.children) {
        // One that had gone on without it, and still waits for others, waits for it again.
        if (child.state === 'blocked' && !chosen.has(child)) this.#edges.open(child, node)
      }
    }
    this.#settleAll(inOrder, nowMs)
    return inOrder.length
  }

  sweep(nowMs: number): { changedCount: number; nextAtMs: number | null } {
    let changedCount = this.#expire(nowMs)
    const due = [...this.#scheduled].filter((node) => node.dueAtMs <= nowMs)
    for (const node of due.sort((a, b) => a.dueAtMs - b.dueAtMs || a.sequence - b.sequence)) {
      changedCount++
      this.#makeReady(node, nowMs)
    }
    let nextAtMs = this.queues.dropLate(nowMs)
    for (const { untilMs } of this.#claims.all()) nextAtMs = Math.min(nextAtMs, untilMs)
    for (const { dueAtMs } of this.#scheduled) nextAtMs = Math.min(nextAtMs, dueAtMs)
    return { changedCount, nextAtMs: Number.isFinite(nextAtMs) ? nextAtMs : null }
  }

  /** Items whose lease has ended, in the order of their queues. */
  #expire(nowMs: number): number {
    let expiredCount = 0
    for (const node of this.#claims.held(({ untilMs }) => untilMs <= nowMs)) {
      if (!node.claim) continue // it went with another part of its fan-out
      expiredCount++
      if (node.attempt < node.item.maxAttempts) this.#giveBack(node, node.attempt, nowMs)
      else this.#finishNode(node, 'failed', null, leaseExpired, nowMs)
    }
    return expiredCount
  }

  releaseAll(nowMs: number): number {
    const nodes = this.#claims.held()
    for (const node of nodes) this.#giveBack(node, node.attempt - 1, nowMs)
    return nodes.length
  }
}
