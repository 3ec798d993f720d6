// The rows of a SQLite store's file, read beside its owner with one query for each table and no condition:
// whether the tables agree, and whether what the owner keeps in memory beside them says the same.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { hasEnded, type ItemState } from '../../src/core/work/item.ts'
import { leadMs, serves, type World } from './actions.ts'
import { type CountedItem, checkInheritance, recount } from './heads.ts'

/** The heads are those that a slow count of the file's rows finds, and what the rows say of inheritance
 * is right. */
export async function checkFile({ store, sweptAtMs }: World, file: string): Promise<void> {
  const rows = rowsInFile(file)
  checkInheritance(rows, leadMs)
  assert.deepEqual(await store.queueHeads(), recount(rows, sweptAtMs))
}

// As the file has them, by number.
const states: ItemState[] = [
  'blocked',
  'scheduled',
  'ready',
  'leased',
  'done',
  'failed',
  'skipped',
  'cancelled',
]

type Row = Record<string, number | string | null>

function rowsInFile(file: string): CountedItem[] {
  const db = new DatabaseSync(file, { readOnly: true })
  db.exec('BEGIN')
  const [items, progress, kinds, edges, claims] = ['item', 'progress', 'kind', 'edge', 'claim'].map(
    (table) => db.prepare(`SELECT * FROM ${table}`).all() as Row[],
  ) as [Row[], Row[], Row[], Row[], Row[]]
  db.close()
  const held = claims.flatMap((claim) => JSON.parse(claim.items as string) as number[])
  assert.equal(new Set(held).size, held.length, 'an item is held once')
  const itemBySeq = new Map(items.map((row) => [row.seq, row]))
  const progressBySeq = new Map(progress.map((row) => [row.seq, row]))
  const kindByNumber = new Map(kinds.map((row) => [row.number, row]))
  const stateOf = (seq: number): ItemState => {
    const state = states[progressBySeq.get(seq)!.state as number]!
    if (!held.includes(seq)) return state
    assert.equal(state, 'ready', `item ${seq} is held`)
    return 'leased'
  }
  assert.equal(progress.length, items.length)
  for (const { seq, parents } of items) {
    const { open, state } = progressBySeq.get(seq!)!
    checkEdges(seq as number, parentsOf(parents!), edges)
    const openParents = parentsOf(parents!).filter((parent) => !hasEnded(stateOf(parent)))
    if (state !== states.indexOf('blocked')) continue
    assert.equal(open, openParents.length, `item ${seq} waits for so many`)
    const isParked = !serves(kindByNumber.get(progressBySeq.get(seq!)!.kind!)!.pipeline as string | null)
    assert.ok(openParents.length > 0 || isParked, `item ${seq} waits for something`)
  }
  return items.map(({ seq, id, priority, deadline_at, parents }) => {
    const row = progressBySeq.get(seq!)!
    const kind = kindByNumber.get(row.kind!)!
    const dependencies = parentsOf(parents!).map((parent) => ({ id: itemBySeq.get(parent)!.id }))
    return {
      id,
      modelId: kind.model,
      tenant: kind.tenant,
      pipeline: kind.pipeline,
      state: stateOf(seq as number),
      priority,
      effectivePriority: kind.priority,
      deadlineAtMs: deadline_at,
      latestEndAtMs: row.latest_end_at,
      submittedAtMs: row.submitted_at,
      readyAtMs: row.ready_at,
      turn: row.turn,
      dependencies,
    } as CountedItem
  })
}

function parentsOf(parents: Row[string]): number[] {
  return (JSON.parse((parents as string | null) ?? '[]') as [number, number][]).map(([seq]) => seq)
}

/** The table of edges is the lists of parents the other way round. */
function checkEdges(seq: number, parents: readonly number[], edges: readonly Row[]): void {
  const stored = edges.filter(({ child }) => child === seq).map(({ parent }) => parent as number)
  assert.deepEqual(stored.sort(), parents.toSorted(), `edges of item ${seq}`)
}
