// Which model a device should load next, and what it must give up for it. One load is in flight per device; it runs
// beside the batches of the models that stay. Victims are stopped first, one command each; the device then remembers
// whom it makes room for (`nextLoad`), so that bytes on their way back are never promised twice.
import { clearMs, keepWorth, nextUseMs } from './estimates.ts'
import { type Claimant, chooseVictims, releasable } from './eviction.ts'
import { headroomBytes } from './ledger.ts'
import { leastBytes } from './model.ts'
import { classOf, interactive, overdue, score, waitedMs } from './ordering.ts'
import type { RuleId } from './protocol.ts'
import { cpuDeviceId, type DeviceState, type InstanceState, type ModelState, type State } from './state.ts'

/** A load, and the victims that must go before it. */
export interface LoadPlan {
  model: ModelState
  victims: InstanceState[]
  /** The victims' bytes, or earlier ones', are on their way back: nothing to do until they are. */
  mustWait: boolean
  rule: RuleId
  worth: number
}

/** The next load of a device, or null. Cost: O(models + instances). */
export function chooseLoad(state: State, device: DeviceState, nowMs: number): LoadPlan | null {
  if (device.id === cpuDeviceId) return chooseCpuLoad(state, device, nowMs)
  if (device.loading) return null
  const isIdle = device.runningCount < device.slots && !device.instances.some(hasReadyWork)
  const best = chooseModel(state, device, isIdle, nowMs)
  if (!best) return choosePrefetch(state, device, nowMs)
  const candidates = releasable(state, device, best, isIdle, nowMs)
  const rule =
    best.urgency === interactive
      ? 'load-interactive'
      : best.urgency === overdue
        ? 'load-overdue'
        : 'load-best'
  return planLoad(
    state,
    device,
    best.model,
    candidates,
    best.model.instances.length > 0 ? 'load-replica' : rule,
    best.worth,
    nowMs,
  )
}

/** Models of size 0 need no room: each is started when it has work and no instance. */
function chooseCpuLoad(state: State, device: DeviceState, nowMs: number): LoadPlan | null {
  const model = state.models.find(
    (each) =>
      each.model.vramBytes === 0 && each.readyCount > 0 && !has(device, each) && canTry(state, each, nowMs),
  )
  return model ? { model, victims: [], mustWait: false, rule: 'load-best', worth: 0 } : null
}

/** The missing model that deserves the device most: by class, then an overdue one by its wait, others by score;
 *  on a cold device by how much of the other loads its compute hides. A model being made room for keeps its turn
 *  until a higher class comes. Ties end at the id. */
function chooseModel(state: State, device: DeviceState, isIdle: boolean, nowMs: number): Claimant | null {
  const isCold = isIdle && device.instances.length === 0
  let wantedMs = 0
  if (isCold)
    for (const each of state.models) if (wants(state, device, each, isIdle, nowMs)) wantedMs += each.loadMs
  let best: (Claimant & { rank: number }) | null = null
  for (const model of state.models) {
    if (!wants(state, device, model, isIdle, nowMs)) continue
    const urgency = classOf(state, model, nowMs)
    const worth = urgency === overdue ? waitedMs(model, nowMs) : score(state, model, model.loadMs, nowMs)
    const rank =
      device.nextLoad === model.model.id
        ? Number.POSITIVE_INFINITY
        : isCold
          ? hiddenRatio(model, wantedMs)
          : worth
    if (!best || urgency > best.urgency || (urgency === best.urgency && rank > best.rank)) {
      best = { model, urgency, worth, rank }
    }
  }
  return best
}

function hiddenRatio(model: ModelState, wantedMs: number): number {
  const others = Math.max(1000, wantedMs - model.loadMs)
  return Math.min(clearMs(model.model, model.readyCount), others) / Math.max(1, model.loadMs)
}

/** Whether a load of the model on the device would make sense at all; of a second copy, whether it would pay. */
function wants(
  state: State,
  device: DeviceState,
  model: ModelState,
  isIdle: boolean,
  nowMs: number,
): boolean {
  if (model.readyCount === 0 || model.model.vramBytes === 0 || has(device, model)) return false
  if (leastBytes(model.model) > device.budgetBytes || !canTry(state, model, nowMs)) return false
  const copies = model.instances.length
  if (copies === 0) return true
  const isFree = leastBytes(model.model) <= headroomBytes(device)
  const factor = isFree ? state.policy.replicaFreeFactor : state.policy.replicaFactor
  return isIdle && clearMs(model.model, model.readyCount) / copies >= factor * model.loadMs
}

/** Nothing ready is missing: the model that will be needed soonest for its size and load time, over idle ones that
 *  are worth `prefetchGain` times less. */
function choosePrefetch(state: State, device: DeviceState, nowMs: number): LoadPlan | null {
  let best: ModelState | null = null
  let bestWorth = 0
  for (const model of state.models) {
    if (model.readyCount > 0 || model.instances.length > 0 || model.model.vramBytes === 0) continue
    if (leastBytes(model.model) > device.budgetBytes || !canTry(state, model, nowMs)) continue
    if (nextUseMs(state, model, nowMs) >= 1e9) continue
    const worth = keepWorth(state, model, nowMs)
    if (worth > bestWorth) [best, bestWorth] = [model, worth]
  }
  if (!best) return null
  const candidates = device.instances.filter(
    ({ phase, runningCount, model }) =>
      phase === 'ready' &&
      runningCount === 0 &&
      model.readyCount === 0 &&
      keepWorth(state, model, nowMs) * state.policy.prefetchGain <= bestWorth,
  )
  return planLoad(state, device, best, candidates, 'prefetch', bestWorth, nowMs)
}

/** What must happen before the load: nothing, wait for bytes on their way back, or stop victims. */
function planLoad(
  state: State,
  device: DeviceState,
  model: ModelState,
  candidates: InstanceState[],
  rule: RuleId,
  worth: number,
  nowMs: number,
): LoadPlan | null {
  const missing = (leaving: InstanceState[]) =>
    model.model.vramBytes +
    activationRoom(device, model, leaving) -
    headroomBytes(device) -
    device.ledger.activeBytes
  const plan = { model, victims: [] as InstanceState[], mustWait: false, rule, worth }
  if (missing([]) <= 0) return plan
  const stillMissingBytes = missing([]) - device.ledger.releasingBytes
  if (stillMissingBytes <= 0) return { ...plan, mustWait: true }
  const victims = chooseVictims(state, candidates, stillMissingBytes, nowMs)
  if (victims) return { ...plan, victims }
  // All candidates together may free enough when their own batches need no more room either.
  const heldBytes = candidates.reduce((sum, { bytes }) => sum + bytes, device.ledger.releasingBytes)
  return candidates.length > 0 && missing(candidates) <= heldBytes ? { ...plan, victims: candidates } : null
}

/** Bytes to leave free for batches: what runs now, or one item of the most demanding model in every slot. */
function activationRoom(device: DeviceState, newcomer: ModelState, leaving: InstanceState[]): number {
  let largestBytes = newcomer.model.batch.activationBytes
  for (const instance of device.instances) {
    if (instance.phase !== 'ready' || leaving.includes(instance)) continue
    largestBytes = Math.max(largestBytes, instance.model.model.batch.activationBytes)
  }
  const slots = Math.min(device.slots, device.instances.length + 1)
  return Math.max(device.ledger.activeBytes, largestBytes * slots)
}

function canTry(state: State, model: ModelState, nowMs: number): boolean {
  return nowMs >= model.coolUntilMs && model.loadFailureCount < state.policy.maxLoadFailures
}

/** Whether the device holds the model, loads it or still gives it up. */
function has(device: DeviceState, model: ModelState): boolean {
  return device.instances.some(
    (each) => each.model === model && (each.phase === 'starting' || each.phase === 'ready'),
  )
}

function hasReadyWork({ phase, model }: InstanceState): boolean {
  return phase === 'ready' && model.readyCount > 0
}
