// From items of a store to a workload that can be simulated: those of a run once more, or what is left of it.
// Items that never run (skipped ones, what a fan-out gathers into) are left out; what waits for them waits
// for what they waited for, and for the children they made.
import { hasEnded, type ItemId } from '../core/work/item.ts'
import type { WorkloadItem } from '../sim/workload.ts'
import type { StoredItem } from '../stores/store.ts'
import { type StepShape, takesOf } from './plan-workload.ts'

/** The items that ran, at the moments they were submitted. */
export function ranBefore(items: readonly StoredItem[], startAtMs: number): WorkloadItem[] {
  return link(
    items,
    ({ startedAtMs }) => (startedAtMs === null ? 0 : 1),
    startAtMs,
    (item) => item.submittedAtMs - startAtMs,
  )
}

/** What has not ended, from now on. Of a step that waits, as many items as ran of it so far (`shapes`). */
export function leftToDo(
  items: readonly StoredItem[],
  shapes: ReadonlyMap<string, StepShape>,
  nowMs: number,
): WorkloadItem[] {
  const open = items.filter(({ state }) => !hasEnded(state))
  const makers = new Set(open.map(({ parentId }) => parentId))
  const seen = new Map<string, number>()
  const partsOf = ({ id, state, step }: StoredItem): number => {
    if (state !== 'blocked' || step === null) return 1
    if (makers.has(id)) return 0
    const { runRatio, partCount } = shapes.get(step) ?? { runRatio: 1, partCount: 1 }
    const index = seen.get(step) ?? 0
    seen.set(step, index + 1)
    return takesOf(index, runRatio) > 0 ? Math.max(1, Math.round(partCount)) : 0
  }
  const parts = new Map(open.map((item) => [item.id, partsOf(item)]))
  return link(
    open,
    ({ id }) => parts.get(id)!,
    nowMs,
    () => 0,
  )
}

/** `partsOf`: items that this one stands for; times count from `originMs`. */
function link(
  items: readonly StoredItem[],
  partsOf: (item: StoredItem) => number,
  originMs: number,
  atMsOf: (item: StoredItem) => number,
): WorkloadItem[] {
  const { idsOf, afterOf } = linksOf(items, partsOf)
  return items
    .filter((item) => partsOf(item) > 0)
    .flatMap((item) => {
      const { modelId: model, sourceId, priority, deadlineAtMs, tenant } = item
      const rest = {
        model,
        atMs: Math.max(0, atMsOf(item)),
        after: afterOf(item),
        job: sourceId ?? item.id,
        priority,
        deadlineMs: deadlineAtMs === null ? null : Math.max(0, deadlineAtMs - originMs),
        costMs: null,
        tenant,
      }
      return idsOf(item).map((id) => ({ id, ...rest }))
    })
}

interface Links {
  /** Ids of the parts that an item is run as. */
  idsOf(item: StoredItem): ItemId[]
  /** Ids of the parts that it waits for. */
  afterOf(item: StoredItem): ItemId[]
}

function linksOf(items: readonly StoredItem[], partsOf: (item: StoredItem) => number): Links {
  const byId = new Map(items.map((item) => [item.id, item]))
  const childrenOf = new Map<ItemId, ItemId[]>()
  for (const { id, parentId } of items) {
    if (parentId === null) continue
    const children = childrenOf.get(parentId)
    if (children) children.push(id)
    else childrenOf.set(parentId, [id])
  }
  const known = new Map<ItemId, readonly ItemId[]>()
  /** The items that run, for one that is waited for. */
  const standsFor = (id: ItemId): readonly ItemId[] => {
    const item = byId.get(id)
    if (!item) return []
    const before = known.get(id)
    if (before) return before
    known.set(id, []) // a maker and its children lead back to each other
    const children = (childrenOf.get(id) ?? []).flatMap(standsFor)
    const found = partsOf(item) > 0 ? idsOf(item) : [...new Set([...afterOf(item), ...children])]
    known.set(id, found)
    return found
  }
  const idsOf = (item: StoredItem): ItemId[] => {
    const count = partsOf(item)
    return count === 1 ? [item.id] : Array.from({ length: count }, (_, part) => `${item.id}#${part}`)
  }
  const afterOf = ({ dependencies, parentId }: StoredItem): ItemId[] => {
    const maker = parentId === null ? undefined : byId.get(parentId)
    // The maker waits for its children too: they stand among its dependencies.
    const before = (maker?.dependencies ?? []).filter(({ id }) => byId.get(id)?.parentId !== parentId)
    return [...new Set([...dependencies, ...before].flatMap(({ id }) => standsFor(id)))]
  }
  return { idsOf, afterOf }
}
