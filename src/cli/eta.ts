// How long the rest of a run takes: what is left, simulated from what is loaded now, with the times that the run has learned,
// by the code that decides in it. Where too much is left for that, its compute and its first loads one after another.
import { runMs } from '../core/model.ts'
import { cpuDeviceId, type State } from '../core/state.ts'
import { simulate } from '../sim/simulate.ts'
import type { WorkloadItem } from '../sim/workload.ts'
import { allItems } from '../stores/store.ts'
import type { Reader } from './output.ts'
import type { StepShape } from './plan-workload.ts'
import { leftToDo } from './stored-workload.ts'

/** Items left that are simulated; about 10 ms. More are reckoned. */
const mostSimulated = 5000

/** ms; null: nothing is left. A run that is not on begins with nothing loaded. */
export async function forecastRest(
  store: Pick<Reader, 'list'>,
  state: State,
  shapes: ReadonlyMap<string, StepShape>,
  nowMs: number,
  isRunning = true,
): Promise<number | null> {
  const left = state.models.reduce(
    (sum, { readyCount, blockedCount, claimingCount, runningCount }) =>
      sum + readyCount + blockedCount + claimingCount + runningCount,
    0,
  )
  if (left === 0) return null
  return left > mostSimulated
    ? reckon(state)
    : forecast(leftToDo(await openItems(store), shapes, nowMs), state, isRunning)
}

async function openItems(store: Pick<Reader, 'list'>) {
  const states = ['blocked', 'scheduled', 'ready', 'leased'] as const
  const lists = await Promise.all(states.map((state) => allItems(store, { state })))
  return lists.flat()
}

function forecast(items: readonly WorkloadItem[], state: State, isRunning: boolean): number | null {
  const models = state.models.map(({ model, loadMs }) => ({ ...model, loadMs }))
  const left = items.filter(({ model }) => state.modelById.has(model))
  if (left.length === 0) return null
  const devices = state.devices
    .filter(({ id }) => id !== cpuDeviceId)
    .map(({ id, kind, capacityBytes, safetyRatio, slots }) => ({
      id,
      kind,
      capacityBytes,
      safetyRatio,
      slots,
    }))
  const residents = (isRunning ? state.devices : []).flatMap(({ id, instances }) =>
    instances
      .filter(({ phase, model }) => phase === 'ready' && model.model.vramBytes > 0)
      .map(({ model }) => ({ modelId: model.model.id, deviceId: id })),
  )
  return simulate({ workload: { models, items: left }, devices, policy: state.policy, residents }).makespanMs
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
