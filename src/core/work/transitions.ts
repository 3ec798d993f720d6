// How items change state: submitted, released, leased, ended, made new. These rules are the same for a graph
// in memory and for a store; both bring their items as a working set (working-set.ts).
//
//   (1) When an item ends, each dependent that still waits hears of it: a good end, or a bad one over an edge
//       `continue`, closes the edge; a bad one fails, cancels or skips the dependent by the edge's policy.
//   (2) A dependent whose last edge has closed is released: an item with a step is shown to the resolver,
//       which says run, skip, fail, finish, or expand into children that it then waits for. A wrong answer
//       fails that item alone.
//   (3) An item inherits priority and deadline from the items that wait for it: inheritance.ts.
//   (4) What a fan-out made is cancelled with it.
//   (5) An item whose pipeline is not served is not released.
//
// Ends spread over a list, not by recursion, so that a chain may be a million long. Submission and release
// cost O(edges) of the item, whatever the size of the graph.
import { type ItemError, SchedulerError } from '../errors.ts'
import type { ModelId } from '../model.ts'
import { isBadEnd, isRetryable, passedOnState, withDependents } from './edges.ts'
import { Inheritance } from './inheritance.ts'
import { dependencyError, hasEnded, type ItemId, type ItemState, type NewItem } from './item.ts'
import { leaseExpired, type Outcome } from './lease.ts'
import { askResolver, type Expansion, expandsInVain, type Resolution, type Resolver } from './resolver.ts'
import type { GraphRow, WorkingSet } from './working-set.ts'

export interface TransitionOptions {
  /** Asked about items with a step. Without one they run as they are. */
  resolver?: Resolver | null
  /** Time that an item of a model takes at the least, ms: what it waits for must have ended so long before
   * it. Default 0. */
  leadMs?: (modelId: ModelId) => number
}

/** What is still to become of an item in a change: an end; or `ready`, when a fan-out made it and it waits
 * for nothing. */
interface End<Row> {
  readonly row: Row
  readonly state: ItemState
  /** As the working set packs it. */
  readonly output: unknown
  readonly error: ItemError | null
}

export class Transitions<Row extends GraphRow> {
  readonly #set: WorkingSet<Row>
  readonly #resolver: Resolver | null
  readonly #inheritance: Inheritance<Row>
  /** How often items were cancelled. */
  #cancelCount = 0

  constructor(set: WorkingSet<Row>, { resolver = null, leadMs = () => 0 }: TransitionOptions) {
    this.#set = set
    this.#resolver = resolver
    this.#inheritance = new Inheritance(set, leadMs)
  }

  /** The call that was under way is undone. */
  reset(): void {
    this.#inheritance.clear()
  }

  // ── what a caller asks for ──

  /** All or nothing; a known id changes nothing. Throws what `WorkingSet.add` throws. */
  submit(items: readonly NewItem[], nowMs: number): { addedCount: number; knownCount: number } {
    const added = this.#add(items, null, nowMs)
    this.#settleAll(added, nowMs)
    return { addedCount: added.length, knownCount: items.length - added.length }
  }

  /** Leases items that were taken out of their queue; answers with the token. */
  lease(rows: readonly Row[], leaseMs: number, nowMs: number): string {
    const token = this.#set.hold(rows, nowMs + leaseMs, nowMs)
    for (const row of rows) {
      row.attempt++
      row.startedAtMs = nowMs
      this.#enter(row, 'leased', nowMs)
    }
    return token
  }

  /** Ends items of a claim, or gives them back. `stale`: those that the claim does not hold; they are left
   * alone. */
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
    const row = this.#set.heldBy(token, outcome.id)
    if (row === null) return false
    if (outcome.type === 'done') this.end({ row, state: 'done', output: outcome.output, error: null }, nowMs)
    else if (outcome.type === 'release') this.#giveBack(row, row.attempt - 1, nowMs)
    else if (outcome.retryable && row.attempt < this.#set.itemOf(row).maxAttempts!)
      this.#schedule(row, outcome.retryAtMs, outcome.error, nowMs)
    else this.end({ row, state: 'failed', output: null, error: outcome.error }, nowMs)
    return true
  }

  /** Ends an item, and what follows from it. */
  end(end: End<Row>, nowMs: number): void {
    const work: End<Row>[] = []
    this.#endWithMade(end, nowMs, work)
    this.#spread(work, nowMs)
  }

  /** Those that have not ended, and what depends on them. Answers how many. */
  cancel(rows: readonly Row[], cause: ItemError, nowMs: number): number {
    const before = this.#cancelCount
    const ends = rows.map((row): End<Row> => ({ row, state: 'cancelled', output: null, error: cause }))
    this.#spread(ends, nowMs)
    return this.#cancelCount - before
  }

  /** Failed or cancelled items are new, and with them what ended because of them. Answers how many. */
  retry(rows: readonly Row[], nowMs: number): number {
    const set = this.#set
    const chosen = withDependents(
      set,
      rows.filter(({ state }) => isRetryable(state)),
    )
    const inOrder = [...chosen].sort((a, b) => a.sequence - b.sequence)
    for (const row of inOrder) {
      this.#leave(row)
      set.renew(row)
      this.#enter(row, 'blocked', nowMs)
    }
    for (const row of inOrder) {
      for (const { parent } of set.parentsOf(row)) this.#open(row, parent)
      for (const { child } of set.childrenOf(row)) {
        // One that had gone on without it, and still waits for others, waits for it again.
        if (child.state === 'blocked' && !chosen.has(child)) this.#open(child, row)
      }
    }
    this.#inheritance.passOn()
    this.#settleAll(inOrder, nowMs)
    return inOrder.length
  }

  /** Items that have not ended, and what they made, are that pipeline's from here on. Answers how many were
   * another's. */
  adopt(rows: readonly Row[], pipeline: string, nowMs: number): number {
    const moved = new Set(rows)
    for (const row of moved) for (const made of this.#set.madeBy(row)) moved.add(made)
    const others = [...moved].filter(
      (row) => !hasEnded(row.state) && this.#set.itemOf(row).pipeline !== pipeline,
    )
    for (const row of others) {
      this.#countEdges(row, -1)
      this.#set.moveTo(row, pipeline)
      this.#countEdges(row, 1)
    }
    this.#settleAll(others, nowMs)
    return others.length
  }

  /** Its open edges, up and down. */
  #countEdges(row: Row, count: 1 | -1): void {
    const set = this.#set
    if (row.state === 'blocked')
      for (const { parent } of set.parentsOf(row))
        if (!hasEnded(parent.state)) set.countEdge(row, parent, count)
    for (const { child } of set.childrenOf(row))
      if (child.state === 'blocked') set.countEdge(child, row, count)
  }

  /** Returns items whose lease has ended (a used attempt; dead when it was the last), and makes due ones
   * ready. */
  sweep(nowMs: number): { changedCount: number; nextAtMs: number | null } {
    let changedCount = 0
    for (const row of this.#set.expired(nowMs)) {
      if (row.claim === null) continue // it went with another part of its fan-out
      changedCount++
      if (row.attempt < this.#set.itemOf(row).maxAttempts!) this.#giveBack(row, row.attempt, nowMs)
      else this.end({ row, state: 'failed', output: null, error: leaseExpired }, nowMs)
    }
    for (const row of this.#set.due(nowMs)) {
      changedCount++
      this.#makeReady(row, nowMs)
    }
    const nextAtMs = this.#set.nextAtMs(nowMs)
    return { changedCount, nextAtMs: Number.isFinite(nextAtMs) ? nextAtMs : null }
  }

  /** Gives back all that is leased, and releases what an earlier owner did not serve. Answers how many were
   * leased. */
  releaseAll(nowMs: number): number {
    const rows = this.#set.leased()
    for (const row of rows) this.#giveBack(row, row.attempt - 1, nowMs)
    this.#settleAll(this.#set.heldBack(), nowMs)
    return rows.length
  }

  // ── the rules ──

  #add(items: readonly NewItem[], maker: Row | null, nowMs: number): readonly Row[] {
    const added = this.#set.add(items, maker, nowMs)
    for (const row of added) {
      for (const { parent } of this.#set.parentsOf(row)) this.#open(row, parent)
      this.#enter(row, 'blocked', nowMs)
    }
    this.#inheritance.passOn()
    return added
  }

  /** An edge is open while the parent has not ended and the child waits. */
  #open(child: Row, parent: Row): void {
    if (hasEnded(parent.state)) return
    child.openCount++
    this.#set.countEdge(child, parent, 1)
    this.#inheritance.note(child, parent) // (3)
  }

  #settleAll(rows: readonly Row[], nowMs: number): void {
    const work: End<Row>[] = []
    for (const row of rows) {
      if (row.state !== 'blocked') continue
      const bad = this.#badEnd(row)
      if (bad !== null) work.push(bad)
      else if (row.openCount === 0) this.#release(row, nowMs, work)
    }
    this.#spread(work, nowMs)
  }

  /** The end that a parent which has ended badly passes on to an item, or null. */
  #badEnd(row: Row): End<Row> | null {
    if (this.#set.waitsForAll(row)) return null
    for (const { parent, policy } of this.#set.parentsOf(row)) {
      if (!isBadEnd(parent.state, policy)) continue
      const error = dependencyError(this.#set.idOf(parent), this.#set.errorOf(parent))
      return { row, state: passedOnState(parent.state, policy), output: null, error }
    }
    return null
  }

  /** In the order in which it came. */
  #spread(work: End<Row>[], nowMs: number): void {
    for (let index = 0; index < work.length; index++) {
      const each = work[index]!
      if (hasEnded(each.row.state)) continue
      if (each.state === 'ready') this.#release(each.row, nowMs, work)
      else this.#endWithMade(each, nowMs, work)
    }
  }

  /** (4) At once: nothing releases what it made in between. */
  #endWithMade(end: End<Row>, nowMs: number, work: End<Row>[]): void {
    this.#end(end, nowMs, work)
    if (!isRetryable(end.state)) return
    const makers = [end.row]
    for (const maker of makers) {
      for (const row of this.#set.madeBy(maker)) {
        if (hasEnded(row.state)) continue
        const error = dependencyError(this.#set.idOf(maker), null)
        this.#end({ row, state: 'cancelled', output: null, error }, nowMs, work)
        makers.push(row)
      }
    }
  }

  /** (1) */
  #end({ row, state, output, error }: End<Row>, nowMs: number, work: End<Row>[]): void {
    const set = this.#set
    if (row.claim !== null && state === 'cancelled') row.claim.isBroken = true
    this.#leave(row)
    set.setResult(row, nowMs, output, error)
    this.#enter(row, state, nowMs)
    const edges = set.childrenOf(row)
    // What is released may fan out into children that wait for this item too: their edges are closed already.
    const count = edges.length
    for (let index = 0; index < count; index++) {
      const { child, policy } = edges[index]!
      if (child.state !== 'blocked') continue
      child.openCount--
      set.countEdge(child, row, -1)
      if (isBadEnd(state, policy)) {
        const cause = dependencyError(set.idOf(row), error)
        work.push({ row: child, state: passedOnState(state, policy), output: null, error: cause })
      } else if (child.openCount === 0 && (work.length === 0 || this.#badEnd(child) === null)) {
        // One that another parent is about to end is not released, nor expanded, for that moment.
        this.#release(child, nowMs, work)
      }
    }
  }

  /** (2) */
  #release(row: Row, nowMs: number, work: End<Row>[]): void {
    if (this.#set.isParked(row)) return // (5)
    if (this.#resolver === null || this.#set.itemOf(row).step === null) {
      this.#makeReady(row, nowMs)
      return
    }
    try {
      this.#resolve(row, this.#resolver, nowMs, work)
    } catch (cause) {
      if (!(cause instanceof SchedulerError)) throw cause
      const { code, message } = cause
      work.push({ row, state: 'failed', output: null, error: { code, message } })
    }
  }

  /** One that expands into what has ended already is asked again at once, but not for ever. */
  #resolve(row: Row, resolver: Resolver, nowMs: number, work: End<Row>[]): void {
    for (let round = 1; round <= 2; round++) {
      const { item, parents } = this.#set.viewOf(row)
      const resolution = askResolver(resolver, item, parents)
      if (resolution.type !== 'expand' || resolution.items.length === 0) {
        this.#follow(row, resolution, nowMs, work)
        return
      }
      if (this.#expand(row, resolution, nowMs, work)) return
    }
    work.push({ row, state: 'failed', output: null, error: expandsInVain(this.#set.idOf(row)) })
  }

  #follow(row: Row, resolution: Resolution, nowMs: number, work: End<Row>[]): void {
    const set = this.#set
    if (resolution.type === 'run') {
      set.setInput(row, resolution.input)
      this.#makeReady(row, nowMs)
    } else if (resolution.type === 'skip') {
      const error = { code: 'SKIPPED', message: resolution.reason }
      work.push({ row, state: 'skipped', output: null, error })
    } else if (resolution.type === 'fail') {
      const { code, message } = resolution.error
      work.push({ row, state: 'failed', output: null, error: { code, message } })
    } else {
      const output = set.pack(row, resolution.type === 'finish' ? resolution.output : [])
      work.push({ row, state: 'done', output, error: null })
    }
  }

  /** The children are parents of the item that made them: it waits for them, and is asked again. They may be
   * items that are known, and may even have ended. Answers false when all of them have. */
  #expand(row: Row, { items, policy }: Expansion, nowMs: number, work: End<Row>[]): boolean {
    const set = this.#set
    const made = this.#add(items, row, nowMs)
    const parents = items.map(({ id }) => set.find(id)!)
    for (const parent of set.connect(row, parents, policy)) this.#open(row, parent)
    this.#inheritance.passOn()
    const bad = this.#badEnd(row)
    if (bad !== null) work.push(bad)
    for (const child of made) {
      if (child.state !== 'blocked') continue
      const end = this.#badEnd(child)
      if (end !== null) work.push(end)
      else if (child.openCount === 0) work.push({ row: child, state: 'ready', output: null, error: null })
    }
    return bad !== null || row.openCount > 0
  }

  /** At the end of its queue. */
  #makeReady(row: Row, nowMs: number): void {
    this.#leave(row)
    row.readyAtMs = nowMs
    row.turn = this.#set.nextTurn()
    this.#enter(row, 'ready', nowMs)
  }

  /** At the front of its queue, where it was. `attempt` is what it has used up. */
  #giveBack(row: Row, attempt: number, nowMs: number): void {
    this.#leave(row)
    row.attempt = attempt
    this.#set.setResult(row, null, null, this.#set.errorOf(row))
    this.#enter(row, 'ready', nowMs)
  }

  /** To be tried again at a moment. */
  #schedule(row: Row, dueAtMs: number, error: ItemError, nowMs: number): void {
    this.#leave(row)
    row.dueAtMs = dueAtMs
    this.#set.setResult(row, null, null, error)
    this.#enter(row, 'scheduled', nowMs)
  }

  #leave(row: Row): void {
    if (row.state === 'blocked' && row.openCount > 0) {
      // It waits no more although edges are open: they count no more.
      for (const { parent } of this.#set.parentsOf(row))
        if (!hasEnded(parent.state)) this.#set.countEdge(row, parent, -1)
    }
    this.#set.leave(row)
  }

  #enter(row: Row, state: ItemState, nowMs: number): void {
    row.state = state
    if (state === 'cancelled') this.#cancelCount++
    this.#set.enter(row, nowMs)
  }
}
