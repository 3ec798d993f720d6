// The checks before a graph of items is added, by a caller or by a fan-out: every item that is waited for is
// known or comes with it, and no item waits for itself over any path.
import { SchedulerError } from '../errors.ts'
import type { ItemId, ItemState, NewItem } from './item.ts'

/** The items that are new, each once, in their order. Throws UNKNOWN_DEPENDENCY, or CYCLE with the path. */
export function checkGraph(items: readonly NewItem[], isKnown: (id: ItemId) => boolean): NewItem[] {
  const fresh = new Map<ItemId, NewItem>()
  for (const item of items) {
    if (!fresh.has(item.id) && !isKnown(item.id)) fresh.set(item.id, item)
  }
  const unknown: string[] = []
  const before = new Set<ItemId>()
  // Where each item comes after those it waits for there is no cycle: the common case.
  let isInOrder = true
  for (const { id, dependencies } of fresh.values()) {
    for (const each of dependencies) {
      if (before.has(each.id)) continue
      if (fresh.has(each.id)) isInOrder = false
      else if (!isKnown(each.id)) unknown.push(`"${id}" waits for "${each.id}"`)
    }
    before.add(id)
  }
  if (unknown.length > 0) {
    const some = unknown.slice(0, 5).join(', ')
    const more = unknown.length > 5 ? ` and ${unknown.length - 5} more` : ''
    throw new SchedulerError(
      'UNKNOWN_DEPENDENCY',
      `${some}${more}, and there is no such item. Submit it before or in the same call.`,
      { unknown },
    )
  }
  const path = isInOrder ? null : findCycle(fresh)
  if (path) throw cycle(path)
  return [...fresh.values()]
}

function cycle(path: ItemId[]): SchedulerError {
  const message = `These items wait for each other: ${path.join(' → ')}. Take one of the dependencies away.`
  return new SchedulerError('CYCLE', message, { path })
}

/** Depth first, without recursion: a graph may be a chain of a million. */
function findCycle(fresh: ReadonlyMap<ItemId, NewItem>): ItemId[] | null {
  const finished = new Set<ItemId>()
  for (const start of fresh.keys()) {
    if (finished.has(start)) continue
    const path: { id: ItemId; next: number }[] = [{ id: start, next: 0 }]
    const onPath = new Set([start])
    while (path.length > 0) {
      const top = path.at(-1)!
      const dependency = fresh.get(top.id)!.dependencies[top.next++]
      if (dependency === undefined) {
        finished.add(top.id)
        onPath.delete(top.id)
        path.pop()
      } else if (onPath.has(dependency.id)) {
        const ids = path.map(({ id }) => id)
        return [...ids.slice(ids.indexOf(dependency.id)), dependency.id]
      } else if (fresh.has(dependency.id) && !finished.has(dependency.id)) {
        path.push({ id: dependency.id, next: 0 })
        onPath.add(dependency.id)
      }
    }
  }
  return null
}

/** The items of a graph that are there already. */
export interface KnownItems<Node> {
  find(id: ItemId): Node | null
  idOf(node: Node): ItemId
  parentsOf(node: Node): readonly { readonly parent: Node }[]
}

/** Throws CYCLE, with the path, when one of a fan-out's children would wait for the fan-out, which waits for
 * its children. The children have passed `checkGraph`. */
export function refuseCircle<Node extends { readonly state: ItemState }>(
  maker: Node,
  children: readonly NewItem[],
  known: KnownItems<Node>,
): void {
  const foundFrom = new Map<Node, Node | ItemId | null>()
  const waiting: Node[] = []
  const note = (node: Node | null, from: Node | ItemId | null) => {
    if (node === null || foundFrom.has(node)) return
    foundFrom.set(node, from)
    waiting.push(node)
  }
  for (const { id, dependencies } of children) {
    const child = known.find(id)
    if (child !== null) note(child, null)
    else for (const each of dependencies) note(known.find(each.id), id)
  }
  for (let node = waiting.pop(); node !== undefined && !foundFrom.has(maker); node = waiting.pop()) {
    // One that is done waits for nothing, and is not made new; any other may come to wait for its parents
    // again.
    if (node.state !== 'done') for (const { parent } of known.parentsOf(node)) note(parent, node)
  }
  if (!foundFrom.has(maker)) return
  const path = [known.idOf(maker)]
  for (let from = foundFrom.get(maker) ?? null; from !== null; ) {
    const isChild = typeof from === 'string'
    path.unshift(isChild ? (from as ItemId) : known.idOf(from as Node))
    from = isChild ? null : (foundFrom.get(from as Node) ?? null)
  }
  throw cycle([known.idOf(maker), ...path])
}
