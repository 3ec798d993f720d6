// How long the rest of a run takes: what is left, simulated from what is loaded now, with the times that the
// run has learned, by the code that decides in it. Where too much is left for that, its compute and its first
// loads one after another.

import { SchedulerError } from '../core/errors.ts'
import { type Model, runMs } from '../core/model.ts'
import { offeredBytes } from '../core/state/ledger.ts'
import type { DeviceOptions, DeviceState, State } from '../core/state/state.ts'
import { lineBytes } from '../core/vram.ts'
import type { ItemId, ItemState, StoredItem } from '../core/work/item.ts'
import type { SimulationResult } from '../sim/report.ts'
import { type SimulationOptions, simulate } from '../sim/simulate.ts'
import type { WorkloadItem } from '../sim/workload.ts'
import { allItems, type Store } from '../stores/store.ts'
import { bookedModels, memoryDevices } from './booked-models.ts'
import type { StepShape } from './plan-workload.ts'
import { leftToDo } from './stored-workload.ts'

/** Items left that are simulated; about 10 ms. More are reckoned. */
const mostSimulated = 5000

/** ms; null: nothing is left, or it cannot be foreseen. A run that is not on begins with nothing loaded. */
export async function forecastRest(
  store: Pick<Store, 'list'>,
  state: State,
  shapes: ReadonlyMap<string, StepShape>,
  nowMs: number,
  { isRunning }: { isRunning: boolean } = { isRunning: true },
): Promise<number | null> {
  const left = itemsLeft(state)
  if (left === 0) return null
  if (left > mostSimulated) return reckon(state)
  return (
    simulateRest(leftToDo(await openItems(store), shapes, nowMs), state, { isRunning })?.makespanMs ?? null
  )
}

/** About how many: of a batch that runs only that it does. */
function itemsLeft({ models }: State): number {
  return models.reduce(
    (sum, { readyCount, blockedCount, claimingCount, runningCount }) =>
      sum + readyCount + blockedCount + claimingCount + runningCount,
    0,
  )
}

/** What runs now first: it would be claimed before the others again. */
async function openItems(store: Pick<Store, 'list'>): Promise<StoredItem[]> {
  const list = (state: ItemState) => allItems(store, { state })
  const [leased, ...others] = await Promise.all(
    (['leased', 'ready', 'scheduled', 'blocked'] as const).map(list),
  )
  return [...leased!, ...others.flat().sort((a, b) => a.sequence - b.sequence)]
}

/** When the item starts, from now, ms; null: it cannot be foreseen. Of a run that is on. */
export async function forecastStart(
  store: Pick<Store, 'list'>,
  state: State,
  shapes: ReadonlyMap<string, StepShape>,
  nowMs: number,
  id: ItemId,
): Promise<number | null> {
  if (itemsLeft(state) > mostSimulated) return null
  const left = leftToDo(await openItems(store), shapes, nowMs)
  let startAtMs: number | null = null
  let atMs = 0
  const result = simulateRest(left, state, {
    isRunning: true,
    onEvent: (event) => {
      atMs = event.atMs
    },
    onClaim: (_, items) => {
      if (items.some((each) => each.id === id || each.id.startsWith(`${id}#`))) startAtMs ??= atMs
    },
  })
  return result && startAtMs
}

/** null: nothing is left, or something has no room as the devices are now. */
function simulateRest(
  items: readonly WorkloadItem[],
  state: State,
  { isRunning, ...watch }: { isRunning: boolean } & Pick<SimulationOptions, 'onEvent' | 'onClaim'>,
): SimulationResult | null {
  const models = bookedModels(state)
  const left = items.filter(({ model }) => state.modelById.has(model))
  if (left.length === 0) return null
  const devices = memoryDevices(state).map((device): DeviceOptions => {
    const { id, kind, slots } = device
    return { id, kind, slots, capacityBytes: isRunning ? roomOf(device) : lineBytes(device), safetyRatio: 1 }
  })
  const residents = isRunning ? residentsOf(devices, models, state) : []
  try {
    return simulate({ workload: { models, items: left }, devices, policy: state.policy, residents, ...watch })
  } catch (error) {
    if (error instanceof SchedulerError && error.code === 'NEVER_FITS') return null
    throw error
  }
}

/** For a run that is on: less what others hold and what does not come back; none where nothing may be
 * loaded. */
function roomOf(device: DeviceState): number {
  return device.fault === null ? Math.max(0, offeredBytes(device)) : 0
}

/** What is loaded, as far as there is room for it: less may be offered than is held. */
function residentsOf(devices: readonly DeviceOptions[], models: readonly Model[], { instanceById }: State) {
  const modelById = new Map(models.map((model) => [model.id, model]))
  const freeBytes = new Map(devices.map(({ id, capacityBytes }) => [id, capacityBytes]))
  return [...instanceById.values()].flatMap(({ phase, model, device }) => {
    const { id: modelId, vramBytes } = modelById.get(model.model.id)!
    const leftBytes = (freeBytes.get(device.id) ?? 0) - vramBytes
    if (phase !== 'ready' || vramBytes === 0 || leftBytes < 0) return []
    freeBytes.set(device.id, leftBytes)
    return [{ modelId, deviceId: device.id }]
  })
}

function reckon({ models, devices }: State): number {
  let restMs = 0
  for (const { model, readyCount, blockedCount, claimingCount, instances, loadMs } of models) {
    const count = readyCount + blockedCount + claimingCount
    if (count === 0) continue
    restMs +=
      (count * runMs(model, model.batch.max)) / model.batch.max + (instances.length === 0 ? loadMs : 0)
  }
  const deviceCount = devices.filter(({ budgetBytes }) => budgetBytes > 0).length
  return restMs / Math.max(1, deviceCount)
}
