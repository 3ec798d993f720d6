// What is said at the door. Refused: items of unknown models, and of models that no device can ever hold.
// Everything else may wait; nothing is refused because the machine is busy now. Only reported: deadlines that
// cannot be met even if nothing else waited for the machine. The caller may know better, and a late answer
// may still be worth having.
//
// The shortest way to an item, at the pace that was declared or measured. Each item on it runs alone, as soon
// as
//   (1) what it waits for has ended,
//   (2) its model is loaded; loads begin at once, as many side by side as there are devices,
//   (3) and, on a single device where its model has no room beside that of the item before, after an unload
//       and a load.
// Everything else, such as batches of others, more loads and retries, makes the way longer, never shorter.
import type { SchedulerError } from '../errors.ts'
import { leastBytes, type ModelId, runMs } from '../model.ts'
import { leastBytesOn, needsDevice, residentBytesOn } from '../state/footprint.ts'
import { pinnedBytes } from '../state/ledger.ts'
import { cpuDeviceId, type DeviceState, type ModelState, modelOf, type State } from '../state/state.ts'
import { formatMs } from '../units.ts'
import { lineBytes, neverFits } from '../vram.ts'
import type { ItemId } from '../work/item.ts'

/** Throws UNKNOWN_MODEL, or NEVER_FITS with the numbers. */
export function admit(state: State, modelId: ModelId): void {
  const { model } = modelOf(state, modelId)
  const neededBytes = leastBytes(model)
  let best = state.devices[0]
  for (const device of state.devices) if (best && device.budgetBytes > best.budgetBytes) best = device
  const {
    capacityBytes: totalBytes = 0,
    safetyRatio: safetyFactor = 1,
    budgetBytes: usableBytes = 0,
  } = best ?? {}
  if (neededBytes > usableBytes)
    throw neverFits(model.id, neededBytes, { totalBytes, safetyFactor, usableBytes })
}

/** What a model that no device can ever hold fails with; null: some device may hold it. A device may be
 * smaller than was declared, the model may have been seen to need more, or have no place beside what is
 * pinned. Of a device that could not be read so far nobody knows what it has. */
export function neverFitsEver({ devices }: State, each: ModelState): SchedulerError | null {
  let best: DeviceState | null = null
  for (const device of devices) {
    if (device.id === cpuDeviceId) continue
    const isUnread = device.fault !== null && device.capacityBytes === 0
    if (isUnread || leastBytesOn(each, device) <= freeableBytes(device)) return null
    if (best === null || freeableBytes(device) > freeableBytes(best)) best = device
  }
  if (best === null)
    return neverFits(each.model.id, leastBytes(each.model), {
      totalBytes: 0,
      safetyFactor: 1,
      usableBytes: 0,
    })
  const { capacityBytes: totalBytes, safetyRatio: safetyFactor } = best
  const offer = { totalBytes, safetyFactor, usableBytes: freeableBytes(best), pinnedBytes: pinnedBytes(best) }
  return neverFits(each.model.id, leastBytesOn(each, best), offer)
}

/** What a device could promise if nobody else used it and everything went that is not pinned. */
function freeableBytes(device: DeviceState): number {
  return lineBytes(device) - pinnedBytes(device)
}

/** An item that has not ended, as far as the way to it is concerned. */
export interface OpenItem {
  id: ItemId
  modelId: ModelId
  dependencies: readonly { id: ItemId }[]
  deadlineAtMs: number | null
  /** It runs now: it may end at any moment. Default false. */
  isRunning?: boolean
  /** It may end without being run, so that those that wait for it may not have to wait. Default false. */
  maySkip?: boolean
}

/**
 * A deadline that cannot be met, even if nothing else waited for the machine.
 *
 * @public
 * @example
 * ```ts
 * const scheduler = new GpuScheduler({ clock: () => 0 })
 * const late: InfeasibleDeadline[] = scheduler.submit({
 *   ...{ id: 'a', modelId: 'Qwen3' },
 *   deadlineAtMs: 9000, // its load takes 10 s, and its run 1 s
 * }).infeasibleDeadlines
 * late[0]!.neededMs // => 11_000
 * ```
 */
export interface InfeasibleDeadline {
  id: ItemId
  modelId: ModelId
  /** Until the deadline; below 0: it has passed. */
  givenMs: number
  /** The shortest way to the item's end: loads and runs. */
  neededMs: number
  /** The same with every model loaded already, as far as they have room together. */
  loadedMs: number
}

/** Items outside of what is asked about that are looked at. Beyond that they count as ended, which makes a
 * way shorter. Chosen, not measured. */
const mostLooked = 10_000

/** The shortest way to an item's end. */
interface Way {
  endMs: number
  loadedEndMs: number
  model: ModelState
  /** Models that must be loaded on a device on the way, each once; null: none. */
  loads: Loads | null
}

/** Loads as a list from the last one back, and their sum, ms. */
interface Loads {
  model: ModelState
  before: Loads | null
  sumMs: number
}

/** Which deadlines of `items` cannot be met, in their order. `open` finds what they wait for; null: it has
 * ended. Cost: O(items × models), and nothing where no item has a deadline. Throws UNKNOWN_MODEL. */
export function infeasibleDeadlines(
  state: State,
  items: readonly OpenItem[],
  open: (id: ItemId) => OpenItem | null,
  nowMs: number,
): InfeasibleDeadline[] {
  const found: InfeasibleDeadline[] = []
  const ways = new Map<ItemId, Way | null>()
  const most = items.length + mostLooked
  const devices = state.devices.filter(({ budgetBytes }) => budgetBytes > 0)
  for (const item of items) {
    if (item.deadlineAtMs === null || item.isRunning) continue
    // Depth first, without recursion: a graph may be a chain of a million.
    const path = [{ item, next: 0 }]
    while (path.length > 0) {
      const top = path.at(-1)!
      const dependency = top.item.dependencies[top.next++]
      if (dependency === undefined) {
        ways.set(top.item.id, wayTo(state, devices, top.item, ways))
        path.pop()
      } else if (!ways.has(dependency.id) && ways.size < most) {
        ways.set(dependency.id, null) // each is looked at once
        const before = open(dependency.id)
        if (before && !before.isRunning) path.push({ item: before, next: 0 })
      }
    }
    const { id, modelId, deadlineAtMs } = item
    const way = item.maySkip
      ? wayThrough(modelOf(state, modelId), waysBefore(item, ways), devices)
      : ways.get(id)!
    const givenMs = deadlineAtMs - nowMs
    if (way.endMs <= givenMs) continue
    found.push({ id, modelId, givenMs, neededMs: way.endMs, loadedMs: way.loadedEndMs })
  }
  return found
}

/** The way to the end of an item, or, if it may be skipped, of what it waits for; null: nothing is before
 * it. */
function wayTo(
  state: State,
  devices: readonly DeviceState[],
  item: OpenItem,
  ways: ReadonlyMap<ItemId, Way | null>,
): Way | null {
  const before = waysBefore(item, ways)
  if (!item.maySkip) return wayThrough(modelOf(state, item.modelId), before, devices)
  return before.reduce<Way | null>((last, way) => (last && last.endMs >= way.endMs ? last : way), null)
}

function waysBefore({ dependencies }: OpenItem, ways: ReadonlyMap<ItemId, Way | null>): Way[] {
  return dependencies.flatMap(({ id }) => ways.get(id) ?? [])
}

/** (1), (2), (3) */
function wayThrough(model: ModelState, before: readonly Way[], devices: readonly DeviceState[]): Way {
  const loadMs = model.instances.length > 0 ? 0 : model.loadMs
  let startMs = loadMs
  let loadedStartMs = 0
  let loads: Loads | null = null
  for (const way of before) {
    // (3) holds even where the machine begins with everything loaded that has room.
    const againMs = areApart(way.model, model, devices) ? way.model.model.unloadMs + loadMs : 0
    startMs = Math.max(startMs, way.endMs + againMs)
    loadedStartMs = Math.max(loadedStartMs, way.loadedEndMs + againMs)
    if (way.loads && way.loads.sumMs > (loads?.sumMs ?? -1)) loads = way.loads
  }
  if (needsDevice(model) && loadMs > 0 && !includes(loads, model))
    loads = { model, before: loads, sumMs: (loads?.sumMs ?? 0) + loadMs }
  startMs = Math.max(startMs, (loads?.sumMs ?? 0) / Math.max(1, devices.length))
  const takesMs = runMs(model.model, 1)
  return { endMs: startMs + takesMs, loadedEndMs: loadedStartMs + takesMs, model, loads }
}

/** The two are never on the only device together. */
function areApart(a: ModelState, b: ModelState, devices: readonly DeviceState[]): boolean {
  const [device] = devices
  if (a === b || !device || devices.length > 1 || !needsDevice(a) || !needsDevice(b)) return false
  return residentBytesOn(a, device) + residentBytesOn(b, device) > lineBytes(device)
}

function includes(loads: Loads | null, model: ModelState): boolean {
  for (let each = loads; each; each = each.before) if (each.model === model) return true
  return false
}

/** `it ends 7.2 s late, even alone on the machine: 10 s are given, and loads and runs on the way to it take
 * 17.2 s. …` */
export function formatInfeasible({
  givenMs,
  neededMs,
  loadedMs,
}: Omit<InfeasibleDeadline, 'id' | 'modelId'>) {
  if (givenMs < 0) return `it passed ${formatMs(-givenMs)} ago. Submit earlier, or give more time.`
  const lateMs = formatMs(neededMs - givenMs)
  const needed = formatMs(neededMs)
  const advice =
    loadedMs <= givenMs
      ? `Give ${needed} or more, or have the models loaded before: then ${formatMs(loadedMs)} are enough.`
      : `Give ${needed} or more, or shorten the way: its runs alone take ${formatMs(loadedMs)}.`
  return `it ends ${lateMs} late, even alone on the machine: ${formatMs(givenMs)} are given, and loads and runs on the way to it take ${needed}. ${advice}`
}
