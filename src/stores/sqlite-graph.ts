// How items change state inside a transaction: submitted, released, ended, made new. Each change updates the row (in
// memory, see sqlite-items.ts), the counts and the events together. Ends spread over a list, not by recursion,
// so that a chain may be a million long.
//
//   (1) An ended item tells each dependent that still waits: a good end, or a bad one on an edge `continue`, closes the
//       edge; a bad one fails, cancels or skips the dependent by the edge's policy.
//   (2) A dependent whose last edge closed is released: an item with a step is shown to the resolver, which says run,
//       skip, fail, finish, or expand into children that it then waits for. What it says wrong fails that item alone.
import { type ItemError, SchedulerError } from '../core/errors.ts'
import { askResolver, type Resolution, type Resolver } from '../core/resolver.ts'
import { checkGraph } from '../core/submission.ts'
import { hasEnded, type ItemState, itemStates, type NewItem, satisfies } from '../core/work-item.ts'
import type { Counts } from './counts.ts'
import { type End, inherited, toParent } from './sqlite-ends.ts'
import { type ReadyToAdd, type SqliteItems, toAdd } from './sqlite-items.ts'
import type { SqliteQueue } from './sqlite-queue.ts'
import { all, type FullRow, first, type ItemRow, json, type Queries, toNewItem } from './sqlite-rows.ts'
import { policies, stateNumber } from './sqlite-schema.ts'

/** Children of a fan-out stand after its dependencies. */
const placeOfFirstChild = 1_000_000

export class SqliteGraph {
  readonly #query: Queries
  readonly #items: SqliteItems
  readonly #queue: SqliteQueue
  readonly #counts: Counts
  readonly #resolver: Resolver | null
  /** Last numbers given. */
  readonly numbers = { seq: 0, turn: 0, event: 0 }
  #changes: [seq: number, state: number, attempt: number][] = []

  constructor(
    query: Queries,
    items: SqliteItems,
    queue: SqliteQueue,
    counts: Counts,
    resolver: Resolver | null,
  ) {
    this.#query = query
    this.#items = items
    this.#queue = queue
    this.#counts = counts
    this.#resolver = resolver
  }

  /** Throws UNKNOWN_DEPENDENCY, CYCLE and BAD_VALUE before anything changes. */
  submit(items: readonly NewItem[], nowMs: number): { addedCount: number; knownCount: number } {
    const fresh = this.#check(items)
    this.#addAll(fresh, null, nowMs)
    return { addedCount: fresh.length, knownCount: items.length - fresh.length }
  }

  #check(items: readonly NewItem[]): ReadyToAdd[] {
    return checkGraph(items, (id) => this.#items.isKnown(id)).map(toAdd)
  }

  #addAll(fresh: readonly ReadyToAdd[], maker: ItemRow | null, nowMs: number): void {
    const { added, doubtful } = this.#add(fresh, maker, nowMs)
    this.#settle(added, doubtful, nowMs)
  }

  /** The new items are blocked. `doubtful`: those with a parent that has ended badly. */
  #add(fresh: readonly ReadyToAdd[], maker: ItemRow | null, nowMs: number) {
    const added = fresh.map((each) => {
      const row = this.#createRow(each.item, maker, nowMs)
      this.#items.add(row, each)
      return row
    })
    const doubtful = new Set<ItemRow>()
    for (const [index, row] of added.entries()) {
      for (const [place, { id, policy }] of fresh[index]!.item.dependencies.entries()) {
        const parent = this.#items.byId(id)!
        if (this.#items.addEdge(parent, row, place, policy)) this.#openEdge(row, parent)
        if (hasEnded(itemStates[parent.state]!) && !satisfies(itemStates[parent.state]!)) doubtful.add(row)
      }
      this.#enter(row, 'blocked')
    }
    return { added, doubtful }
  }

  #createRow({ id, modelId, priority, maxAttempts, step }: NewItem, maker: ItemRow | null, nowMs: number) {
    return {
      seq: ++this.numbers.seq, id, model: modelId, priority, state: stateNumber.blocked, attempt: 0,
      max_attempts: maxAttempts, open: 0, submitted_at: nowMs, turn: null, ready_at: null, started_at: null,
      ended_at: null, until: null, maker: maker?.seq ?? null, is_expanded: 0, step,
    } satisfies ItemRow // biome-ignore format: a row
  }

  /** An edge to a parent that has ended is closed from the start. */
  #openEdge(child: ItemRow, parent: ItemRow): void {
    if (hasEnded(itemStates[parent.state]!)) return
    this.#items.changeOpen(child, 1)
    this.#counts.addEdges(child.model, parent.model, 1)
  }

  /** Blocked items that are new: those whose parents ended badly end too, those that wait for nothing are released. */
  #settle(rows: readonly ItemRow[], doubtful: ReadonlySet<ItemRow>, nowMs: number): void {
    for (const row of rows) {
      if (row.state !== stateNumber.blocked) continue
      const end =
        (doubtful.has(row) ? this.#badParent(row) : null) ??
        (row.open === 0 ? this.#release(row, nowMs, true) : null)
      if (end) this.#spread([end], nowMs)
    }
  }

  /** The end that a parent which ended badly brings over its edge, or null. */
  #badParent(row: ItemRow): End | null {
    for (const { row: parent, policy } of this.#items.parents(row.seq)) {
      const state = itemStates[parent.state]!
      if (hasEnded(state) && !satisfies(state) && policies[policy] !== 'continue')
        return inherited(row, parent, this.#items.errorOf(parent), policy)
    }
    return null
  }

  /** Ends an item and spreads what follows. */
  end(row: ItemRow, state: ItemState, output: string | null, error: ItemError | null, nowMs: number): void {
    this.#spread([{ row, state, output, error }], nowMs)
  }

  /** In the order in which they came. */
  #spread(ends: End[], nowMs: number): void {
    const doomed = new Set<ItemRow>()
    for (let index = 0; index < ends.length; index++) {
      if (!hasEnded(itemStates[ends[index]!.row.state]!)) this.#endTree(ends[index]!, ends, doomed, nowMs)
    }
  }

  /** (1) What ends because of it, badly or at its release, ends in its turn. One that another parent is about to end
   * (`doomed`) is not released, nor expanded, for that moment. */
  #endTree(root: End, ends: End[], doomed: Set<ItemRow>, nowMs: number): void {
    const { state, error, row, children } = this.#endOne(root, nowMs)
    for (const { row: child, policy } of children) {
      if (child.state !== stateNumber.blocked) continue
      this.#items.changeOpen(child, -1)
      this.#counts.addEdges(child.model, row.model, -1)
      if (!satisfies(state) && policies[policy] !== 'continue') {
        ends.push(inherited(child, row, error, policy))
        doomed.add(child)
      } else if (child.open === 0 && !doomed.has(child)) {
        const next = this.#release(child, nowMs, true)
        if (next) ends.push(next)
      }
    }
    if (state === 'failed' || state === 'cancelled') this.#endMade(row, ends)
  }

  #endOne({ row, state, output, error }: End, nowMs: number) {
    this.#leave(row, state !== 'cancelled')
    row.ended_at = nowMs
    row.until = null
    this.#items.setResult(row, output, error)
    this.#enter(row, state)
    return { row, state, error, children: this.#items.children(row.seq) }
  }

  /** What a fan-out item made goes with it. */
  #endMade(row: ItemRow, ends: End[]): void {
    if (row.is_expanded === 0) return
    const cancelled = { id: row.id, state: stateNumber.cancelled }
    for (const made of this.#items.made(row.seq)) {
      if (!hasEnded(itemStates[made.state]!)) ends.push(inherited(made, cancelled, null, 0))
    }
  }

  /** (2) Answers the end of an item that does not run. `mayExpand`: it was not expanded a moment ago, in vain. */
  #release(row: ItemRow, nowMs: number, mayExpand: boolean): End | null {
    const resolution = askResolver(this.#resolver, row, () => this.#look(row))
    try {
      return this.#follow(row, resolution, nowMs, mayExpand)
    } catch (error) {
      if (!(error instanceof SchedulerError)) throw error
      const { code, message } = error
      return { row, state: 'failed', output: null, error: { code, message } }
    }
  }

  #follow(row: ItemRow, resolution: Resolution | null, nowMs: number, mayExpand: boolean): End | null {
    const isEmpty = resolution?.type === 'expand' && resolution.items.length === 0
    if (resolution?.type === 'expand' && !isEmpty) return this.#expand(row, resolution, nowMs, mayExpand)
    if (resolution === null || resolution.type === 'run') {
      if (resolution) this.#items.setInput(row, json(resolution.input, `The input of item "${row.id}"`))
      this.makeReady(row, nowMs)
      return null
    }
    if (resolution.type === 'skip')
      return { row, state: 'skipped', output: null, error: { code: 'SKIPPED', message: resolution.reason } }
    if (resolution.type === 'fail') return { row, state: 'failed', output: null, error: resolution.error }
    const output = resolution.type === 'finish' ? resolution.output : []
    return { row, state: 'done', output: json(output, `The output of item "${row.id}"`), error: null }
  }

  #look({ seq }: ItemRow) {
    this.#items.flush()
    const item = toNewItem(first<FullRow>(this.#query.fullBySeq, seq)!)
    return { item, parents: all<FullRow>(this.#query.fullParents, seq).map(toParent) }
  }

  /** The children are parents of the item that made them: it waits for them, and is asked again. Children that are known
   * already, perhaps ended, count as well. */
  #expand(
    row: ItemRow,
    { items, policy }: Extract<Resolution, { type: 'expand' }>,
    nowMs: number,
    mayExpand: boolean,
  ): End | null {
    const fresh = this.#check(items)
    this.#refuseCircle(row, items)
    const { added, doubtful } = this.#add(fresh, row, nowMs)
    for (const [index, id] of [...new Set(items.map((item) => item.id))].entries()) {
      const child = this.#items.byId(id)!
      if (this.#items.addEdge(child, row, placeOfFirstChild + index, policy)) this.#openEdge(row, child)
    }
    row.is_expanded = 1
    this.#items.change(row)
    if (row.open > 0) {
      this.#settle(added, doubtful, nowMs)
      return null
    }
    const bad = this.#badParent(row)
    if (bad || mayExpand) return bad ?? this.#release(row, nowMs, false)
    const message = `"${row.id}" expands again and again into items that have ended`
    return { row, state: 'failed', output: null, error: { code: 'BAD_EXPRESSION', message } }
  }

  /** Throws CYCLE when a child would wait for the item that waits for it, over any path of open items. */
  #refuseCircle(row: ItemRow, items: readonly NewItem[]): void {
    const names = items.flatMap(({ id, dependencies }) => [id, ...dependencies.map((each) => each.id)])
    const waiting = [...new Set(names)].flatMap((id) =>
      this.#items.isKnown(id) ? this.#items.byId(id)! : [],
    )
    const seen = new Set<ItemRow>()
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      if (next === row) {
        const message = `A child of "${row.id}" waits for it, which waits for the child. Take that dependency away.`
        throw new SchedulerError('CYCLE', message, { id: row.id })
      }
      if (seen.has(next) || next.state !== stateNumber.blocked) continue
      seen.add(next)
      waiting.push(...this.#items.openParents(next))
    }
  }

  /** At the end of its queue. */
  makeReady(row: ItemRow, nowMs: number): void {
    this.#leave(row, true)
    row.ready_at = nowMs
    row.turn = ++this.numbers.turn
    row.until = null
    this.#enter(row, 'ready')
  }

  /** At the front of its queue, where it was. `attempt` is what it has used up. */
  giveBack(row: ItemRow, attempt: number, isOurs: boolean): void {
    this.#leave(row, isOurs)
    row.attempt = attempt
    this.#queue.giveBack(row.model, row.priority, row.turn!)
    this.#enter(row, 'ready')
  }

  lease(row: ItemRow, token: string, untilMs: number, nowMs: number): void {
    this.#leave(row, true)
    row.attempt++
    row.started_at = nowMs
    this.#items.hold(row, token, untilMs, nowMs)
    this.#enter(row, 'leased')
  }

  /** Tried again at a moment. */
  schedule(row: ItemRow, atMs: number, error: ItemError): void {
    this.#leave(row, true)
    row.until = atMs
    this.#items.setResult(row, null, error)
    this.#enter(row, 'scheduled')
  }

  /** Failed or cancelled items are new, and with them what ended because of them. Answers how many. */
  renew(rows: readonly ItemRow[], nowMs: number): number {
    const chosen = new Set<ItemRow>()
    const waiting = [...rows]
    for (let row = waiting.pop(); row; row = waiting.pop()) {
      if (chosen.has(row)) continue
      chosen.add(row)
      for (const { row: child } of this.#items.children(row.seq)) {
        const isOver = hasEnded(itemStates[child.state]!)
        if (isOver && this.#items.errorOf(child)?.code === 'DEPENDENCY_FAILED') waiting.push(child)
      }
    }
    const inOrder = [...chosen].sort((a, b) => a.seq - b.seq)
    for (const row of inOrder) {
      this.#leave(row, true)
      Object.assign(row, { attempt: 0, open: 0, ready_at: null, started_at: null, ended_at: null })
      this.#items.setResult(row, null, null)
      this.#enter(row, 'blocked')
    }
    for (const row of inOrder) {
      for (const parent of this.#items.openParents(row)) this.#openEdge(row, parent)
      for (const { row: child } of this.#items.children(row.seq)) {
        // One that had gone on without it, and still waits for others, waits for it again.
        if (child.state === stateNumber.blocked && !chosen.has(child)) this.#openEdge(child, row)
      }
    }
    this.#settle(inOrder, chosen, nowMs)
    return inOrder.length
  }

  /** `isOurs`: for a leased row, whether the holder of its token ended it. */
  #leave(row: ItemRow, isOurs: boolean): void {
    const { model, step, priority, submitted_at } = row
    const state = itemStates[row.state]!
    this.#counts.addState(step, model, state, -1)
    if (state === 'ready') this.#counts.addReady(model, priority, -1, submitted_at)
    else if (state === 'leased') this.#items.let(row, isOurs)
    else if (state === 'blocked' || state === 'scheduled') this.#counts.addBlocked(model, -1)
    if (state !== 'blocked' || row.open === 0) return
    // It ends although edges are open: they count no more.
    for (const parent of this.#items.openParents(row)) this.#counts.addEdges(model, parent.model, -1)
  }

  #enter(row: ItemRow, state: ItemState): void {
    row.state = stateNumber[state]
    if (state !== 'leased') this.#items.change(row)
    this.#counts.addState(row.step, row.model, state, 1)
    if (state === 'ready') this.#counts.addReady(row.model, row.priority, 1, row.submitted_at)
    else if (state === 'blocked' || state === 'scheduled') this.#counts.addBlocked(row.model, 1)
    this.#changes.push([row.seq, row.state, row.attempt])
  }

  /** Writes what the operation changed, and its events in one row. */
  flush(nowMs: number): void {
    this.#items.flush()
    this.#items.forget()
    if (this.#changes.length === 0) return
    const start = this.numbers.event + 1
    this.numbers.event += this.#changes.length
    this.#query.addEvent.run(start, this.numbers.event, nowMs, JSON.stringify(this.#changes))
    this.#changes = []
  }

  /** True when the operation changed nothing. */
  get isClean(): boolean {
    return this.#changes.length === 0 && this.#items.isClean
  }

  /** The transaction was undone. */
  reload(): void {
    Object.assign(this.numbers, first(this.#query.maxima))
    this.#changes = []
    this.#items.reload()
  }
}
