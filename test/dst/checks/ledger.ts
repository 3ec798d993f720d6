// What must hold of memory and instances, checked before and after every event that the daemon tells:
// against the reference ledger (reference-ledger.ts, sizes.ts), and against the simulated machine.
//
//  (1) core/state/invariants.ts holds.
//  (2) The ledger equals the reference ledger. What is admitted stays under the line of the
//      last reading, with the stated deficit: nothing is put into one.
//  (3) Every process of the daemon, and every batch that runs in one, is booked. Bytes are
//      given back when the process is gone and the device shows them back, not before.
//  (4) At most one load is in flight on a device; a batch goes only to an instance that
//      is loaded, and nothing to one whose end has begun.
//  (5) Where nobody lies and nothing else is on a device that tells, its processes
//      never hold more than the line.
//  (6) Nothing is admitted while a recorded process of an earlier daemon lives, but for one that cannot be
//      killed; nor on a device that was not read yet or is not well, and no memory on a reading that is old.

import type { Model } from '../../../src/core/model.ts'
import type {
  Command,
  CommandOf,
  DeviceId,
  EventOf,
  InstanceId,
  SchedulerEvent,
} from '../../../src/core/state/events.ts'
import { brokenInvariants } from '../../../src/core/state/invariants.ts'
import { bookedBytes } from '../../../src/core/state/ledger.ts'
import { cpuDeviceId, type State } from '../../../src/core/state/state.ts'
import type { Context } from '../world/context.ts'
import type { FaultKind } from '../world/faults.ts'
import type { SimulatedInstance } from '../world/instance.ts'
import type { Life } from '../world/life.ts'
import type { Machine, Process } from '../world/machine.ts'
import type { RunnerWatch } from '../world/runner.ts'
import { LifecycleChecks, type Moment } from './lifecycle.ts'
import { LoadChecks } from './loads.ts'
import { type BookedInstance, ReferenceLedger } from './reference-ledger.ts'
import type { AllSeen } from './sizes.ts'

/** Most commands in one moment: a loop that does not end shows here. */
const maxCommands = 2000

/** Most timers in a second of simulated time: more is a loop that waits for what does not come by waiting. */
const maxWakes = 100

/** Without these nobody holds more than is declared. */
const lies: readonly FaultKind[] = [
  'footprint-lies',
  'size-unknown',
  'leaks',
  'unload-leaves',
  'foreign-moves',
  'capacity-less',
]

/** What the checks of items want to know. */
interface ItemWatch {
  runStarted(modelId: string, items: readonly string[]): void
  blamed(item: string): void
  poisoned(item: string): void
}

export class LedgerChecks implements RunnerWatch {
  readonly #reference: ReferenceLedger
  readonly #lifecycle: LifecycleChecks
  readonly #loads: LoadChecks
  /** Items that run in an instance's process. */
  readonly #running = new Map<InstanceId, number>()
  readonly #context: Context
  readonly #machine: Machine
  readonly #life: Life
  readonly #items: ItemWatch
  /** Something has happened that has not been checked yet. */
  #isChanged = false
  /** What the daemon was told last, and has not been looked at since. */
  #last: SchedulerEvent | null = null
  readonly #isHonest: boolean
  #wakeCount = 0
  #wakeSecond = 0
  #commandCount = 0
  #commandAtMs = -1

  constructor(context: Context, machine: Machine, life: Life, items: ItemWatch, seen: AllSeen) {
    this.#context = context
    this.#machine = machine
    this.#life = life
    this.#items = items
    const { rates } = context.faults
    this.#isHonest = lies.every((kind) => rates[kind] === 0)
    this.#reference = new ReferenceLedger(context, context.world.devices, seen)
    this.#lifecycle = new LifecycleChecks(context, machine, life, this.#reference)
    this.#loads = new LoadChecks(context, (model, deviceId) => this.#leastNeededBytes(model, deviceId))
  }

  get instances(): ReadonlyMap<InstanceId, BookedInstance> {
    return this.#reference.instances
  }

  deviceOf(instanceId: InstanceId): DeviceId | null {
    const deviceId = this.instances.get(instanceId)?.deviceId ?? null
    return deviceId === cpuDeviceId ? null : deviceId
  }

  /** Room on a device in which a model can be loaded and run an item, whatever was learned of it. */
  neededBytes({ id, vramBytes }: Model, deviceId: DeviceId): number {
    if (deviceId === cpuDeviceId) return vramBytes === 0 ? 0 : Number.POSITIVE_INFINITY
    return this.#reference.sizes.mostNeededBytes(id, this.#reference.devices.get(deviceId)!)
  }

  #leastNeededBytes({ id }: Model, deviceId: DeviceId): number {
    if (deviceId === cpuDeviceId) return Number.POSITIVE_INFINITY
    return this.#reference.sizes.leastNeededBytes(id, this.#reference.devices.get(deviceId)!)
  }

  /** What was seen of models so far. */
  get seen(): AllSeen {
    return this.#reference.sizes.seen
  }

  get hasReadAll(): boolean {
    return [...this.#reference.devices.values()].every(({ lineBytes }) => lineBytes !== null)
  }

  /** Before the daemon applies it; `state` has all earlier ones. */
  event(event: SchedulerEvent, state: State): void {
    this.#checkState(state)
    this.#isChanged = true
    this.#last = event
    this.#loads.event(event, state)
    if (event.type === 'command-issued') this.#command(event.command, state)
    else if (event.type === 'batch-claimed') this.#claimed(event)
    else if (event.type === 'batch-finished') this.#reference.finished(event)
    else if (event.type === 'load-finished') this.#reference.loaded(event)
    else if (event.type === 'load-failed' || event.type === 'instance-failed')
      this.#reference.leaves(event.instanceId)
    else if (event.type === 'memory-released') this.#released(event.instanceId)
    else if (event.type === 'memory-observed') this.#reference.observed(event)
    else if (event.type === 'timer-fired') this.#woke()
  }

  /** After everything of a moment has come to rest. */
  afterMoment(moment: Moment): void {
    const { state } = moment
    this.#lifecycle.afterMoment(moment)
    if (!this.#isChanged) return
    this.#checkState(state)
    this.#isChanged = false
    if (this.#isHonest) this.#checkMachine()
    for (const device of state.devices) {
      const booked = this.#reference.bookedBytes(device.id)
      const held = bookedBytes(device.ledger)
      this.#check(booked === held, () => `${device.id}: the ledger says ${held} bytes, the events ${booked}`)
    }
    for (const process of this.#machine.alive()) {
      if (process.life !== this.#life) continue
      const isBooked = this.instances.has(process.instanceId)
      this.#check(isBooked, () => `the process of ${process.instanceId} lives and is not booked`)
    }
    for (const [instanceId, count] of this.#running) {
      let bookedCount = 0
      for (const { instance, itemCount } of this.#reference.batches.values())
        if (instance.id === instanceId) bookedCount += itemCount
      this.#check(count <= bookedCount, () => `${instanceId} runs ${count} items; ${bookedCount} are booked`)
    }
  }

  /** (5) */
  #checkMachine(): void {
    for (const device of this.#machine.devices.values()) {
      const { id, capacityBytes, safetyRatio } = device.options
      const lineBytes = Math.floor(capacityBytes * safetyRatio!)
      const takenBytes = this.#machine.takenBytes(device)
      this.#check(
        takenBytes <= lineBytes || !device.tells || !device.attributes,
        () => `${id} holds ${takenBytes} bytes; its line is ${lineBytes}`,
      )
    }
  }

  #checkState(state: State): void {
    if (!this.#isChanged) return
    if (this.#last) this.#reference.takeOver(this.#last, state)
    this.#last = null
    const broken = brokenInvariants(state)
    this.#check(broken.length === 0, () => broken.join('; '))
  }

  #command(command: Command, state: State): void {
    const { nowMs } = this.#context.agenda
    this.#commandCount = this.#commandAtMs === nowMs ? this.#commandCount + 1 : 0
    this.#commandAtMs = nowMs
    if (this.#commandCount > maxCommands) {
      this.#context.fail(`more than ${maxCommands} commands in one moment, the last: ${command.type}`)
      throw new Error(this.#context.violation!) // nothing else ends a loop of the daemon
    }
    if (command.type === 'start-load') this.#loadStarted(command)
    else if (command.type === 'run-batch') this.#batchStarted(command)
    else if (command.type === 'stop-instance') {
      this.#lifecycle.stopped(command, state)
      this.#reference.leaves(command.instanceId)
    }
  }

  /** (2), (4), (6) */
  #loadStarted(command: CommandOf<'start-load'>): void {
    const { instanceId, modelId, deviceId, bytes } = command
    const isLeft = ({ life, isRecorded, isGivenUp }: Process) =>
      life !== this.#life && isRecorded && !isGivenUp
    const left = this.#machine.alive().find(isLeft)
    this.#check(!left, () => `${instanceId} is loaded while ${left!.instanceId} of an earlier daemon lives`)
    for (const other of this.instances.values()) {
      const isLoading =
        other.deviceId === deviceId && other.phase === 'starting' && other.bytes > 0 && bytes > 0
      this.#check(!isLoading, () => `${instanceId} is a second load in flight on ${deviceId}`)
    }
    this.#checkDevice(instanceId, deviceId, bytes)
    const { vramBytes } = this.#context.world.models.find(({ id }) => id === modelId)!
    this.#check(
      (deviceId === cpuDeviceId) === (vramBytes === 0),
      () => `${instanceId} is loaded on ${deviceId}`,
    )
    this.#reference.loadStarted(command)
    if (bytes > 0) this.#checkLine(deviceId)
  }

  /** (6) */
  #checkDevice(name: string, deviceId: DeviceId, bytes: number): void {
    if (deviceId === cpuDeviceId) return
    const { lineBytes, readAtMs, fault } = this.#reference.devices.get(deviceId)!
    this.#check(lineBytes !== null, () => `${name} goes to ${deviceId}, which was not read yet`)
    this.#check(fault === null, () => `${name} goes to ${deviceId}, which is not well: ${fault}`)
    const ageMs = readAtMs === null || bytes === 0 ? 0 : this.#context.agenda.nowMs - readAtMs
    const { staleAfter } = this.#context.world.policy
    this.#check(ageMs <= staleAfter, () => `${name} goes to ${deviceId} on a reading of ${ageMs} ms ago`)
  }

  #batchStarted(command: CommandOf<'run-batch'>): void {
    const { batchId, instanceId, deviceId, bytes } = command
    const phase = this.instances.get(instanceId)?.phase
    this.#check(phase === 'ready', () => `${batchId} goes to ${instanceId}, which is ${phase}`)
    this.#checkDevice(batchId, deviceId, bytes)
    this.#reference.batchStarted(command)
    if (bytes > 0) this.#checkLine(deviceId)
  }

  #claimed(event: EventOf<'batch-claimed'>): void {
    const asked = this.#reference.batches.get(event.batchId)?.itemCount ?? 0
    this.#check(
      event.itemCount <= asked,
      () => `${event.batchId} has ${event.itemCount} items; ${asked} were asked for`,
    )
    this.#reference.claimed(event)
  }

  /** (2) */
  #checkLine(deviceId: DeviceId): void {
    const booked = this.#reference.bookedBytes(deviceId)
    const deficit = this.#reference.deficitBytes(deviceId)
    const line = this.#reference.devices.get(deviceId)!.lineBytes ?? 0
    this.#check(
      booked + deficit <= line,
      () => `${deviceId}: ${booked} bytes are booked, the deficit is ${deficit}; the line is ${line}`,
    )
  }

  #woke(): void {
    const second = Math.floor(this.#context.agenda.nowMs / 1000)
    this.#wakeCount = second === this.#wakeSecond ? this.#wakeCount + 1 : 1
    this.#wakeSecond = second
    this.#check(this.#wakeCount <= maxWakes, () => `the daemon wakes more than ${maxWakes} times in a second`)
  }

  /** (3) */
  #released(instanceId: InstanceId): void {
    for (const process of this.#machine.processes.values()) {
      if (process.life !== this.#life || process.instanceId !== instanceId) continue
      const isShown = process.deviceId !== null && this.#machine.devices.get(process.deviceId)!.hasAttributed
      this.#check(!process.isAlive, () => `the bytes of ${instanceId} are given back; its process lives`)
      this.#check(
        process.bytes === 0 || !isShown,
        () => `the bytes of ${instanceId} are given back; the device still shows ${process.bytes}`,
      )
    }
    this.#reference.released(instanceId)
  }

  /** (4) A runner was given a batch. */
  batchStarted(instance: SimulatedInstance, items: readonly string[]): void {
    const { instanceId, isStopping, process } = instance
    this.#isChanged = true
    this.#check(!isStopping, () => `${instanceId} is given a batch after its stop`)
    this.#check(
      this.instances.get(instanceId)?.phase !== 'stopping',
      () => `${instanceId} is given a batch; its end is known`,
    )
    const isGone = process.endedAtMs < this.#context.agenda.nowMs
    this.#check(!isGone, () => `${instanceId} is given a batch; its process has ended`)
    if (process.isAlive && !isStopping)
      this.#running.set(instanceId, (this.#running.get(instanceId) ?? 0) + items.length)
    this.#items.runStarted(instance.model.id, items)
  }

  blamed(item: string): void {
    this.#items.blamed(item)
  }

  poisoned(item: string): void {
    this.#items.poisoned(item)
  }

  batchEnded({ instanceId }: SimulatedInstance, itemCount: number): void {
    this.#running.set(instanceId, this.#running.get(instanceId)! - itemCount)
  }

  #check(holds: boolean, sentence: () => string): void {
    this.#context.check(holds, sentence)
  }
}
