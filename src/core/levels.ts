// The levels of a queue: one for each priority and tenant in use. Their order, and whose turn it is among the tenants of one
// priority, are the same for a queue in memory and for that of a store.
import type { TenantShare } from './queue-head.ts'

/** Finds a level, or makes it at its place: highest priority first, then by tenant. Cost: O(levels). */
export function levelOf<Level extends { readonly priority: number; readonly tenant: string | null }>(
  levels: Level[],
  priority: number,
  tenant: string | null,
  create: (priority: number, tenant: string | null) => Level,
): Level {
  let index = 0
  for (; index < levels.length; index++) {
    const level = levels[index]!
    if (level.priority === priority && level.tenant === tenant) return level
    if (level.priority < priority) break
    if (level.priority === priority && (level.tenant ?? '') > (tenant ?? '')) break
  }
  const level = create(priority, tenant)
  levels.splice(index, 0, level)
  return level
}

/** Of the levels of one priority the one whose tenant has had least, which is counted on; at a tie the one whose first item
 *  has been ready longest. null: all are empty. `turnOf`: the turn of a level's first item, infinite without one. */
export function leastServed<Level extends { readonly tenant: string | null }>(
  levels: readonly Level[],
  from: number,
  end: number,
  shares: readonly TenantShare[],
  turnOf: (level: Level) => number,
): Level | null {
  let best: Level | null = null
  let bestTurn = Number.POSITIVE_INFINITY
  let bestShare: TenantShare | undefined
  for (let index = from; index < end; index++) {
    const level = levels[index]!
    const turn = turnOf(level)
    if (turn === Number.POSITIVE_INFINITY) continue
    const share = shares.find(({ tenant }) => tenant === (level.tenant ?? ''))
    const difference = best === null ? -1 : (share?.servedMs ?? 0) - (bestShare?.servedMs ?? 0)
    if (difference > 0 || (difference === 0 && turn > bestTurn)) continue
    best = level
    bestTurn = turn
    bestShare = share
  }
  if (bestShare) bestShare.servedMs += bestShare.itemMs
  return best
}
