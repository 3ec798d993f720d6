// How items change state inside a transaction: submitted, released, ended, made new. Each change updates the row, the
// counts and the events together. Ends spread through a work list, not by recursion, so that a chain may be long.
//
//   (1) An ended item tells each dependent that still waits: a good end, or a bad one on an edge `continue`, closes the
//       edge; a bad one fails, cancels or skips the dependent by the edge's policy.
//   (2) A dependent whose last edge closed is released: an item with a step is shown to the resolver, which says run,
//       skip, fail, finish, or expand into children that it then waits for.
import type { ItemError } from '../core/errors.ts'
import { askResolver, type Resolution, type ResolvedParent, type Resolver } from '../core/resolver.ts'
import { checkGraph } from '../core/submission.ts'
import {
  dependencyError,
  hasEnded,
  type ItemState,
  itemStates,
  type NewItem,
  satisfies,
} from '../core/work-item.ts'
import type { Counts } from './counts.ts'
import {
  all,
  type FullRow,
  first,
  type ItemRow,
  json,
  parse,
  type Queries,
  toNewItem,
} from './sqlite-rows.ts'
import { policies, stateNumber } from './sqlite-schema.ts'

export interface Numbers {
  seq: number
  turn: number
  event: number
}

/** A row as it was written. */
interface Added {
  row: ItemRow
  /** A parent had ended badly before. */
  isBad: boolean
}

interface End {
  row: ItemRow
  state: ItemState
  error: ItemError | null
}

export class SqliteGraph {
  readonly #query: Queries
  readonly #counts: Counts
  readonly #resolver: Resolver | null
  /** Last numbers given. */
  readonly numbers: Numbers = { seq: 0, turn: 0, event: 0 }
  /** The rows of each claim that it still holds, by id. */
  readonly held = new Map<string, Map<string, ItemRow>>()
  #events: { state: ItemState; items: [seq: number, attempt: number][] }[] = []

  constructor(query: Queries, counts: Counts, resolver: Resolver | null) {
    this.#query = query
    this.#counts = counts
    this.#resolver = resolver
  }

  submit(items: readonly NewItem[], nowMs: number): { addedCount: number; knownCount: number } {
    const added = this.#add(items, null, nowMs)
    this.#settle(added, nowMs)
    return { addedCount: added.length, knownCount: items.length - added.length }
  }

  /** Writes rows and edges; nothing is released yet but what needs no question. Throws UNKNOWN_DEPENDENCY and CYCLE before
   * anything is written. */
  #add(items: readonly NewItem[], maker: ItemRow | null, nowMs: number): Added[] {
    const fresh = checkGraph(items, (id) => first(this.#query.briefById, id) !== undefined)
    const seqById = new Map<string, { seq: number; model: string }>()
    for (const item of fresh) seqById.set(item.id, { seq: ++this.numbers.seq, model: item.modelId })
    const isPlain = fresh.every(({ step }) => step === null)
    return fresh.map((item) => {
      const { seq } = seqById.get(item.id)!
      const { open, isBad } = this.#connect(item, seq, seqById)
      const isReady = isPlain && open === 0 && !isBad
      return { row: this.#insert(item, seq, open, isReady, maker, nowMs), isBad }
    })
  }

  /** Writes an item's edges; how many are open, and whether a parent ended badly. */
  #connect(
    { dependencies, modelId }: NewItem,
    seq: number,
    seqById: ReadonlyMap<string, { seq: number; model: string }>,
  ) {
    let open = 0
    let isBad = false
    for (const [place, { id, policy }] of dependencies.entries()) {
      const beside = seqById.get(id)
      const known = beside ? null : first<ItemRow>(this.#query.briefById, id)!
      const parent = beside ?? known!
      const state = known && itemStates[known.state]!
      this.#query.addEdge.run(parent.seq, seq, place, policies.indexOf(policy))
      if (state === null || !hasEnded(state)) {
        open++
        this.#counts.addEdges(modelId, parent.model, 1)
      } else if (!satisfies(state)) isBad = true
    }
    return { open, isBad }
  }

  #insert(
    item: NewItem,
    seq: number,
    open: number,
    isReady: boolean,
    maker: ItemRow | null,
    nowMs: number,
  ): ItemRow {
    const { id, modelId: model, priority, maxAttempts: max_attempts, step } = item
    const state = isReady ? stateNumber.ready : stateNumber.blocked
    const turn = isReady ? ++this.numbers.turn : null
    const ready_at = isReady ? nowMs : null
    this.#query.add.run(
      seq, id, model, priority, state, max_attempts, open, nowMs, ready_at, turn, item.timeoutMs, item.deadlineAtMs,
      maker?.seq ?? null, step, item.sourceId, json(item.source), json(item.input),
    ) // biome-ignore format: one value for each column
    const row = { seq, id, model, priority, state, attempt: 0, max_attempts, open, submitted_at: nowMs }
    if (isReady) this.#note('blocked', row)
    this.#enter({ ...row, step }, isReady ? 'ready' : 'blocked')
    return { ...row, turn, ready_at, token: null, maker: maker?.seq ?? null, is_expanded: 0, step }
  }

  /** New items: those whose parents ended badly end too, those that wait for nothing are released. What ended or became
   * ready meanwhile, because another one did, has been seen to. */
  #settle(added: readonly Added[], nowMs: number): void {
    const ends: End[] = []
    for (const { row, isBad } of added) {
      if (isBad) {
        const now = first<ItemRow>(this.#query.briefBySeq, row.seq)!
        const bad = now.state === stateNumber.blocked ? this.#badParent(now) : null
        if (bad) ends.push(bad)
        else if (now.state === stateNumber.blocked && now.open === 0) this.#release(now, nowMs, ends)
      } else if (row.state === stateNumber.blocked && row.open === 0) this.#release(row, nowMs, ends)
      this.#spread(ends, nowMs)
    }
  }

  /** The end that a parent which ended badly brings over its edge, or null. */
  #badParent(row: ItemRow): End | null {
    const parents = all<{ id: string; state: number; error: string | null; policy: number }>(
      this.#query.parentStates,
      row.seq,
    )
    for (const { id, state: number, error, policy } of parents) {
      const state = itemStates[number]!
      if (hasEnded(state) && !satisfies(state) && policies[policy] !== 'continue') {
        return inherited(row, { id, state, error: parse<ItemError>(error) }, policy)
      }
    }
    return null
  }

  /** Ends an item and spreads what follows. */
  end(row: ItemRow, state: ItemState, output: unknown, error: ItemError | null, nowMs: number): void {
    const ends: End[] = []
    this.#end({ row, state, error }, output, nowMs, ends)
    this.#spread(ends, nowMs)
  }

  #spread(ends: End[], nowMs: number): void {
    for (let end = ends.shift(); end; end = ends.shift()) {
      const row = first<ItemRow>(this.#query.briefBySeq, end.row.seq)!
      if (!hasEnded(itemStates[row.state]!)) this.#end({ ...end, row }, null, nowMs, ends)
    }
  }

  /** (1) */
  #end({ row, state, error }: End, output: unknown, nowMs: number, ends: End[]): void {
    this.#leave(row)
    this.#query.end.run(stateNumber[state], json(output), json(error), nowMs, row.seq)
    this.#enter(row, state)
    for (const { child: seq, policy } of all<{ child: number; policy: number }>(
      this.#query.children,
      row.seq,
    )) {
      const child = first<ItemRow>(this.#query.closeEdge, seq)
      if (!child) continue // it waits no more
      this.#counts.addEdges(child.model, row.model, -1)
      if (!satisfies(state) && policies[policy] !== 'continue') {
        ends.push(inherited(child, { id: row.id, state, error }, policy))
      } else if (child.open === 0) this.#release(child, nowMs, ends)
    }
    if (state === 'cancelled' || state === 'failed') this.#endMade(row, ends)
  }

  /** What a fan-out item made goes with it. */
  #endMade(row: ItemRow, ends: End[]): void {
    if (row.is_expanded === 0) return
    for (const { seq } of all<{ seq: number }>(this.#query.made, row.seq)) {
      const made = first<ItemRow>(this.#query.briefBySeq, seq)!
      if (!hasEnded(itemStates[made.state]!))
        ends.push(inherited(made, { id: row.id, state: 'cancelled', error: null }, 0))
    }
  }

  /** (2) */
  #release(row: ItemRow, nowMs: number, ends: End[]): void {
    const resolution = askResolver(this.#resolver, row, () => this.#look(row))
    if (resolution === null || resolution.type === 'run') {
      if (resolution) this.#query.setInput.run(json(resolution.input), row.seq)
      this.makeReady(row, nowMs)
    } else if (resolution.type === 'skip') {
      this.#end(
        { row, state: 'skipped', error: { code: 'SKIPPED', message: resolution.reason } },
        null,
        nowMs,
        ends,
      )
    } else if (resolution.type === 'fail') {
      this.#end({ row, state: 'failed', error: resolution.error }, null, nowMs, ends)
    } else if (resolution.type === 'finish' || resolution.items.length === 0) {
      this.#end(
        { row, state: 'done', error: null },
        resolution.type === 'finish' ? resolution.output : [],
        nowMs,
        ends,
      )
    } else this.#expand(row, resolution, nowMs)
  }

  #look({ seq }: ItemRow) {
    const item = toNewItem(first<FullRow>(this.#query.fullBySeq, seq)!)
    return { item, parents: all<FullRow>(this.#query.parents, seq).map(toParent) }
  }

  /** The children are parents of the item that made them: it waits for them, and is asked again. */
  #expand(row: ItemRow, { items, policy }: Extract<Resolution, { type: 'expand' }>, nowMs: number): void {
    const made = this.#add(items, row, nowMs)
    const placeOfFirst = 1_000_000
    for (const [index, { row: child }] of made.entries()) {
      this.#query.addEdge.run(child.seq, row.seq, placeOfFirst + index, policies.indexOf(policy))
      this.#counts.addEdges(row.model, child.model, 1)
    }
    this.#query.expand.run(made.length, row.seq)
    this.#settle(made, nowMs)
  }

  /** At the end of its queue. */
  makeReady(row: ItemRow, nowMs: number): void {
    this.#leave(row)
    this.#query.setReady.run(nowMs, ++this.numbers.turn, row.seq)
    this.#enter(row, 'ready')
  }

  /** At the front of its queue, where it was. `attempt` is what it has used up. */
  giveBack(row: ItemRow, attempt: number): void {
    this.#leave(row)
    this.#query.giveBack.run(attempt, row.seq)
    this.#enter({ ...row, attempt }, 'ready')
  }

  lease(row: ItemRow, token: string, untilMs: number, nowMs: number): void {
    this.#leave(row)
    this.#query.lease.run(token, untilMs, nowMs, row.seq)
    const leased = { ...row, state: stateNumber.leased, attempt: row.attempt + 1, token }
    this.#enter(leased, 'leased')
    this.hold(leased)
  }

  /** Keeps a leased row at hand. */
  hold(row: ItemRow): void {
    const rows = this.held.get(row.token!) ?? new Map<string, ItemRow>()
    this.held.set(row.token!, rows.set(row.id, row))
  }

  #let({ token, id }: ItemRow): void {
    const rows = this.held.get(token!)
    rows?.delete(id)
    if (rows?.size === 0) this.held.delete(token!)
  }

  /** Tried again at a moment. */
  schedule(row: ItemRow, atMs: number, error: ItemError): void {
    this.#leave(row)
    this.#query.schedule.run(atMs, json(error), row.seq)
    this.#enter(row, 'scheduled')
  }

  /** Failed or cancelled items are new, and with them what ended because of them. Answers how many. */
  renew(rows: readonly ItemRow[], nowMs: number): number {
    const chosen = new Map<number, ItemRow>()
    const waiting = [...rows]
    for (let row = waiting.pop(); row; row = waiting.pop()) {
      if (chosen.has(row.seq)) continue
      chosen.set(row.seq, row)
      for (const { child } of all<{ child: number }>(this.#query.children, row.seq)) {
        const { error, ...dependent } = first<FullRow>(this.#query.fullBySeq, child)!
        if (parse<ItemError>(error)?.code === 'DEPENDENCY_FAILED') waiting.push(dependent)
      }
    }
    const inOrder = [...chosen.values()].sort((a, b) => a.seq - b.seq)
    for (const row of inOrder) {
      this.#leave(row)
      this.#query.renew.run(0, row.seq)
      this.#enter({ ...row, attempt: 0 }, 'blocked')
    }
    for (const { seq, model } of inOrder) {
      for (const { child } of all<{ child: number }>(this.#query.children, seq)) {
        // One that had gone on without it, and still waits for others, waits for it again.
        const dependent = first<ItemRow>(this.#query.briefBySeq, child)!
        if (dependent.state !== stateNumber.blocked || chosen.has(child)) continue
        this.#query.setOpen.run(dependent.open + 1, child)
        this.#counts.addEdges(dependent.model, model, 1)
      }
      const open = all<{ model: string }>(this.#query.parentModels, seq, stateNumber.leased)
      for (const parent of open) this.#counts.addEdges(model, parent.model, 1)
      this.#query.setOpen.run(open.length, seq)
    }
    this.#settle(
      inOrder.map((row) => ({ row, isBad: true })),
      nowMs,
    )
    return inOrder.length
  }

  #leave(row: ItemRow): void {
    const { state, model, step, priority, submitted_at, open, seq } = row
    const name = itemStates[state]!
    this.#counts.addState(step, model, name, -1)
    if (name === 'ready') this.#counts.addReady(model, priority, -1, submitted_at)
    if (name === 'leased') this.#let(row)
    if (name === 'blocked' || name === 'scheduled') this.#counts.addBlocked(model, -1)
    if (name !== 'blocked' || open === 0) return
    // It ends although edges are open: they count no more.
    for (const parent of all<{ model: string }>(this.#query.parentModels, seq, stateNumber.leased)) {
      this.#counts.addEdges(model, parent.model, -1)
    }
  }

  #enter(
    row: Pick<ItemRow, 'seq' | 'attempt' | 'model' | 'step' | 'priority' | 'submitted_at'>,
    state: ItemState,
  ): void {
    this.#counts.addState(row.step, row.model, state, 1)
    if (state === 'ready') this.#counts.addReady(row.model, row.priority, 1, row.submitted_at)
    if (state === 'blocked' || state === 'scheduled') this.#counts.addBlocked(row.model, 1)
    this.#note(state, row)
  }

  #note(state: ItemState, { seq, attempt }: { seq: number; attempt: number }): void {
    const last = this.#events.at(-1)
    if (last?.state === state) last.items.push([seq, attempt])
    else this.#events.push({ state, items: [[seq, attempt]] })
  }

  /** Writes the events of this transaction. */
  flushEvents(nowMs: number): void {
    for (const { state, items } of this.#events) {
      const firstNumber = this.numbers.event + 1
      this.numbers.event += items.length
      this.#query.addEvent.run(
        firstNumber,
        this.numbers.event,
        nowMs,
        stateNumber[state],
        JSON.stringify(items),
      )
    }
    this.#events = []
  }

  /** The transaction was undone. */
  forgetEvents(): void {
    this.#events = []
  }
}

/** How a bad end passes an edge: fail keeps the kind of end (failed, cancelled), skip makes it skipped. */
function inherited(
  row: ItemRow,
  parent: { id: string; state: ItemState; error: ItemError | null },
  policy: number,
): End {
  const state =
    policies[policy] === 'skip' ? 'skipped' : parent.state === 'cancelled' ? 'cancelled' : 'failed'
  return { row, state, error: dependencyError(parent.id, parent.error) }
}

function toParent(row: FullRow): ResolvedParent {
  const state = itemStates[row.state]!
  const output = state === 'done' ? parse(row.output) : null
  return {
    id: row.id,
    modelId: row.model,
    step: row.step,
    sourceId: row.source_id,
    source: parse(row.source),
    state,
    output,
  }
}
