// What must hold of instances over their life besides memory: who goes, who stays, and
// when. What is waited for is counted in simulated time; everything else holds as soon
// as a moment has come to rest, since the daemon decides at once.
//
//  (1) Nothing rests on a device that is not well.
//  (2) An instance that holds much more after each of many batches goes, and for no less
//      than that. While more is held than may be, nothing idle stays, unless it is pinned.
//  (3) An instance goes for being idle when its model has had nothing to do for as long
//      as its keepAlive: not before, and not after.
//  (4) What runs a batch is left to finish; what has work does not go for the sake of
//      the line; what is pinned goes only for its own sake: when its device is not well,
//      when it leaks, or has no room for a batch; and that only as it was seen at rest.
//  (5) Memory that is back is told of within some looks at the device. Memory that is not has a
//      cause, which names the process that is still there, and is put into quarantine in time.

import type { CommandOf, InstanceId } from '../../../src/core/state/events.ts'
import { bookedBytes } from '../../../src/core/state/ledger.ts'
import type { DeviceState, InstanceState, State } from '../../../src/core/state/state.ts'
import type { Context } from '../world/context.ts'
import type { Life } from '../world/life.ts'
import type { Machine, Process } from '../world/machine.ts'
import { leaks } from './leaks.ts'
import type { ReferenceLedger } from './reference-ledger.ts'

type StopCommand = CommandOf<'stop-instance'>

/** What has come to rest. `isWorking`: the daemon has read its devices, and neither drains nor has ended. */
export interface Moment {
  readonly state: State
  readonly isWorking: boolean
}

/** A timer of the daemon may come so much later, ms: whole milliseconds, and one is the least. */
const timerMs = 2

/** Looks at a device after which what is back must be known, and the longest time for one of them, ms. */
const lookCount = 3
const lookMs = 10

export class LifecycleChecks {
  readonly #context: Context
  readonly #machine: Machine
  readonly #life: Life
  readonly #reference: ReferenceLedger
  /** Since when its model has had nothing to do. */
  readonly #idleSince = new Map<InstanceId, number>()
  /** When the end of an instance began, and calm time since its memory came back, ms. */
  readonly #ends = new Map<InstanceId, { beganAtMs: number; backMs: number }>()
  #lastAtMs = 0

  /** `reference`: what was seen of instances. */
  constructor(context: Context, machine: Machine, life: Life, reference: ReferenceLedger) {
    this.#context = context
    this.#machine = machine
    this.#life = life
    this.#reference = reference
  }

  /** Before the daemon carries it out. */
  stopped({ instanceId, makeRoomFor, reason: { rule } }: StopCommand, state: State): void {
    const instance = state.instanceById.get(instanceId)
    if (!instance || rule === 'shutdown') return
    const { model, runningCount, device } = instance
    const { keepAliveMs, isPinned } = model.model
    this.#check(runningCount === 0, () => `${instanceId} is stopped (${rule}) while it runs a batch`)
    const isForItself = makeRoomFor === null && ['device-fault', 'leaks', 'no-room'].includes(rule)
    this.#check(!isPinned || isForItself, () => `${instanceId} is stopped (${rule}) and is pinned`)
    if (rule === 'over-the-line') {
      this.#check(model.readyCount === 0, () => `${instanceId} goes for the sake of the line and has work`)
      this.#check(overBytes(device) > 0, () => `${instanceId} goes for the sake of the line, which is kept`)
    }
    if (rule === 'no-room' && makeRoomFor === null) this.#checkSeenAtRest(instanceId)
    if (rule === 'leaks')
      this.#check(this.#leaks(instanceId), () => `${instanceId} goes for a leak it does not have`)
    if (rule !== 'idle') return
    this.#watchIdle(instance, this.#context.agenda.nowMs)
    const sinceMs = this.#idleSince.get(instanceId)
    this.#check(
      sinceMs !== undefined,
      () => `${instanceId} goes for being idle, and its model has something to do`,
    )
    const idleMs = this.#context.agenda.nowMs - sinceMs!
    this.#check(
      idleMs >= keepAliveMs!,
      () => `${instanceId} goes after ${idleMs} ms; its keepAlive is ${keepAliveMs}`,
    )
  }

  afterMoment({ state, isWorking }: Moment): void {
    const { nowMs } = this.#context.agenda
    const passedMs = nowMs - this.#lastAtMs
    this.#lastAtMs = nowMs
    for (const instance of state.instanceById.values()) this.#watchIdle(instance, nowMs)
    this.#watchEnds({ state, isWorking }, passedMs)
    if (!isWorking) return
    for (const device of state.devices) this.#checkResting(device)
    for (const [id, sinceMs] of this.#idleSince) {
      const instance = state.instanceById.get(id)
      if (instance?.phase !== 'ready') this.#idleSince.delete(id)
      else this.#checkIdle(instance, nowMs - sinceMs)
    }
  }

  #watchIdle({ id, phase, model, runningCount }: InstanceState, nowMs: number): void {
    const { readyCount, claimingCount, blockedCount } = model
    const isIdle = phase === 'ready' && runningCount + readyCount + claimingCount + blockedCount === 0
    if (!isIdle) this.#idleSince.delete(id)
    else if (!this.#idleSince.has(id)) this.#idleSince.set(id, nowMs)
  }

  /** (1), (2) */
  #checkResting(device: DeviceState): void {
    const resting = device.instances.filter(
      ({ phase, runningCount }) => phase === 'ready' && runningCount === 0,
    )
    this.#check(
      device.fault === null || resting.length === 0,
      () => `${resting[0]!.id} stays on ${device.id}, which is not well: ${device.fault}`,
    )
    const leaking = resting.find(({ id }) => this.#leaks(id))
    this.#check(!leaking, () => `${leaking!.id} holds more and more, and stays`)
    const idle = resting.find(
      ({ model, bytes }) => model.readyCount === 0 && !model.model.isPinned && bytes > 0,
    )
    const bytes = overBytes(device) - device.ledger.releasingBytes
    this.#check(
      bytes <= 0 || !idle,
      () => `${idle!.id} stays on ${device.id}, where ${bytes} bytes more are held than may be`,
    )
  }

  /** What it held while it was loaded may be more than what stays. */
  #checkSeenAtRest(instanceId: InstanceId): void {
    const { seenBytes, freshBytes, hasRun } = this.#reference.instances.get(instanceId)!
    this.#check(
      seenBytes === null || freshBytes !== null || hasRun,
      () => `${instanceId} goes since it has no room, and was only seen while it was loaded`,
    )
  }

  #leaks(instanceId: InstanceId): boolean {
    return leaks(this.#reference.instances.get(instanceId)!)
  }

  /** (3) */
  #checkIdle({ id, model }: InstanceState, idleMs: number): void {
    const { keepAliveMs, isPinned } = model.model
    this.#check(
      isPinned || keepAliveMs === null || idleMs <= keepAliveMs + timerMs,
      () => `${id} is still there after ${idleMs} ms; its keepAlive is ${keepAliveMs}`,
    )
  }

  /** (5) */
  #watchEnds({ state, isWorking }: Moment, passedMs: number): void {
    const { nowMs } = this.#context.agenda
    for (const [id, end] of this.#ends) {
      const instance = state.instanceById.get(id)
      if (!instance) this.#ends.delete(id)
      else {
        this.#checkEnd(instance, end, passedMs)
        if (isWorking) this.#checkQuarantine(instance, nowMs - end.beganAtMs)
      }
    }
    for (const { id, phase } of state.instanceById.values())
      if (phase === 'stopping' && !this.#ends.has(id)) this.#ends.set(id, { beganAtMs: nowMs, backMs: 0 })
  }

  #checkEnd(
    { id, device, releaseCause }: InstanceState,
    end: { beganAtMs: number; backMs: number },
    passedMs: number,
  ): void {
    const { agenda, disturbedUntilMs } = this.#context
    const isCalm = agenda.nowMs > disturbedUntilMs
    const lateMs = agenda.nowMs - end.beganAtMs
    const pollMs = lateMs < 5000 ? 250 : lateMs < 30_000 ? 1000 : 5000
    const limitMs = lookCount * (pollMs + lookMs)
    if (isCalm && this.#isBack(id, device.id)) end.backMs += passedMs
    this.#check(
      end.backMs <= limitMs,
      () => `the bytes of ${id} have been back for ${end.backMs} ms, and it is not told`,
    )
    if (lateMs <= 5000 + limitMs || !isCalm) return
    const process = this.#processOf(id)
    const name = process?.isAlive ? `process ${process.pid} ` : ''
    this.#check(
      releaseCause?.includes(name) ?? false,
      () => `${id} has been on its way out for ${lateMs} ms, and nothing says why: ${releaseCause}`,
    )
  }

  #checkQuarantine({ id, phase }: InstanceState, lateMs: number): void {
    this.#check(
      phase !== 'stopping' || lateMs <= this.#context.world.policy.releaseTimeout + timerMs,
      () => `${id} has been on its way out for ${lateMs} ms, and is not in quarantine`,
    )
  }

  /** Nothing of it is left, and it can be seen: where nobody says who holds what,
   * nothing else is there either. */
  #isBack(instanceId: InstanceId, deviceId: string): boolean {
    const device = this.#machine.devices.get(deviceId)
    if (this.#processOf(instanceId) || !device) return false
    return !device.tells || device.hasAttributed || this.#machine.takenBytes(device) === 0
  }

  #processOf(instanceId: string): Process | undefined {
    const processes = [...this.#machine.processes.values()]
    return processes.find((each) => each.life === this.#life && each.instanceId === instanceId)
  }

  #check(holds: boolean, sentence: () => string): void {
    this.#context.check(holds, sentence)
  }
}

/** Held beyond the line, as the daemon knows it. */
function overBytes({ budgetBytes, ledger, deficitBytes }: DeviceState): number {
  return bookedBytes(ledger) + deficitBytes - budgetBytes
}
