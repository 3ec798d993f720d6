// Lower bounds: no schedule, however clever, has a shorter makespan or fewer loads.
// From docs/policy.md (2.9) and the lab's LB1 and LB2. Each is proved by leaving
// something out of the problem; the answer is the largest.
//
//  (1) Something must be loaded, then everything computed: cheapest first load + compute ÷ slots.
//  (2) Online: what arrives at or after t is computed after t.
//  (3) Longest path: an item runs after its parents, and not before its model could be loaded.
//  (4) All first loads ÷ devices, then at least the shortest batch.
//  (5) A sink model runs after its items' ancestors: their first loads and its own ÷
//      devices, then its compute ÷ slots.
//  (6) One device: two-machine flow shop of first loads and compute (Johnson 1954).
//  (7) One device: models of more than half of the budget are never there together:
//      their loads and compute add up.

import { type Model, runMs } from '../core/model.ts'
import { clearMs } from '../core/state/estimates.ts'
import type { DeviceState } from '../core/state/state.ts'
import type { Workload, WorkloadItem } from './workload.ts'

export interface Bounds {
  makespanMs: number
  loads: number
}

type Place = Pick<DeviceState, 'budgetBytes' | 'slots'>

/** Work of one model: its first load and the least compute of its items, ms. */
interface Demand {
  model: Model
  loadMs: number
  computeMs: number
  shortestMs: number
}

/** Sets of ancestor models are left out beyond so many words of memory. */
const maxAncestorWords = 20_000_000

export function boundsOf({ models, items }: Workload, places: readonly Place[]): Bounds {
  const inOrder = topological(items)
  const modelById = new Map(models.map((each) => [each.id, each]))
  const demands = demandsOf(items, modelById)
  const onDevice = demands.filter(({ model }) => model.vramBytes > 0)
  const loads = onDevice.length
  if (loads === 0 || places.length === 0) {
    return { makespanMs: longestPathMs(inOrder, modelById, 0), loads }
  }
  const slots = places.reduce((sum, each) => sum + each.slots, 0)
  const startMs = items.reduce((least, { atMs }) => Math.min(least, atMs), Number.POSITIVE_INFINITY)
  const sum = (pick: (demand: Demand) => number) => onDevice.reduce((total, each) => total + pick(each), 0)
  const computeMs = sum((each) => each.computeMs)
  const cheapest = (pick: (demand: Demand) => number) => Math.min(...onDevice.map(pick))
  const candidates = [
    cheapest(({ loadMs }) => loadMs) + computeMs / slots, // (1)
    arrivalsMs(items, modelById, slots) - startMs, // (2)
    longestPathMs(inOrder, modelById, startMs) - startMs, // (3)
    sum(({ loadMs }) => loadMs) / places.length + cheapest(({ shortestMs }) => shortestMs), // (4)
    sinkMs(inOrder, onDevice, places.length, slots), // (5)
  ]
  const only = places.length === 1 ? places[0]! : null
  if (only) candidates.push(flowShopMs(onDevice, slots), exclusiveMs(onDevice, only)) // (6), (7)
  return { makespanMs: Math.max(...candidates), loads }
}

function demandsOf(items: readonly WorkloadItem[], modelById: ReadonlyMap<string, Model>): Demand[] {
  const byModel = new Map<string, WorkloadItem[]>()
  for (const item of items) {
    const list = byModel.get(item.model)
    if (list) list.push(item)
    else byModel.set(item.model, [item])
  }
  return [...byModel].map(([id, list]) => {
    const model = modelById.get(id)!
    const shortestMs = list.reduce(
      (least, each) => Math.min(least, aloneMs(model, each)),
      Number.POSITIVE_INFINITY,
    )
    return { model, loadMs: model.loadMs, computeMs: leastMs(model, list), shortestMs }
  })
}

/** Least compute of the items, in as few batches as can be. */
function leastMs(model: Model, items: readonly WorkloadItem[]): number {
  if (items.some(({ costMs }) => costMs === null)) return clearMs(model, items.length)
  const batches = Math.ceil(items.length / model.batch.max)
  return batches * model.batch.overheadMs + items.reduce((sum, { costMs }) => sum + costMs!, 0)
}

function aloneMs(model: Model, { costMs }: WorkloadItem): number {
  return costMs === null ? runMs(model, 1) : model.batch.overheadMs + costMs
}

/** (2) */
function arrivalsMs(
  items: readonly WorkloadItem[],
  modelById: ReadonlyMap<string, Model>,
  slots: number,
): number {
  const latestFirst = [...items].sort((a, b) => b.atMs - a.atMs)
  const work = new Map<string, { count: number; costMs: number; isCosted: boolean; computeMs: number }>()
  let totalMs = 0
  let bestMs = 0
  for (const [index, { model: id, atMs, costMs }] of latestFirst.entries()) {
    const model = modelById.get(id)!
    if (model.vramBytes > 0) {
      const each = work.get(id) ?? { count: 0, costMs: 0, isCosted: true, computeMs: 0 }
      each.count++
      each.costMs += costMs ?? 0
      each.isCosted &&= costMs !== null
      const batches = Math.ceil(each.count / model.batch.max)
      const computeMs = each.isCosted
        ? batches * model.batch.overheadMs + each.costMs
        : clearMs(model, each.count)
      totalMs += computeMs - each.computeMs
      each.computeMs = computeMs
      work.set(id, each)
    }
    if (latestFirst[index + 1]?.atMs !== atMs) bestMs = Math.max(bestMs, atMs + totalMs / slots)
  }
  return bestMs
}

/** (3) When the last item ends if each only waits for its parents and its model's first load. */
function longestPathMs(
  inOrder: readonly { item: WorkloadItem; parents: number[] }[],
  modelById: ReadonlyMap<string, Model>,
  startMs: number,
): number {
  const endMs = new Float64Array(inOrder.length)
  let latestMs = 0
  for (const [index, { item, parents }] of inOrder.entries()) {
    const model = modelById.get(item.model)!
    let fromMs = Math.max(item.atMs, startMs + (model.vramBytes > 0 ? model.loadMs : 0))
    for (const parent of parents) fromMs = Math.max(fromMs, endMs[parent]!)
    endMs[index] = fromMs + aloneMs(model, item)
    latestMs = Math.max(latestMs, endMs[index]!)
  }
  return latestMs
}

/** (5) The models that every item of a model has above it, by sets of bits. */
function sinkMs(
  inOrder: readonly { item: WorkloadItem; parents: number[] }[],
  demands: readonly Demand[],
  deviceCount: number,
  slots: number,
): number {
  const words = Math.ceil(demands.length / 32)
  if (words * inOrder.length > maxAncestorWords) return 0
  const bitOf = new Map(demands.map(({ model }, bit) => [model.id, bit]))
  const above = new Uint32Array(words * inOrder.length)
  const common = demands.map(() => new Uint32Array(words).fill(0xffffffff))
  for (const [index, { item, parents }] of inOrder.entries()) {
    const own = bitOf.get(item.model)
    for (const parent of parents) {
      for (let word = 0; word < words; word++) above[index * words + word]! |= above[parent * words + word]!
    }
    if (own === undefined) continue
    above[index * words + (own >> 5)]! |= 1 << (own & 31)
    for (let word = 0; word < words; word++) common[own]![word]! &= above[index * words + word]!
  }
  let bestMs = 0
  for (const [own, { computeMs }] of demands.entries()) {
    let loadMs = 0
    for (const [bit, demand] of demands.entries()) {
      if ((common[own]![bit >> 5]! >>> (bit & 31)) & 1) loadMs += demand.loadMs
    }
    bestMs = Math.max(bestMs, loadMs / deviceCount + computeMs / slots)
  }
  return bestMs
}

/** (6) Johnson's order is the best one: short loads first, then short computes last. */
function flowShopMs(demands: readonly Demand[], slots: number): number {
  const jobs = demands.map(({ loadMs, computeMs }) => ({ loadMs, computeMs: computeMs / slots }))
  const early = jobs.filter((each) => each.loadMs <= each.computeMs).sort((a, b) => a.loadMs - b.loadMs)
  const late = jobs.filter((each) => each.loadMs > each.computeMs).sort((a, b) => b.computeMs - a.computeMs)
  let loadedMs = 0
  let computedMs = 0
  for (const { loadMs, computeMs } of [...early, ...late]) {
    loadedMs += loadMs
    computedMs = Math.max(computedMs, loadedMs) + computeMs
  }
  return computedMs
}

/** (7) */
function exclusiveMs(demands: readonly Demand[], { budgetBytes, slots }: Place): number {
  const large = demands.filter(({ model }) => model.vramBytes * 2 > budgetBytes)
  return large.reduce((sum, { loadMs, computeMs }) => sum + loadMs + computeMs / slots, 0)
}

/** Items with their parents as positions, parents first; items of a circle are left out. */
function topological(items: readonly WorkloadItem[]): { item: WorkloadItem; parents: number[] }[] {
  const indexById = new Map(items.map(({ id }, index) => [id, index]))
  const open = items.map(({ after }) => after.length)
  const children: number[][] = items.map(() => [])
  for (const [index, { after }] of items.entries())
    for (const id of after) children[indexById.get(id)!]!.push(index)
  const place = new Int32Array(items.length).fill(-1)
  const waiting = items.flatMap(({ after }, index) => (after.length === 0 ? [index] : []))
  const inOrder: { item: WorkloadItem; parents: number[] }[] = []
  for (let next = 0; next < waiting.length; next++) {
    const index = waiting[next]!
    place[index] = inOrder.length
    const item = items[index]!
    inOrder.push({ item, parents: item.after.map((id) => place[indexById.get(id)!]!) })
    for (const child of children[index]!) if (--open[child]! === 0) waiting.push(child)
  }
  return inOrder
}
