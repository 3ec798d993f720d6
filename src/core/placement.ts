// Which model a device should load next, and what it must give up for it. One load is in flight per device; it runs
// beside the batches of the models that stay. Victims are stopped first, one command each; the device then remembers
// whom it makes room for (`nextLoad`), so that bytes on their way back are never promised twice.
import { clearMs, keepWorth } from './estimates.ts'
import { chooseVictims, releasable } from './eviction.ts'
import { headroomBytes, offeredBytes } from './ledger.ts'
import { leastBytes } from './model.ts'
import { interactive, ordinary, overdue, type UrgencyClass } from './ordering.ts'
import type { RuleId } from './protocol.ts'
import { cpuDeviceId, type DeviceState, type InstanceState, type ModelState, type State } from './state.ts'
import type { Claimant, View } from './view.ts'

/** A load, and the victims that must go before it. */
export interface LoadPlan {
  model: ModelState
  victims: InstanceState[]
  /** The victims' bytes, or earlier ones', are on their way back: nothing to do until they are. */
  mustWait: boolean
  rule: RuleId
  worth: number
}

/** The next load of a device, or null. Claims are looked at in order; the first that makes sense here decides, and if no
 *  room can be made for it the device stays free for it. Only interactive ones let the next one try: theirs may be a
 *  model that has to wait for a batch. Cost: O(models + instances), little of it for each device. */
export function chooseLoad(view: View, device: DeviceState): LoadPlan | null {
  if (device.id === cpuDeviceId) return chooseCpuLoad(view, device)
  if (device.loading) return null
  const isIdle = device.runningCount < device.slots && !device.instances.some(hasReadyWork)
  for (const claimant of claimantsFor(view, device, isIdle)) {
    const { model, urgency, worth } = claimant
    if (!wants(view, device, model, isIdle)) continue
    const victims = releasable(view, device, claimant, isIdle)
    const rule = model.instances.length > 0 ? 'load-replica' : loadRules[urgency]
    const plan = planLoad(view, device, model, victims, rule, worth)
    if (plan || urgency < interactive) return plan
  }
  return choosePrefetch(view, device)
}

const loadRules: Record<UrgencyClass, RuleId> = {
  [ordinary]: 'load-best',
  [overdue]: 'load-overdue',
  [interactive]: 'load-interactive',
}

/** Models of size 0 need no room: each is started when it has work and no instance. */
function chooseCpuLoad({ state, nowMs }: View, device: DeviceState): LoadPlan | null {
  const model = state.models.find(
    (each) =>
      each.model.vramBytes === 0 && each.readyCount > 0 && !has(device, each) && canTry(state, each, nowMs),
  )
  return model ? { model, victims: [], mustWait: false, rule: 'load-best', worth: 0 } : null
}

/** The claims in the order in which this device should look at them.
 *  (1) A model that room is being made for keeps its turn until a higher class comes.
 *  (2) On a cold device the one whose compute hides the other loads best.
 *  (3) By class, then by worth. */
function claimantsFor(view: View, device: DeviceState, isIdle: boolean): readonly Claimant[] {
  const all = isIdle ? view.claimants : view.missing
  const promised = device.nextLoad && all.find(({ model }) => model.model.id === device.nextLoad)
  if (promised) {
    const higher = all.filter(({ urgency }) => urgency > promised.urgency)
    return [...higher, promised, ...all.filter((each) => each !== promised && !higher.includes(each))]
  }
  return isIdle && device.instances.length === 0 ? coldFirst(view, device, all) : all
}

/** The claim that a device with nothing on it begins with, if all are ordinary:
 *  (1) the shortest load whose compute is as long as all the other loads;
 *  (2) else, where the models with work do not fit together, the largest: it keeps others out, and while it computes the
 *      small ones are loaded beside it;
 *  (3) else the one that computes longest for its load. */
function coldFirst(view: View, device: DeviceState, all: readonly Claimant[]): readonly Claimant[] {
  const wanted = all.filter(({ model }) => wants(view, device, model, true))
  if (wanted.length < 2 || wanted[0]!.urgency !== ordinary) return wanted
  const wantedMs = wanted.reduce((sum, { model }) => sum + model.loadMs, 0)
  const fitsTogether = view.state.waiting.vramBytes <= totalBudgetBytes(view.state)
  const rank = ({ model }: Claimant) => {
    const othersMs = Math.max(1000, wantedMs - model.loadMs)
    const workMs = clearMs(model.model, model.readyCount)
    if (workMs >= othersMs) return 1e15 * (othersMs / Math.max(1, model.loadMs))
    return fitsTogether ? workMs / Math.max(1, model.loadMs) : model.model.vramBytes
  }
  let best = wanted[0]!
  for (const each of wanted) if (rank(each) > rank(best)) best = each
  return [best]
}

function totalBudgetBytes({ devices }: State): number {
  return devices.reduce((sum, { budgetBytes }) => sum + budgetBytes, 0)
}

/** Whether a load of the model on the device would make sense at all; of one more copy, whether it would pay: each copy
 *  would still have `replicaFactor` loads of work. */
function wants(view: View, device: DeviceState, model: ModelState, isIdle: boolean): boolean {
  const copies = model.instances.length
  if (model.readyCount === 0 || (copies > 0 && !isIdle) || has(device, model)) return false
  if (leastBytes(model.model) > offeredBytes(device) || !canTry(view.state, model, view.nowMs)) return false
  if (copies === 0) return true
  const { replicaFreeFactor, replicaFactor } = view.state.policy
  const isFree = leastBytes(model.model) <= headroomBytes(device)
  const eachMs = clearMs(model.model, model.readyCount) / (copies + 1)
  return eachMs >= (isFree ? replicaFreeFactor : replicaFactor) * model.loadMs
}

/** Nothing ready is missing: the model that will be needed soonest for its size and load time, over idle ones that
 *  are worth `prefetchGain` times less; half as much again for one that could not be back in time (do no harm: Cao 1995). */
function choosePrefetch(view: View, device: DeviceState): LoadPlan | null {
  const { state, nowMs } = view
  const best = view.expected.find(
    (model) => leastBytes(model.model) <= offeredBytes(device) && canTry(state, model, nowMs),
  )
  if (!best) return null
  const worth = keepWorth(view, best)
  const candidates = device.instances.filter(({ phase, runningCount, model }) => {
    if (phase !== 'ready' || runningCount > 0 || model.readyCount > 0) return false
    const isBackInTime = view.nextUseMs(model) >= best.loadMs + model.loadMs
    const gain = state.policy.prefetchGain * (isBackInTime ? 1 : harmFactor)
    return keepWorth(view, model) * gain <= worth
  })
  return planLoad(view, device, best, candidates, 'prefetch', worth)
}

/** Study: 1.5 takes a rotation of five models over four places from 1.67 to 1.50 s; 2 is worse again. */
const harmFactor = 1.5

/** What must happen before the load: nothing, wait for bytes on their way back, or stop victims. */
function planLoad(
  view: View,
  device: DeviceState,
  model: ModelState,
  candidates: InstanceState[],
  rule: RuleId,
  worth: number,
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
  const victims = chooseVictims(view, candidates, stillMissingBytes)
  if (victims) return { ...plan, victims }
  // All candidates together may free enough when their own batches need no more room either.
  const heldBytes = candidates.reduce((sum, { bytes }) => sum + bytes, device.ledger.releasingBytes)
  return candidates.length > 0 && missing(candidates) <= heldBytes ? { ...plan, victims: candidates } : null
}

/** Bytes to leave free for batches: what runs now, or one item of the most demanding model in every slot. */
function activationRoom(device: DeviceState, newcomer: ModelState, leaving: InstanceState[]): number {
  let largestBytes = newcomer.model.batch.activationBytes
  let residentCount = 1
  for (const instance of device.instances) {
    if (instance.phase !== 'ready' || leaving.includes(instance)) continue
    residentCount++
    largestBytes = Math.max(largestBytes, instance.model.model.batch.activationBytes)
  }
  const slots = Math.min(device.slots, residentCount)
  return Math.max(device.ledger.activeBytes, largestBytes * slots)
}

function canTry(state: State, model: ModelState, nowMs: number): boolean {
  return nowMs >= model.coolUntilMs && model.loadFailureCount < state.policy.maxLoadFailures
}

/** Whether the device holds the model or loads it. */
function has(device: DeviceState, { instances }: ModelState): boolean {
  return instances.some((each) => each.device === device)
}

function hasReadyWork({ phase, model }: InstanceState): boolean {
  return phase === 'ready' && model.readyCount > 0
}
