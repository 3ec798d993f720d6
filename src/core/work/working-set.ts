// What the rules of the item graph (transitions.ts) need of whoever keeps its items: to find items, and to
// write down what the rules decide. A graph in memory has all of its items at hand (nodes.ts). A store reads
// the items that a call touches, and writes what has changed when the call ends
// (stores/sqlite/working-set.ts).
import type { ItemError } from '../errors.ts'
import type { EdgePolicy, ItemId, ItemState, NewItem } from './item.ts'
import type { ResolvedParent } from './resolver.ts'

/** An item, as far as the rules themselves read and write it. */
export interface GraphRow {
  /** Order of submission, from 1. */
  readonly sequence: number
  /** Its own, or a higher one of an item that waits for it. */
  readonly priority: number
  /** When it must have ended for its own deadline, and for those of the items that wait for it, ms; null:
   * none has one. */
  readonly latestEndAtMs: number | null
  state: ItemState
  attempt: number
  /** Parents that have not ended. */
  openCount: number
  /** Its place in the queue: grows with every item that becomes ready. */
  turn: number | null
  readyAtMs: number | null
  startedAtMs: number | null
  /** When it is tried again. */
  dueAtMs: number | null
  /** What holds it while it is leased. `isBroken`: an item was taken from it. */
  readonly claim: { isBroken: boolean } | null
}

export interface GraphItem extends Pick<NewItem, 'modelId' | 'step' | 'pipeline'> {
  /** Attempts before it is dead; a store knows them of a leased item. */
  readonly maxAttempts: number | null
}

export interface ParentEdge<Row> {
  readonly parent: Row
  readonly policy: EdgePolicy
}

export interface ChildEdge<Row> {
  readonly child: Row
  readonly policy: EdgePolicy
}

export interface WorkingSet<Row extends GraphRow> {
  // ── finding ──

  /** null: there is no such item. A store has to have looked for it. */
  find(id: ItemId): Row | null
  idOf(row: Row): ItemId
  /** What was submitted, as far as the rules read it. */
  itemOf(row: Row): GraphItem
  /** Its pipeline is not served. */
  isParked(row: Row): boolean
  /** What it waits for, or waited for, in its own order. */
  parentsOf(row: Row): readonly ParentEdge<Row>[]
  /** Whether all of its parents are open, as those of most new items are: then none has ended badly. */
  waitsForAll(row: Row): boolean
  /** Who waits for it, or waited for it, in the order of submission. */
  childrenOf(row: Row): readonly ChildEdge<Row>[]
  /** What a fan-out made, in the order of submission. */
  madeBy(row: Row): readonly Row[]
  errorOf(row: Row): ItemError | null
  /** What the resolver sees of it. */
  viewOf(row: Row): { item: NewItem; parents: ResolvedParent[] }
  /** The item, if the claim of that token holds it; else null. */
  heldBy(token: string, id: ItemId): Row | null
  /** All that are leased, in the order of their queues. */
  leased(): readonly Row[]
  /** Those of them whose lease has ended. */
  expired(nowMs: number): readonly Row[]
  /** Scheduled ones whose moment has come, the earliest first. */
  due(nowMs: number): readonly Row[]
  /** Blocked ones that wait for nothing any more, and are served. */
  heldBack(): readonly Row[]
  /** When there is something to sweep again, ms; Infinity: never. Deadlines that have passed are
   * forgotten. */
  nextAtMs(nowMs: number): number

  // ── changing ──

  /** Adds those of the items that are new, blocked and with their edges, all or none; `maker`: the fan-out
   * that made them. Throws UNKNOWN_DEPENDENCY, CYCLE, and in a store BAD_VALUE. */
  add(items: readonly NewItem[], maker: Row | null, nowMs: number): readonly Row[]
  /** Lets an item wait for more. Answers with those for which it did not wait before, each once. */
  connect(row: Row, parents: readonly Row[], policy: EdgePolicy): readonly Row[]
  /** The child's `openCount` has changed: it has one more open edge to the parent, or one less. */
  countEdge(child: Row, parent: Row, count: 1 | -1): void
  /** Gives an item a priority and a latest end; one that is ready moves in its queue. */
  raise(row: Row, priority: number, latestEndAtMs: number | null): void
  /** Holds items that were taken out of their queue; answers with the token. */
  hold(rows: readonly Row[], untilMs: number, nowMs: number): string
  /** Called before a state changes: takes the item out of its queue, its claim, and the counts. */
  leave(row: Row): void
  /** Called after it: the other way round, and an event. */
  enter(row: Row, nowMs: number): void
  /** The next place in the queues. */
  nextTurn(): number
  /** What it runs with. A store throws BAD_VALUE for what JSON cannot say. */
  setInput(row: Row, input: unknown): void
  /** An output as `setResult` takes it. A store throws BAD_VALUE for what JSON cannot say. */
  pack(row: Row, output: unknown): unknown
  /** What an attempt came to, or why an item ended without one. `endedAtMs`: null while it goes on. */
  setResult(row: Row, endedAtMs: number | null, output: unknown, error: ItemError | null): void
  /** As if it had never been tried. What it has inherited stays. */
  renew(row: Row): void
  /** Makes it an item of that pipeline: it stands in the queue, and counts, as those do. Its edges are
   * counted by the caller. */
  moveTo(row: Row, pipeline: string): void
}
