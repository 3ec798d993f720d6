// What all baselines share: a rule says what a device should do next, and this file
// turns it into commands, one at a time, as the core's contract asks. A load that needs
// room stops victims first and starts when their bytes are back.

import type { Command, Decision, Reason, RuleId } from '../../core/state/events.ts'
import { headroomBytes } from '../../core/state/ledger.ts'
import {
  cpuDeviceId,
  type DeviceState,
  type InstanceState,
  type ModelState,
  type State,
} from '../../core/state/state.ts'
import { type ClaimOrder, plainOrder } from '../../core/work/queue-head.ts'

export type Wish =
  | { type: 'run'; instance: InstanceState; maxCount: number; order: ClaimOrder }
  | { type: 'load'; model: ModelState }

export interface Rule {
  /** What a device with a free slot should do; null: nothing. */
  next(state: State, device: DeviceState): Wish | null
  /** Whom to stop for a model, in this order, until it fits. */
  victims(device: DeviceState, model: ModelState): InstanceState[]
  /** Nothing else may be on the device while a model is loaded. */
  isAlone: boolean
  /** Loads may start while a batch runs, and batches while a load runs. */
  overlaps: boolean
}

/** Items in the order they became ready, whatever their priority. */
export const firstInFirstOut: ClaimOrder = { ...plainOrder, overdueBeforeMs: Number.POSITIVE_INFINITY }

export function follow(state: State, rule: Rule): Decision {
  for (const device of state.devices) {
    const command = device.id === cpuDeviceId ? cpuCommand(state, device) : commandOf(state, device, rule)
    if (command) return { command, passedOver: [] }
  }
  return { command: null, wakeAtMs: null }
}

function commandOf(state: State, device: DeviceState, rule: Rule): Command | null {
  const isSwapping = device.loading !== null || device.nextLoad !== null
  if (device.nextLoad !== null && !device.loading) {
    const command = makeRoom(state, device, state.modelById.get(device.nextLoad)!, rule)
    if (command) return command
  }
  if (isSwapping && !rule.overlaps) return null
  if (device.runningCount >= device.slots && !rule.overlaps) return null
  const wish = rule.next(state, device)
  if (wish?.type === 'load') return isSwapping ? null : makeRoom(state, device, wish.model, rule)
  return wish && device.runningCount < device.slots ? runCommand(state, wish) : null
}

function makeRoom(state: State, device: DeviceState, model: ModelState, rule: Rule): Command | null {
  const ready = device.instances.filter(({ phase }) => phase === 'ready')
  const missingBytes =
    model.model.vramBytes +
    activationBytes(ready, model) -
    headroomBytes(device) -
    device.ledger.releasingBytes
  if (missingBytes > 0 || (rule.isAlone && ready.length > 0)) {
    const victim = rule.victims(device, model).find(({ runningCount }) => runningCount === 0)
    if (!victim) return null
    const names = { instanceId: victim.id, modelId: victim.model.model.id, deviceId: device.id }
    return { type: 'stop-instance', ...names, makeRoomFor: model.model.id, reason: because('make-room') }
  }
  return device.ledger.releasingBytes > 0 ? null : loadCommand(state, device, model)
}

/** Room for one item of the most demanding model. */
function activationBytes(ready: readonly InstanceState[], model: ModelState): number {
  const each = ready.map((instance) => instance.model.model.batch.activationBytes)
  return Math.max(model.model.batch.activationBytes, ...each)
}

function loadCommand(state: State, device: DeviceState, { model }: ModelState): Command {
  return {
    type: 'start-load',
    instanceId: `${model.id}-${state.nextInstance}`,
    modelId: model.id,
    deviceId: device.id,
    bytes: model.vramBytes,
    reason: because('load-best'),
  }
}

function runCommand(state: State, { instance, maxCount, order }: Extract<Wish, { type: 'run' }>): Command {
  const { model, device } = instance
  return {
    type: 'run-batch',
    batchId: `batch-${state.nextBatch}`,
    instanceId: instance.id,
    modelId: model.model.id,
    deviceId: device.id,
    maxCount,
    order,
    bytes: maxCount * model.model.batch.activationBytes,
    reason: because('run-best'),
  }
}

/** Models of size 0: each is started when it has work, and runs at once. */
function cpuCommand(state: State, device: DeviceState): Command | null {
  for (const model of state.models) {
    if (model.model.vramBytes > 0 || model.readyCount === 0) continue
    const instance = device.instances.find((each) => each.model === model)
    if (!instance) return loadCommand(state, device, model)
    const maxCount = largestBatch(instance)
    if (maxCount > 0) return runCommand(state, { type: 'run', instance, maxCount, order: firstInFirstOut })
  }
  return null
}

/** Most items the instance can take now; 0: none. */
export function largestBatch({ phase, model, runningCount, device }: InstanceState): number {
  if (phase !== 'ready' || model.readyCount === 0 || runningCount >= model.model.concurrency) return 0
  const { max, activationBytes: each } = model.model.batch
  return each === 0 ? max : Math.min(max, Math.floor(headroomBytes(device) / each))
}

/** The device's ready instance of a model. */
export function instanceOf(device: DeviceState, model: ModelState): InstanceState | null {
  return device.instances.find((each) => each.model === model && each.phase === 'ready') ?? null
}

/** Whether the model could ever be loaded on the device. */
export function canHold(device: DeviceState, { model }: ModelState): boolean {
  return model.vramBytes > 0 && model.vramBytes + model.batch.activationBytes <= device.budgetBytes
}

function because(rule: RuleId): Reason {
  return { rule, figures: {} }
}
