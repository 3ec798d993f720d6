// How items change state inside a transaction: submitted, released, ended, made new. Each change updates the row (in
// memory, see working-set.ts), the counts and the events together. Ends spread over a list, not by recursion,
// so that a chain may be a million long.
//
//   (1) An ended item tells each dependent that still waits: a good end, or a bad one on an edge `continue`, closes the
//       edge; a bad one fails, cancels or skips the dependent by the edge's policy.
//   (2) A dependent whose last edge closed is released: an item with a step is shown to the resolver, which says run,
//       skip, fail, finish, or expand into children that it then waits for. What it says wrong fails that item alone.
//   (3) An item lends its priority and its deadline to what it waits for: inheritance.ts.

import { type ItemError, SchedulerError } from '../../core/errors.ts'
import { isBadEnd, isRetryable } from '../../core/work/edges.ts'
import { type Dependency, hasEnded, type ItemState, itemStates, type NewItem } from '../../core/work/item.ts'
import {
  askResolver,
  type Expansion,
  expandsInVain,
  type Resolution,
  type Resolver,
} from '../../core/work/resolver.ts'
import { checkGraph, type KnownItems, refuseCircle } from '../../core/work/submission.ts'
import type { StoreOptions } from '../store.ts'
import type { SqliteClaims } from './claims.ts'
import type { Counts } from './counts.ts'
import { type End, inherited } from './ends.ts'
import { SqliteLending } from './inheritance.ts'
import type { SqliteKinds } from './kinds.ts'
import type { Queries } from './queries.ts'
import { type ItemRow, json, type NewRow, toNewRow } from './rows.ts'
import { eventWidth, policies, stateNumber } from './schema.ts'
import type { SqliteItems } from './working-set.ts'

/** A change, and what still follows from it. */
interface Spread {
  readonly nowMs: number
  /** In the order in which it came. */
  readonly work: End[]
  /** Those that a parent is about to end are not released, nor expanded, for that moment. */
  readonly doomed: Set<ItemRow>
}

export class SqliteGraph {
  readonly #query: Queries
  readonly #counts: Counts
  readonly #claims: SqliteClaims
  readonly #items: SqliteItems
  readonly #lending: SqliteLending
  readonly #resolver: Resolver | null
  readonly #known: KnownItems<ItemRow> = {
    find: (id) => this.#items.byId(id),
    idOf: (row) => this.#items.idOf(row),
    parentsOf: (row) =>
      row.state === stateNumber.done ? [] : this.#items.parents(row).map((edge) => edge.row),
  }
  /** Seq, state and attempt of each. */
  #changes: number[] = []

  constructor(
    query: Queries,
    counts: Counts,
    claims: SqliteClaims,
    kinds: SqliteKinds,
    items: SqliteItems,
    { resolver = null, leadMs = () => 0 }: StoreOptions,
  ) {
    this.#query = query
    this.#counts = counts
    this.#claims = claims
    this.#items = items
    this.#lending = new SqliteLending(counts, kinds, items, leadMs)
    this.#resolver = resolver
  }

  /** Throws UNKNOWN_DEPENDENCY, CYCLE and BAD_VALUE before anything changes. */
  submit(items: readonly NewItem[], nowMs: number): { addedCount: number; knownCount: number } {
    const fresh = this.#check(items, null)
    this.#settleAll(this.#add(fresh, nowMs), nowMs)
    return { addedCount: fresh.length, knownCount: items.length - fresh.length }
  }

  #check(items: readonly NewItem[], maker: ItemRow | null): NewRow[] {
    const ids = new Set<string>()
    for (const { id, dependencies } of items) {
      ids.add(id)
      for (const each of dependencies) ids.add(each.id)
    }
    this.#items.look(ids)
    const fresh = checkGraph(items, (id) => this.#items.byId(id) !== null)
    return fresh.map((item) => toNewRow(item, maker))
  }

  /** The new items are blocked. */
  #add(fresh: readonly NewRow[], nowMs: number): ItemRow[] {
    const added = fresh.map((each) => this.#items.add(each, nowMs))
    for (const row of added) {
      const { dependencies } = row.fresh!.item
      if (dependencies.length > 0) this.#connect(row, dependencies)
      this.#enter(row, 'blocked')
    }
    this.#lending.lend()
    return added
  }

  #connect(row: ItemRow, dependencies: readonly Dependency[]): void {
    const edges = dependencies.map(({ id, policy }) => ({
      row: this.#items.byId(id)!,
      policy: policies.indexOf(policy),
    }))
    for (const { row: parent } of this.#items.connect(row, edges)) this.#openEdge(row, parent)
  }

  /** An edge to a parent that has ended is closed from the start. */
  #openEdge(child: ItemRow, parent: ItemRow): void {
    if (hasEnded(itemStates[parent.state]!)) return
    child.open++
    this.#items.change(child)
    this.#counts.addEdges(child.kind.group.model, parent.kind.group.model, 1)
    this.#lending.note(child, parent)
  }

  #settleAll(rows: readonly ItemRow[], nowMs: number): void {
    const spread: Spread = { nowMs, work: [], doomed: new Set() }
    this.#settle(rows, spread, (row) => this.#release(row, spread, true))
    this.#spread(spread)
  }

  /** Blocked items that are new: those whose parents ended badly end too, those that wait for nothing are to be released. */
  #settle(rows: readonly ItemRow[], spread: Spread, release: (row: ItemRow) => void): void {
    for (const row of rows) {
      if (row.state !== stateNumber.blocked) continue
      const bad = this.#badParent(row)
      if (bad) this.#doom(bad, spread)
      else if (row.open === 0) release(row)
    }
  }

  #doom(end: End, { work, doomed }: Spread): void {
    work.push(end)
    doomed.add(end.row)
  }

  /** The end that a parent which ended badly brings over its edge, or null. */
  #badParent(row: ItemRow): End | null {
    if (row.parents?.length === row.open) return null // none has ended: so it is with most new items
    for (const { row: parent, policy } of this.#items.parents(row)) {
      const state = itemStates[parent.state]!
      if (isBadEnd(state, policies[policy]!))
        return inherited(row, this.#ended(parent, this.#items.errorOf(parent)), policy)
    }
    return null
  }

  #ended(row: ItemRow, error: ItemError | null) {
    return { id: this.#items.idOf(row), state: itemStates[row.state]!, error }
  }

  /** What an earlier owner did not serve, and this one does. */
  releaseHeldBack(nowMs: number): void {
    this.#settleAll(this.#items.heldBack(), nowMs)
  }

  /** Ends an item and spreads what follows. */
  end(row: ItemRow, state: ItemState, output: string | null, error: ItemError | null, nowMs: number): void {
    this.#spread({ nowMs, work: [{ row, state, output, error }], doomed: new Set() })
  }

  #spread(spread: Spread): void {
    const { work } = spread
    for (let index = 0; index < work.length; index++) {
      const each = work[index]!
      if (hasEnded(itemStates[each.row.state]!)) continue
      if (each.state === 'ready') this.#release(each.row, spread, true)
      else this.#endWithMade(each, spread)
    }
  }

  /** What a fan-out made goes with it at once: nothing releases it in between. */
  #endWithMade(end: End, spread: Spread): void {
    this.#end(end, spread)
    if (!isRetryable(end.state)) return
    const makers = [end.row]
    for (const maker of makers) {
      for (const row of this.#made(maker)) {
        if (hasEnded(itemStates[row.state]!)) continue
        const parent = { id: this.#items.idOf(maker), state: 'cancelled' as const, error: null }
        this.#end(inherited(row, parent, 0), spread)
        makers.push(row)
      }
    }
  }

  /** (1) What ends because of it, badly or at its release, ends in its turn. */
  #end({ row, state, output, error }: End, spread: Spread): void {
    this.#leave(row, state !== 'cancelled')
    row.untilMs = null
    this.#items.setResult(row, { endedAtMs: spread.nowMs, output, error })
    this.#enter(row, state)
    for (const { row: child, policy } of this.#items.children(row)) {
      if (child.state !== stateNumber.blocked) continue
      child.open--
      this.#items.change(child)
      this.#counts.addEdges(child.kind.group.model, row.kind.group.model, -1)
      if (isBadEnd(state, policies[policy]!))
        this.#doom(inherited(child, this.#ended(row, error), policy), spread)
      else if (child.open === 0 && !spread.doomed.has(child)) this.#release(child, spread, true)
    }
  }

  #made(row: ItemRow): ItemRow[] {
    return row.kind.step === null ? [] : this.#items.made(row) // only items with a step can make others
  }

  /** (2) `mayExpand`: it was not expanded a moment ago, in vain. */
  #release(row: ItemRow, spread: Spread, mayExpand: boolean): void {
    if (row.kind.isParked) return
    const resolution = askResolver(this.#resolver, row.kind, () => this.#items.resolved(row))
    try {
      if (resolution?.type === 'expand' && resolution.items.length > 0)
        this.#expand(row, resolution, spread, mayExpand)
      else this.#follow(row, resolution, spread)
    } catch (error) {
      if (!(error instanceof SchedulerError)) throw error
      const { code, message } = error
      spread.work.push({ row, state: 'failed', output: null, error: { code, message } })
    }
  }

  #follow(row: ItemRow, resolution: Resolution | null, { work, nowMs }: Spread): void {
    if (resolution === null) this.makeReady(row, nowMs)
    else if (resolution.type === 'run') {
      this.#items.setInput(row, json(resolution.input, `The input of item "${this.#items.idOf(row)}"`))
      this.makeReady(row, nowMs)
    } else if (resolution.type === 'skip') {
      const error = { code: 'SKIPPED', message: resolution.reason }
      work.push({ row, state: 'skipped', output: null, error })
    } else if (resolution.type === 'fail') {
      json(resolution.error, 'The error of the resolver')
      work.push({ row, state: 'failed', output: null, error: resolution.error })
    } else {
      const list = resolution.type === 'finish' ? resolution.output : []
      const output = json(list, `The output of item "${this.#items.idOf(row)}"`)
      work.push({ row, state: 'done', output, error: null })
    }
  }

  /** The children are parents of the item that made them: it waits for them, and is asked again. Children that are known
   * already, perhaps ended, count as well. */
  #expand(row: ItemRow, { items, policy }: Expansion, spread: Spread, mayExpand: boolean): void {
    const fresh = this.#check(items, row)
    refuseCircle(row, items, this.#known)
    const made = this.#add(fresh, spread.nowMs)
    this.#connect(
      row,
      items.map(({ id }) => ({ id, policy })),
    )
    this.#lending.lend()
    const bad = this.#badParent(row)
    if (bad) this.#doom(bad, spread)
    this.#settle(made, spread, (child) =>
      spread.work.push({ row: child, state: 'ready', output: null, error: null }),
    )
    if (bad || row.open > 0) return
    if (mayExpand) this.#release(row, spread, false)
    else {
      const error = expandsInVain(this.#items.idOf(row))
      spread.work.push({ row, state: 'failed', output: null, error })
    }
  }

  #openParents(row: ItemRow): ItemRow[] {
    const parents = this.#items.parents(row).map((edge) => edge.row)
    return parents.filter(({ state }) => !hasEnded(itemStates[state]!))
  }

  /** At the end of its queue. */
  makeReady(row: ItemRow, nowMs: number): void {
    this.#leave(row, true)
    row.readyAtMs = nowMs
    row.turn = ++this.#items.numbers.turn
    row.untilMs = null
    row.kind.level.add(row)
    this.#enter(row, 'ready')
  }

  /** At the front of its queue, where it was. `attempt` is what it has used up. */
  giveBack(row: ItemRow, attempt: number, isOurs: boolean): void {
    this.#leave(row, isOurs)
    row.attempt = attempt
    this.#items.setResult(row, { endedAtMs: null, output: null, error: this.#items.errorOf(row) })
    row.kind.level.add(row)
    this.#enter(row, 'ready')
  }

  /** Rows that the queue gave. */
  lease(rows: readonly ItemRow[], token: string, untilMs: number, nowMs: number): void {
    this.#claims.hold(rows, token, untilMs, nowMs)
    for (const row of rows) {
      this.#count(row, -1)
      row.attempt++
      row.startedAtMs = nowMs
      this.#enter(row, 'leased')
    }
  }

  /** Tried again at a moment. */
  schedule(row: ItemRow, atMs: number, error: ItemError): void {
    this.#leave(row, true)
    row.untilMs = atMs
    this.#items.setResult(row, { endedAtMs: null, output: null, error })
    this.#enter(row, 'scheduled')
  }

  /** Failed or cancelled items are new, and with them what ended because of them and the parts of a fan-out that did not end
   * well. Answers how many. */
  renew(rows: readonly ItemRow[], nowMs: number): number {
    const chosen = new Set<ItemRow>()
    const waiting = [...rows]
    for (let row = waiting.pop(); row; row = waiting.pop()) {
      if (chosen.has(row)) continue
      chosen.add(row)
      for (const { row: child } of this.#items.children(row)) {
        const isOver = hasEnded(itemStates[child.state]!)
        if (isOver && this.#items.errorOf(child)?.code === 'DEPENDENCY_FAILED') waiting.push(child)
      }
      waiting.push(...this.#made(row).filter(({ state }) => isRetryable(itemStates[state]!)))
    }
    const inOrder = [...chosen].sort((a, b) => a.seq - b.seq)
    for (const row of inOrder) {
      this.#leave(row, true)
      Object.assign(row, { attempt: 0, open: 0, readyAtMs: null })
      this.#items.dropResult(row)
      this.#enter(row, 'blocked')
    }
    for (const row of inOrder) {
      for (const parent of this.#openParents(row)) this.#openEdge(row, parent)
      for (const { row: child } of this.#items.children(row)) {
        // One that had gone on without it, and still waits for others, waits for it again.
        if (child.state === stateNumber.blocked && !chosen.has(child)) this.#openEdge(child, row)
      }
    }
    this.#lending.lend()
    this.#settleAll(inOrder, nowMs)
    return inOrder.length
  }

  /** `isOurs`: for a leased row, whether the holder of its token ended it. */
  #leave(row: ItemRow, isOurs: boolean): void {
    const { kind, state, open } = row
    this.#count(row, -1)
    if (state === stateNumber.ready) kind.level.remove(row)
    if (state === stateNumber.leased) this.#claims.let(row, isOurs)
    if (state !== stateNumber.blocked || open === 0) return
    // It ends although edges are open: they count no more.
    for (const parent of this.#openParents(row))
      this.#counts.addEdges(kind.group.model, parent.kind.group.model, -1)
  }

  #enter(row: ItemRow, state: ItemState): void {
    row.state = stateNumber[state]
    if (state !== 'leased') this.#items.change(row)
    this.#count(row, 1)
    this.#changes.push(row.seq, row.state, row.attempt)
  }

  #count({ kind, state, submittedAtMs }: ItemRow, count: 1 | -1): void {
    this.#counts.add(kind, state, count, submittedAtMs)
  }

  /** Writes what the operation changed, and its events in one row. */
  flush(nowMs: number): void {
    this.#items.flush()
    this.#items.forget()
    if (this.#changes.length === 0) return
    const { numbers } = this.#items
    const start = numbers.event + 1
    numbers.event += this.#changes.length / eventWidth
    numbers.latestAtMs = Math.max(numbers.latestAtMs, nowMs)
    this.#query.addEvent.run(start, numbers.event, nowMs, JSON.stringify(this.#changes), numbers.latestAtMs)
    this.#changes = []
  }

  /** True when the operation changed nothing. */
  get isClean(): boolean {
    return this.#changes.length === 0 && this.#items.isClean
  }

  /** The transaction was undone. */
  reload(): void {
    this.#changes = []
    this.#lending.clear()
    this.#items.reload()
  }
}
