// What must hold of memory and instances, checked before and after every event that the daemon tells: against a second
// set of books, kept here from the events alone, and against the simulated machine.
//
//  (1) core/invariants.ts holds.
//  (2) The ledger equals the second books; a booking stays under the line of the last reading, and is as large as the
//      model and the batch declare.
//  (3) Every process of the daemon, and every batch that runs in one, is booked. Bytes are given back when the process is
//      gone and the device shows them back, not before.
//  (4) At most one load is in flight on a device; a batch goes only to an instance that is loaded, and nothing to one
//      whose end has begun.
//  (5) Where nobody lies and nothing else is on a device that tells, its processes never hold more than the line.
//  (6) Nothing is admitted while a recorded process of an earlier daemon lives, or on a device that was not read yet.
import { brokenInvariants } from '../../src/core/invariants.ts'
import { bookedBytes } from '../../src/core/ledger.ts'
import type { Command, DeviceId, InstanceId, SchedulerEvent } from '../../src/core/protocol.ts'
import { cpuDeviceId, type State } from '../../src/core/state.ts'
import type { Context } from './context.ts'
import type { SimulatedInstance } from './instance.ts'
import type { Life } from './life.ts'
import type { Machine } from './machine.ts'
import type { RunnerWatch } from './runner.ts'

interface BookedInstance {
  deviceId: DeviceId
  modelId: string
  bytes: number
  phase: 'starting' | 'ready' | 'stopping'
}

interface BookedBatch {
  instanceId: InstanceId
  deviceId: DeviceId
  modelId: string
  itemCount: number
  bytes: number
}

/** Most commands in one moment: a loop that does not end shows here. */
const maxCommands = 2000

/** Most timers in a second of simulated time: more is a loop that waits for what does not come by waiting. */
const maxWakes = 100

export class LedgerChecks implements RunnerWatch {
  readonly instances = new Map<InstanceId, BookedInstance>()
  readonly #batches = new Map<string, BookedBatch>()
  /** Items that run in an instance's process. */
  readonly #running = new Map<InstanceId, number>()
  /** Lines as the last readings have them; what a device that only declares has is known from the start. */
  readonly #lines = new Map<DeviceId, number>()
  readonly #context: Context
  readonly #machine: Machine
  readonly #life: Life
  readonly #runStarted: (modelId: string, items: readonly string[]) => void
  /** Something has happened that has not been checked yet. */
  #isChanged = false
  readonly #isHonest: boolean
  #wakeCount = 0
  #wakeSecond = 0
  #commandCount = 0
  #commandAtMs = -1

  constructor(
    context: Context,
    machine: Machine,
    life: Life,
    runStarted: (modelId: string, items: readonly string[]) => void,
  ) {
    this.#context = context
    this.#machine = machine
    this.#life = life
    this.#runStarted = runStarted
    const { rates } = context.faults
    this.#isHonest = rates['footprint-lies'] + rates['foreign-moves'] + rates['capacity-less'] === 0
    for (const [deviceId, { tells, options }] of machine.devices) {
      if (!tells) this.#lines.set(deviceId, Math.floor(options.capacityBytes * options.safetyRatio!))
    }
  }

  deviceOf(instanceId: InstanceId): DeviceId | null {
    const deviceId = this.instances.get(instanceId)?.deviceId ?? null
    return deviceId === cpuDeviceId ? null : deviceId
  }

  get hasReadAll(): boolean {
    return this.#lines.size === this.#machine.devices.size
  }

  /** Before the daemon applies it; `state` has all earlier ones. */
  event(event: SchedulerEvent, state: State): void {
    if (this.#isChanged) this.#checkState(state)
    this.#isChanged = true
    if (event.type === 'command-issued') this.#command(event.command)
    else if (event.type === 'batch-claimed') this.#claimed(event.batchId, event.itemCount)
    else if (event.type === 'batch-finished') this.#finished(event.batchId)
    else if (event.type === 'load-finished') this.#move(event.instanceId, 'ready')
    else if (event.type === 'load-failed' || event.type === 'instance-failed')
      this.#move(event.instanceId, 'stopping')
    else if (event.type === 'memory-released') this.#released(event.instanceId)
    else if (event.type === 'memory-observed') this.#observed(event)
    else if (event.type === 'timer-fired') this.#woke()
  }

  /** After everything of a moment has come to rest. */
  afterMoment(state: State): void {
    if (!this.#isChanged) return
    this.#isChanged = false
    this.#checkState(state)
    if (this.#isHonest) this.#checkMachine()
    for (const device of state.devices) {
      const booked = this.#bookedBytes(device.id)
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
      for (const batch of this.#batches.values())
        if (batch.instanceId === instanceId) bookedCount += batch.itemCount
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
        takenBytes <= lineBytes || !device.tells,
        () => `${id} holds ${takenBytes} bytes; its line is ${lineBytes}`,
      )
    }
  }

  #checkState(state: State): void {
    const broken = brokenInvariants(state)
    this.#check(broken.length === 0, () => broken.join('; '))
  }

  #bookedBytes(deviceId: DeviceId): number {
    let bytes = 0
    for (const each of this.instances.values()) if (each.deviceId === deviceId) bytes += each.bytes
    for (const each of this.#batches.values()) if (each.deviceId === deviceId) bytes += each.bytes
    return bytes
  }

  #command(command: Command): void {
    const { nowMs } = this.#context.agenda
    this.#commandCount = this.#commandAtMs === nowMs ? this.#commandCount + 1 : 0
    this.#commandAtMs = nowMs
    if (this.#commandCount > maxCommands) {
      this.#context.fail(`more than ${maxCommands} commands in one moment, the last: ${command.type}`)
      throw new Error(this.#context.violation!) // nothing else ends a loop of the daemon
    }
    if (command.type === 'start-load') this.#loadStarted(command)
    else if (command.type === 'run-batch') this.#batchStarted(command)
    else if (command.type === 'stop-instance') this.#move(command.instanceId, 'stopping')
  }

  /** (2), (4), (6) */
  #loadStarted({ instanceId, modelId, deviceId, bytes }: Extract<Command, { type: 'start-load' }>): void {
    const { vramBytes } = this.#modelOf(modelId)
    this.#check(bytes === vramBytes, () => `${instanceId} books ${bytes} of ${vramBytes} bytes`)
    const left = this.#machine.alive().find(({ life, isRecorded }) => life !== this.#life && isRecorded)
    this.#check(!left, () => `${instanceId} is loaded while ${left!.instanceId} of an earlier daemon lives`)
    if (deviceId !== cpuDeviceId) {
      const isRead = this.#lines.has(deviceId)
      this.#check(isRead, () => `${instanceId} is loaded on ${deviceId}, which was not read yet`)
    }
    for (const other of this.instances.values()) {
      const isLoading =
        other.deviceId === deviceId && other.phase === 'starting' && other.bytes > 0 && bytes > 0
      this.#check(!isLoading, () => `${instanceId} is a second load in flight on ${deviceId}`)
    }
    this.instances.set(instanceId, { deviceId, modelId, bytes, phase: 'starting' })
    this.#checkLine(deviceId)
  }

  #batchStarted(command: Extract<Command, { type: 'run-batch' }>): void {
    const { batchId, instanceId, modelId, deviceId, maxCount: itemCount, bytes } = command
    const { activationBytes } = this.#modelOf(modelId).batch
    const neededBytes = itemCount * activationBytes
    this.#check(bytes === neededBytes, () => `${batchId} books ${bytes} of ${neededBytes} bytes`)
    const phase = this.instances.get(instanceId)?.phase
    this.#check(phase === 'ready', () => `${batchId} goes to ${instanceId}, which is ${phase}`)
    this.#batches.set(batchId, { instanceId, deviceId, modelId, itemCount, bytes })
    if (bytes > 0) this.#checkLine(deviceId)
  }

  #claimed(batchId: string, itemCount: number): void {
    const batch = this.#batches.get(batchId)
    if (!batch) return
    this.#check(
      itemCount <= batch.itemCount,
      () => `${batchId} has ${itemCount} items; ${batch.itemCount} were asked for`,
    )
    if (itemCount === 0) this.#finished(batchId)
    batch.itemCount = itemCount
    batch.bytes = itemCount * this.#modelOf(batch.modelId).batch.activationBytes
  }

  /** What it held goes with an instance that is on its way out. */
  #finished(batchId: string): void {
    const batch = this.#batches.get(batchId)
    const instance = batch && this.instances.get(batch.instanceId)
    if (batch && instance?.phase === 'stopping') instance.bytes += batch.bytes
    this.#batches.delete(batchId)
  }

  #checkLine(deviceId: DeviceId): void {
    if (deviceId === cpuDeviceId) return
    const booked = this.#bookedBytes(deviceId)
    const line = this.#lines.get(deviceId) ?? 0
    this.#check(booked <= line, () => `${deviceId}: ${booked} bytes are booked; the line is ${line}`)
  }

  #woke(): void {
    const second = Math.floor(this.#context.agenda.nowMs / 1000)
    this.#wakeCount = second === this.#wakeSecond ? this.#wakeCount + 1 : 1
    this.#wakeSecond = second
    this.#check(this.#wakeCount <= maxWakes, () => `the daemon wakes more than ${maxWakes} times in a second`)
  }

  #observed({
    deviceId,
    capacityBytes,
    foreignBytes,
  }: Extract<SchedulerEvent, { type: 'memory-observed' }>): void {
    const { safetyRatio } = this.#machine.devices.get(deviceId)!.options
    this.#lines.set(deviceId, Math.max(0, Math.floor(capacityBytes * safetyRatio!) - foreignBytes))
  }

  #move(instanceId: InstanceId, phase: BookedInstance['phase']): void {
    const instance = this.instances.get(instanceId)
    if (instance && (phase === 'stopping' || instance.phase === 'starting')) instance.phase = phase
  }

  /** (3) */
  #released(instanceId: InstanceId): void {
    for (const process of this.#machine.processes.values()) {
      if (process.life !== this.#life || process.instanceId !== instanceId) continue
      const isTold = process.deviceId !== null && this.#machine.devices.get(process.deviceId)!.tells
      this.#check(!process.isAlive, () => `the bytes of ${instanceId} are given back; its process lives`)
      this.#check(
        process.bytes === 0 || !isTold,
        () => `the bytes of ${instanceId} are given back; the device still shows ${process.bytes}`,
      )
    }
    this.instances.delete(instanceId)
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
    this.#runStarted(instance.model.id, items)
  }

  batchEnded({ instanceId }: SimulatedInstance, itemCount: number): void {
    this.#running.set(instanceId, this.#running.get(instanceId)! - itemCount)
  }

  #modelOf(modelId: string) {
    return this.#context.world.models.find(({ id }) => id === modelId)!
  }

  #check(holds: boolean, sentence: () => string): void {
    this.#context.check(holds, sentence)
  }
}
