// What must hold of the items, when a round is over, each checked against what the workers noted themselves:
//
//  (1) None is lost: every item has ended as in an undisturbed run, done with the value
//      that is known beforehand.
//  (2) After the faults an item may also have failed, if the fault was its own: it crashed, hung or ran out
//      of memory as it was told to, its worker was killed or stopped, or what it waits for has failed. Once
//      they are tried again without faults (`plimsoll retry`), only poison has failed, and what waits for it.
//  (3) No result is recorded twice.
//  (4) No item is begun again once its result is recorded: the recorded execution is the last that was begun.
import type { StoredItem, StoreEvent } from '../../src/stores/store.ts'
import type { Execution, ModelOutput } from './model.ts'
import type { ChaosItem } from './project.ts'

export interface ItemFacts {
  items: ReadonlyMap<string, ChaosItem>
  stored: readonly StoredItem[]
  /** In the order in which they began. */
  executions: readonly Execution[]
  /** Processes of workers that the agent killed or stopped. */
  hitPids: ReadonlySet<number>
}

/** (1), (2): sentences, one for each item that is lost. */
export function lostItems(facts: ItemFacts, isAfterFaults: boolean): string[] {
  const { items } = facts
  const byKey = new Map(facts.stored.map((item) => [keyOf(item), item]))
  const notedByKey = Map.groupBy(facts.executions, ({ key }) => key)
  const mayFail = (key: string): boolean => {
    const { act, parents } = items.get(key)!
    if (parents.some((parent) => byKey.get(parent)?.state !== 'done' && mayFail(parent))) return true
    if (!isAfterFaults) return act === 'poison'
    const noted = notedByKey.get(key) ?? []
    return act === 'poison' || noted.some((each) => each.act !== '' || facts.hitPids.has(each.pid))
  }
  return [...items].flatMap(([key, { value, act }]) => {
    const item = byKey.get(key)
    if (!item) return [`${key} is not in the store`]
    if (item.state === 'failed' && mayFail(key)) return []
    if (item.state !== 'done') return [`${key} is ${item.state}: ${item.error?.message ?? 'no reason'}`]
    if (act === 'poison') return [`${key} is done, and cannot be`]
    const output = item.output as ModelOutput
    return output.value === value ? [] : [`${key} has ${output.value} instead of ${value}`]
  })
}

/** (3), (4): sentences. */
export function doubledItems({ stored, executions }: ItemFacts, events: readonly StoreEvent[]): string[] {
  const doubled: string[] = []
  const done = new Set<string>()
  for (const { itemId, state } of events) {
    if (done.has(itemId) && (state === 'done' || state === 'leased'))
      doubled.push(`${itemId} is ${state} after its result was recorded`)
    if (state === 'done') done.add(itemId)
  }
  const lastByKey = new Map(executions.map((each) => [each.key, each.execution]))
  for (const item of stored) {
    if (item.state !== 'done') continue
    const { execution } = item.output as ModelOutput
    const last = lastByKey.get(keyOf(item))
    if (execution !== last)
      doubled.push(`${keyOf(item)} began again as ${last} after ${execution}, which is recorded`)
  }
  return doubled
}

function keyOf({ step, source }: StoredItem): string {
  return `${step}-${(source as { n: number }).n}`
}
