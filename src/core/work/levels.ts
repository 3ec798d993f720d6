// A queue has a level for each priority and tenant in use. This file decides in which order they stand and
// which items a claim takes, for a queue in memory and for that of a store:
//
//   (1) Interactive levels alone, by priority, when one of them has an item.
//   (2) Items that must have ended soon, the earliest first.
//   (3) Overdue items, oldest first over all levels.
//   (4) The others by priority; then the tenant that has had least; first in, first out inside a level.
import type { ClaimOrder, TenantShare } from './queue-head.ts'

/** A queue, as far as a claim takes from it. */
export interface LevelledQueue<Level, Taken> {
  /** Highest priority first, then by tenant; some may be empty. */
  readonly levels: readonly Level[]
  /** Of a level's first item; infinite when there is none. */
  turnOf(level: Level): number
  /** Since when a level's first item is ready, ms; infinite when there is none. */
  readyAtOf(level: Level): number
  takeFirst(level: Level): Taken
  /** The item with the earliest deadline ahead, if it must have ended by a moment; else null. */
  takeUrgent(beforeMs: number): Taken | null
}

/** Up to `maxCount`, in the order of a claim. */
export function takeInOrder<
  Level extends { readonly priority: number; readonly tenant: string | null },
  Taken,
>(queue: LevelledQueue<Level, Taken>, maxCount: number, order: ClaimOrder): Taken[] {
  const taken: Taken[] = []
  const shares = order.shares.length > 1 ? order.shares.map((each) => ({ ...each })) : []
  takeByPriority(queue, taken, maxCount, shares, order.interactiveFrom) // (1)
  if (taken.length > 0) return taken
  while (taken.length < maxCount && order.urgentBeforeMs !== null) {
    const urgent = queue.takeUrgent(order.urgentBeforeMs) // (2)
    if (urgent === null) break
    taken.push(urgent)
  }
  while (taken.length < maxCount) {
    const level = overdueLevel(queue, order.overdueBeforeMs) // (3)
    if (level === null) break
    taken.push(queue.takeFirst(level))
  }
  takeByPriority(queue, taken, maxCount, shares, Number.NEGATIVE_INFINITY) // (4)
  return taken
}

function takeByPriority<Level extends { readonly priority: number; readonly tenant: string | null }, Taken>(
  queue: LevelledQueue<Level, Taken>,
  taken: Taken[],
  maxCount: number,
  shares: readonly TenantShare[],
  leastPriority: number,
): void {
  const { levels } = queue
  for (let index = 0; index < levels.length && taken.length < maxCount; ) {
    const { priority } = levels[index]!
    if (priority < leastPriority) return
    let end = index + 1
    while (levels[end]?.priority === priority) end++
    // One level alone too: what its tenant takes counts at the next.
    const isShared = end - index > 1 || shares.length > 0
    const level = isShared ? leastServed(queue, index, end, shares) : levels[index]!
    if (level === null || queue.turnOf(level) === Number.POSITIVE_INFINITY) index = end
    else taken.push(queue.takeFirst(level))
  }
}

/** The level whose first item is overdue and has been ready longest. */
function overdueLevel<Level>(queue: LevelledQueue<Level, unknown>, overdueBeforeMs: number): Level | null {
  let oldest: Level | null = null
  for (const level of queue.levels) {
    if (queue.readyAtOf(level) >= overdueBeforeMs) continue
    if (oldest === null || queue.turnOf(level) < queue.turnOf(oldest)) oldest = level
  }
  return oldest
}

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

/** Of the levels of one priority the one whose tenant has had least, which is counted on; at a tie the one
 * whose first item has been ready longest. null: all are empty. */
function leastServed<Level extends { readonly tenant: string | null }>(
  queue: LevelledQueue<Level, unknown>,
  from: number,
  end: number,
  shares: readonly TenantShare[],
): Level | null {
  let best: Level | null = null
  let bestTurn = Number.POSITIVE_INFINITY
  let bestShare: TenantShare | undefined
  for (let index = from; index < end; index++) {
    const level = queue.levels[index]!
    const turn = queue.turnOf(level)
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
