// The statement that reads a page of items, by the conditions of a query.
import type { ListQuery } from '../store.ts'
import { held, withLease } from './queries.ts'
import { stateNumber } from './schema.ts'

/** An error alone is looked for in the row of a run where there may be one: an output may be long. */
const inBrief = `SELECT item.seq, item.id, state, maker.id AS maker, kind.pipeline, kind.step, kind.model,
  item.seq IN (${held}) AS is_held,
  iif(state = ${stateNumber.done}, NULL, (SELECT error ->> '$.code' FROM run WHERE number = progress.run)) AS code
  FROM item JOIN progress ON progress.seq = item.seq JOIN kind ON kind.number = progress.kind
  LEFT JOIN item AS maker ON maker.seq = item.maker`

const conditions: Record<string, string> = {
  step: 'kind.step = ?',
  modelId: 'kind.model = ?',
  pipeline: 'kind.pipeline IS ?',
  parentId: 'item.maker = (SELECT seq FROM item WHERE id = ?)',
  idFrom: 'item.id >= ?',
  idBefore: 'item.id < ?',
}

/** The items of a page, whole or in brief. Few are found by their ids or their maker, from an index; the
 * others by a walk over the narrow rows of `progress`. The plus keeps SQLite from the other way. */
export function pageQuery(show: 'whole' | 'brief', { state, after = 0, limit = 1000, ...query }: ListQuery) {
  const { idPrefix, parentId } = query
  const seq = idPrefix === undefined && parentId === undefined ? 'progress.seq' : '+item.seq'
  const filters = { ...query, ...(idPrefix === undefined ? {} : idRange(idPrefix)) }
  const used = Object.entries(filters).filter(([name, value]) => name in conditions && value !== undefined)
  const isHeld = `item.seq IN (${held})`
  const byState = {
    ready: `state = ${stateNumber.ready} AND NOT ${isHeld}`,
    leased: isHeld,
  }[state as string]
  const where = [`${seq} > ?`, ...used.map(([name]) => conditions[name]!)]
  if (state) where.push(byState ?? `state = ${stateNumber[state]}`)
  const values = [after, ...used.map(([, value]) => value as string | null), limit]
  const sql = `${show === 'brief' ? inBrief : withLease} WHERE ${where.join(' AND ')} ORDER BY ${seq} LIMIT ?`
  return { sql, values, limit }
}

/** Texts that begin so, as the index of ids has them in order: by their bytes in UTF-8, that is by their code
 * points. */
function idRange(prefix: string): { idFrom: string; idBefore?: string } {
  const idFrom = prefix.toWellFormed()
  const points = [...idFrom].map((each) => each.codePointAt(0)!)
  while (points.at(-1) === 0x10ffff) points.pop()
  const last = points.pop()
  if (last === undefined) return { idFrom }
  // Between these two there is no text: halves of surrogate pairs.
  const next = last === 0xd7ff ? 0xe000 : last + 1
  return { idFrom, idBefore: String.fromCodePoint(...points, next) }
}
