// The reference ledger: what is booked, on which device, for which instance and batch, kept from the
// events alone. A booking is taken over from a command, and checked by sizes.ts; what a reading changed
// is taken over from the daemon's state only if it is one of the changes that a reading allows:
//
//   more   to what the instance was seen to hold at most, and only below the line
//   less   of one that is loaded and runs nothing, never under what it was seen to
//          hold; of one that was not seen, when it has been loaded
//   the rest of what is seen is the stated deficit, byte for byte
import type {
  CommandOf,
  DeviceId,
  EventOf,
  InstanceId,
  SchedulerEvent,
} from '../../../src/core/state/events.ts'
import { cpuDeviceId, type State } from '../../../src/core/state/state.ts'
import type { Context } from '../world/context.ts'
import type { WorldDevice } from '../world/world.ts'
import { type Growth, noGrowth, type Unloads, watchGrowth, watchUnloads } from './leaks.ts'
import { type AllSeen, keyOf, SizeChecks } from './sizes.ts'

export interface BookedInstance extends Growth {
  readonly id: InstanceId
  readonly deviceId: DeviceId
  readonly modelId: string
  bytes: number
  phase: 'starting' | 'ready' | 'stopping'
  /** What it was last seen to hold; null: it was not seen. */
  seenBytes: number | null
  /** What it was seen to hold, and nobody promised. */
  deficitBytes: number
  /** Seen before its first batch, and last while it ran nothing. */
  freshBytes: number | null
  restBytes: number | null
  /** Most that was seen since its last batch ended. */
  mostRunningBytes: number | null
  /** What its worker said after the load. */
  reportedBytes: number | null
  /** Foreign use of its device when its load began. */
  readonly foreignBeforeBytes: number
  hasRun: boolean
}

export interface BookedBatch {
  readonly id: string
  readonly instance: BookedInstance
  itemCount: number
  bytes: number
}

export interface BookedDevice extends Unloads {
  readonly kind: string
  readonly safetyRatio: number
  /** As the last reading has it; null: it was not read, and is believed only if it does not tell. */
  lineBytes: number | null
  readAtMs: number | null
  /** When the last reading was asked for, by the daemon's clock; an older one tells nothing. */
  askedAtMs: number
  /** The last reading, where it could not tell who holds what. */
  unattributed: EventOf<'memory-observed'> | null
  fault: string | null
}

export class ReferenceLedger {
  readonly instances = new Map<InstanceId, BookedInstance>()
  readonly batches = new Map<string, BookedBatch>()
  readonly devices: Map<DeviceId, BookedDevice>
  /** By model and kind of device: most items of the next batch, after one that failed as a whole. */
  readonly #halves = new Map<string, number>()
  readonly sizes: SizeChecks
  readonly #context: Context

  constructor(context: Context, devices: readonly WorldDevice[], seen: AllSeen) {
    this.#context = context
    this.sizes = new SizeChecks(context, seen)
    this.devices = new Map(
      devices.map(({ tells, options }) => {
        const { id, kind, capacityBytes } = options
        const safetyRatio = options.safetyRatio!
        const lineBytes = tells ? null : Math.floor(capacityBytes * safetyRatio)
        const leak = { count: 0, bytes: 0, unloads: [] }
        const unread = {
          readAtMs: null,
          askedAtMs: 0,
          unattributed: null,
          fault: null,
          foreignBytes: 0,
          leak,
        }
        return [id, { kind, safetyRatio, lineBytes, ...unread }]
      }),
    )
  }

  bookedBytes(deviceId: DeviceId): number {
    let bytes = 0
    for (const each of this.instances.values()) if (each.deviceId === deviceId) bytes += each.bytes
    for (const { instance, bytes: own } of this.batches.values())
      if (instance.deviceId === deviceId) bytes += own
    return bytes
  }

  deficitBytes(deviceId: DeviceId): number {
    let bytes = 0
    for (const each of this.instances.values()) if (each.deviceId === deviceId) bytes += each.deficitBytes
    return bytes
  }

  batchesOf(instance: BookedInstance): BookedBatch[] {
    return [...this.batches.values()].filter((each) => each.instance === instance)
  }

  loadStarted(command: CommandOf<'start-load'>): void {
    const { instanceId, modelId, deviceId, bytes } = command
    const device = this.devices.get(deviceId) ?? null
    const batchBytes = this.#batchRoom(deviceId, modelId)
    const othersBytes = this.bookedBytes(deviceId) + this.deficitBytes(deviceId)
    this.sizes.checkLoad(command, device, { othersBytes, batchBytes })
    this.instances.set(instanceId, {
      id: instanceId,
      deviceId,
      modelId,
      bytes,
      phase: 'starting',
      seenBytes: null,
      deficitBytes: 0,
      freshBytes: null,
      restBytes: null,
      mostRunningBytes: null,
      reportedBytes: null,
      foreignBeforeBytes: device?.foreignBytes ?? 0,
      hasRun: false,
      ...noGrowth,
    })
  }

  /** An item of the most demanding model in every slot. */
  #batchRoom(deviceId: DeviceId, newcomer: string): number {
    const device = this.#context.world.devices.find(({ options }) => options.id === deviceId)
    if (!device) return 0
    const { kind, slots } = device.options
    const here = [...this.instances.values()].filter((each) => each.deviceId === deviceId)
    const models = [newcomer, ...here.map(({ modelId }) => modelId)]
    return slots! * Math.max(...models.map((id) => this.sizes.mostBatchBytes(id, kind, 1)))
  }

  loaded({ instanceId, residentBytes }: EventOf<'load-finished'>): void {
    const instance = this.instances.get(instanceId)
    if (instance?.phase !== 'starting') return
    instance.phase = 'ready'
    instance.reportedBytes = residentBytes
  }

  leaves(instanceId: InstanceId): void {
    const instance = this.instances.get(instanceId)
    if (!instance || instance.phase === 'stopping') return
    if (instance.phase === 'ready') this.sizes.left(instance, this.#kindOf(instance))
    instance.phase = 'stopping'
  }

  batchStarted({ batchId, instanceId, maxCount: itemCount, bytes }: CommandOf<'run-batch'>): void {
    const instance = this.instances.get(instanceId)!
    const most = this.#halves.get(keyOf(instance.modelId, this.#kindOf(instance))) ?? itemCount
    this.#check(
      itemCount <= most,
      () => `${batchId} has ${itemCount} items; it must be ${most} after one that failed as a whole`,
    )
    this.sizes.checkBatch(batchId, instance.modelId, this.#kindOf(instance), itemCount, bytes)
    this.batches.set(batchId, { id: batchId, instance, itemCount, bytes })
  }

  claimed({ batchId, itemCount }: EventOf<'batch-claimed'>): void {
    const batch = this.batches.get(batchId)
    if (!batch) return
    if (itemCount === 0) this.#batchEnded(batch)
    else {
      batch.itemCount = itemCount
      batch.instance.hasRun = true
      batch.instance.batchCount++
    }
  }

  finished(event: EventOf<'batch-finished'>): void {
    const batch = this.batches.get(event.batchId)
    if (!batch) return
    const { instance, itemCount } = batch
    const key = keyOf(instance.modelId, this.#kindOf(instance))
    if (itemCount > 1 && (event.isOutOfMemory || event.hasCrashed))
      this.#halves.set(key, Math.floor(itemCount / 2))
    else this.#halves.delete(key)
    if (this.batchesOf(instance).length === 1) {
      const kind = this.#kindOf(instance)
      if (event.held) this.#seenAtRest(instance, event.held.afterBytes)
      this.sizes.batchSeen(batch, kind, event)
    }
    instance.mostRunningBytes = null
    this.#batchEnded(batch)
  }

  /** What it held goes with an instance that is on its way out. */
  #batchEnded(batch: BookedBatch): void {
    if (batch.instance.phase === 'stopping' && this.instances.has(batch.instance.id))
      batch.instance.bytes += batch.bytes
    this.batches.delete(batch.id)
  }

  released(instanceId: InstanceId): void {
    const { deviceId } = this.instances.get(instanceId) ?? { deviceId: null }
    const { seenBytes = null, foreignBeforeBytes = 0 } = this.instances.get(instanceId) ?? {}
    this.instances.delete(instanceId)
    const device = deviceId === null ? undefined : this.devices.get(deviceId)
    if (seenBytes !== null) device?.leak.unloads.push(foreignBeforeBytes)
    if (!device?.unattributed) return
    const { capacityBytes, foreignBytes, usedBytes } = device.unattributed
    const beyondBytes = Math.max(foreignBytes, usedBytes! - this.bookedBytes(deviceId!))
    device.foreignBytes = beyondBytes
    device.lineBytes = Math.max(0, Math.floor(capacityBytes * device.safetyRatio) - beyondBytes)
  }

  observed(event: EventOf<'memory-observed'>): void {
    const { deviceId, capacityBytes, bytesByInstance, peakByInstance = {}, fault = null } = event
    const device = this.devices.get(deviceId)!
    if (this.#isOld(event)) return
    const { askedAtMs = event.atMs } = event
    device.askedAtMs = askedAtMs
    const foreignBytes = this.#foreignBytes(event)
    device.foreignBytes = foreignBytes
    watchUnloads(device)
    device.unattributed = this.#isUnattributed(event) ? event : null
    device.lineBytes = Math.max(0, Math.floor(capacityBytes * device.safetyRatio) - foreignBytes)
    device.readAtMs = this.#context.agenda.nowMs - (event.atMs - askedAtMs)
    device.fault = fault
    for (const instance of this.instances.values()) {
      const bytes = bytesByInstance[instance.id]
      if (instance.deviceId !== deviceId || bytes === undefined) continue
      instance.seenBytes = bytes
      const peakBytes = Math.max(bytes, peakByInstance[instance.id] ?? 0)
      if (instance.phase === 'starting') this.sizes.loadSeen(instance, device.kind, peakBytes)
      if (instance.phase !== 'ready') continue
      if (this.batchesOf(instance).length > 0)
        instance.mostRunningBytes = Math.max(instance.mostRunningBytes ?? 0, peakBytes)
      else if (instance.hasRun) this.#seenAtRest(instance, bytes)
      else {
        instance.freshBytes = instance.restBytes = bytes
        this.sizes.freshSeen(instance, device.kind, bytes)
      }
    }
  }

  /** It was asked for before the last one: it changes nothing. */
  #isOld({ deviceId, atMs, askedAtMs = atMs }: EventOf<'memory-observed'>): boolean {
    return askedAtMs < this.devices.get(deviceId)!.askedAtMs
  }

  /** A device that cannot tell who holds what: what is used beyond what is booked is not ours. */
  #foreignBytes(event: EventOf<'memory-observed'>): number {
    const { deviceId, foreignBytes, usedBytes } = event
    return this.#isUnattributed(event)
      ? Math.max(foreignBytes, usedBytes! - this.bookedBytes(deviceId))
      : foreignBytes
  }

  #isUnattributed({ deviceId, usedBytes, bytesByInstance }: EventOf<'memory-observed'>): boolean {
    const isOurs = ({ deviceId: id }: BookedInstance) => id === deviceId
    const cannotTell = Object.keys(bytesByInstance).length === 0 && [...this.instances.values()].some(isOurs)
    return cannotTell && typeof usedBytes === 'number'
  }

  #seenAtRest(instance: BookedInstance, bytes: number): void {
    watchGrowth(instance, bytes)
    const isFirst = instance.mostRestBytes === null
    instance.restBytes = bytes
    instance.mostRestBytes = Math.max(instance.mostRestBytes ?? 0, bytes)
    this.sizes.restSeen(instance, this.#kindOf(instance), bytes, isFirst)
  }

  /** After the daemon has applied the event: takes over what it changed, if it may have. */
  takeOver(event: SchedulerEvent, state: State): void {
    if (event.type === 'memory-observed' && !this.#isOld(event)) this.#takeReading(event, state)
    if (event.type === 'batch-claimed') this.#takeClaim(event.batchId, state)
    if (event.type === 'load-finished') this.#takeLoad(event.instanceId, state)
  }

  #takeReading({ deviceId, bytesByInstance }: EventOf<'memory-observed'>, state: State): void {
    const device = this.devices.get(deviceId)!
    let hasGrown = false
    for (const instance of this.instances.values()) {
      if (instance.deviceId !== deviceId) continue
      const bytes = state.instanceById.get(instance.id)?.bytes ?? instance.bytes
      hasGrown ||= bytes > instance.bytes
      this.#takeBytes(instance, bytes, bytesByInstance[instance.id] !== undefined)
    }
    const booked = this.bookedBytes(deviceId)
    this.#check(
      !hasGrown || booked <= device.lineBytes!,
      () => `${deviceId}: a reading books ${booked} bytes; the line is ${device.lineBytes}`,
    )
    this.#checkStated(deviceId, state)
  }

  /** What a reading made of an instance's booking: more or less, as far as either is allowed. */
  #takeBytes(instance: BookedInstance, bytes: number, isSeen: boolean): void {
    const { id, bytes: beforeBytes, phase, deviceId } = instance
    const { kind } = this.devices.get(deviceId)!
    const batches = this.batchesOf(instance)
    const activeBytes = batches.reduce((sum, each) => sum + each.bytes, 0)
    const heldBytes = (instance.seenBytes ?? 0) - activeBytes
    const mayRest = phase === 'ready' && batches.length === 0
    if (bytes > beforeBytes) {
      this.#check(
        phase !== 'stopping' && bytes <= heldBytes,
        () => `${id} is booked with ${bytes} instead of ${beforeBytes} bytes; it holds ${heldBytes}`,
      )
    } else if (bytes < beforeBytes) {
      this.#check(
        mayRest && bytes >= heldBytes,
        () => `${id} gives back ${beforeBytes - bytes} bytes of ${beforeBytes}; it holds ${heldBytes}`,
      )
      this.sizes.checkRest(instance, kind, bytes)
    }
    instance.bytes = bytes
    if (mayRest && isSeen) this.sizes.checkGivenBack(instance, kind, heldBytes)
    instance.deficitBytes = instance.seenBytes === null ? 0 : Math.max(0, heldBytes - bytes)
  }

  /** The deficit and the leak that the state says are those of the events. */
  #checkStated(deviceId: DeviceId, state: State): void {
    const { leak: known } = this.devices.get(deviceId)!
    const { deficitBytes: stated, leak } = state.deviceById.get(deviceId)!
    this.#check(
      leak.count === known.count && leak.bytes === known.bytes,
      () => `${deviceId}: ${known.count} unloads left ${known.bytes} bytes; ${leak.count} are told of`,
    )
    const deficit = this.deficitBytes(deviceId)
    this.#check(
      stated === deficit,
      () => `${deviceId}: the stated deficit is ${stated} bytes; ${deficit} are held beyond what is booked`,
    )
  }

  #takeLoad(instanceId: InstanceId, state: State): void {
    const instance = this.instances.get(instanceId)
    const bytes = state.instanceById.get(instanceId)?.bytes
    if (!instance || bytes === undefined || bytes === instance.bytes) return
    this.#check(
      instance.seenBytes === null && bytes < instance.bytes,
      () => `${instanceId} is booked with ${bytes} instead of ${instance.bytes} bytes after its load`,
    )
    this.sizes.checkRest(instance, this.#kindOf(instance)!, bytes)
    instance.bytes = bytes
  }

  #takeClaim(batchId: string, state: State): void {
    const batch = this.batches.get(batchId)
    if (!batch) return
    const bytes = state.batchById.get(batchId)?.bytes ?? 0
    const { itemCount, instance } = batch
    this.#check(bytes <= batch.bytes, () => `${batchId} books ${bytes} of ${batch.bytes} bytes`)
    if (bytes < batch.bytes)
      this.sizes.checkBatch(batchId, instance.modelId, this.#kindOf(instance), itemCount, bytes)
    batch.bytes = bytes
  }

  #kindOf({ deviceId }: BookedInstance): string | null {
    return deviceId === cpuDeviceId ? null : this.devices.get(deviceId)!.kind
  }

  #check(holds: boolean, sentence: () => string): void {
    this.#context.check(holds, sentence)
  }
}
