// The whole state as plain JSON, and back: so that whoever has a snapshot and the events after it knows what
// the scheduler knows, without the events before it. A restored state answers every further event and every
// decision exactly as the one it was taken of. What points in a circle (models, devices, instances, batches)
// is written as ids.
//
// Fields are not listed one by one: a new field of plain data is in the snapshot by itself. A snapshot is
// restored over a fresh state, so that a field which it does not have yet has its first value. `version`
// changes when that is not enough.
import type { Model } from '../model.ts'
import type { Policy } from '../policy.ts'
import type { DeviceId, InstanceId } from './events.ts'
import type { ModelLoads } from './loads.ts'
import {
  type Batch,
  cpuDeviceId,
  createState,
  type DeviceState,
  type InstanceState,
  type ModelState,
  type State,
  type TenantState,
} from './state.ts'

const version = 1

type ModelSnapshot = Omit<ModelState, 'instances'> & {
  instanceIds: InstanceId[]
  loads: ModelLoads
  loadCount: number
}
/** `slots`: null is without limit. */
type DeviceSnapshot = Omit<DeviceState, 'instances' | 'loading' | 'slots'> & {
  instanceIds: InstanceId[]
  loadingId: InstanceId | null
  slots: number | null
}
type InstanceSnapshot = Omit<InstanceState, 'model' | 'device'> & { modelId: Model['id']; deviceId: DeviceId }
type BatchSnapshot = Omit<Batch, 'instance'> & { instanceId: InstanceId }
type Plain = Pick<State, 'waiting' | 'backlog' | 'interactive' | 'isDraining' | 'nextInstance' | 'nextBatch'>

export interface Snapshot extends Plain {
  version: number
  policy: Policy
  models: ModelSnapshot[]
  devices: DeviceSnapshot[]
  instances: InstanceSnapshot[]
  /** Instances that are gone, while a batch of theirs has not ended. */
  goneInstances: InstanceSnapshot[]
  batches: BatchSnapshot[]
  tenants: TenantState[]
}

/** A copy: it does not change with the state. */
export function snapshotOf(state: State): Snapshot {
  const { policy, waiting, backlog, interactive, isDraining, nextInstance, nextBatch } = state
  const batches = [...state.batchById.values()]
  const isGone = (instance: InstanceState) => state.instanceById.get(instance.id) !== instance
  const gone = new Set(batches.map(({ instance }) => instance).filter(isGone))
  return structuredClone({
    version,
    ...{ policy, waiting, backlog, interactive, isDraining, nextInstance, nextBatch },
    models: state.models.map((each) => modelSnapshot(each, state)),
    devices: state.devices.map(deviceSnapshot),
    instances: [...state.instanceById.values()].map(instanceSnapshot),
    goneInstances: [...gone].map(instanceSnapshot),
    batches: batches.map(({ instance, ...rest }) => ({ ...rest, instanceId: instance.id })),
    tenants: [...state.tenants.values()],
  })
}

function modelSnapshot({ instances, ...rest }: ModelState, { loads }: State): ModelSnapshot {
  const { id } = rest.declared
  return { ...rest, instanceIds: idsOf(instances), loads: loads.learned(id)!, loadCount: loads.loadCount(id) }
}

function deviceSnapshot({ instances, loading, slots, ...rest }: DeviceState): DeviceSnapshot {
  return {
    ...rest,
    instanceIds: idsOf(instances),
    loadingId: loading?.id ?? null,
    slots: Number.isFinite(slots) ? slots : null,
  }
}

function instanceSnapshot({ model, device, ...rest }: InstanceState): InstanceSnapshot {
  return { ...rest, modelId: model.declared.id, deviceId: device.id }
}

function idsOf(instances: readonly InstanceState[]): InstanceId[] {
  return instances.map(({ id }) => id)
}

/** null: a Plimsoll whose snapshots are others wrote it. Takes the snapshot over: it must not be used for
 * another state. */
export function restoreState(snapshot: Snapshot): State | null {
  if (snapshot.version !== version) return null
  const { policy, waiting, backlog, interactive, isDraining, nextInstance, nextBatch } = snapshot
  const state = createState(
    snapshot.models.map(({ declared }) => declared),
    snapshot.devices.filter(({ id }) => id !== cpuDeviceId).map(({ slots, ...rest }) => rest),
    policy,
  )
  Object.assign(state, { waiting, backlog, interactive, isDraining, nextInstance, nextBatch })
  for (const each of snapshot.tenants) state.tenants.set(each.id, each)
  const restored = (each: InstanceSnapshot) => restoreInstance(each, state)
  for (const each of snapshot.instances) state.instanceById.set(each.id, restored(each))
  const gone = new Map(snapshot.goneInstances.map((each) => [each.id, restored(each)]))
  const instanceOf = (id: InstanceId) => gone.get(id) ?? state.instanceById.get(id)!
  for (const { instanceId, ...rest } of snapshot.batches)
    state.batchById.set(rest.id, { ...rest, instance: instanceOf(instanceId) })
  for (const each of snapshot.models) restoreModel(each, state)
  for (const each of snapshot.devices) restoreDevice(each, state)
  return state
}

function restoreInstance({ modelId, deviceId, ...rest }: InstanceSnapshot, state: State): InstanceState {
  return { ...rest, model: state.modelById.get(modelId)!, device: state.deviceById.get(deviceId)! }
}

function restoreModel({ instanceIds, loads, loadCount, ...rest }: ModelSnapshot, state: State): void {
  const model = state.modelById.get(rest.declared.id)!
  Object.assign(model, rest)
  model.instances.push(...instanceIds.map((id) => state.instanceById.get(id)!))
  state.loads.restore(rest.declared.id, loads, loadCount)
}

function restoreDevice({ instanceIds, loadingId, slots, ...rest }: DeviceSnapshot, state: State): void {
  const device = state.deviceById.get(rest.id)!
  Object.assign(device, rest, { slots: slots ?? Number.POSITIVE_INFINITY })
  device.instances.push(...instanceIds.map((id) => state.instanceById.get(id)!))
  device.loading = loadingId === null ? null : state.instanceById.get(loadingId)!
}
