// What must hold of loads besides memory: when one may begin. Failures are counted here
// from the events alone.
//
//  (1) After a failure there is a pause, twice as long after each further one, up to five minutes.
//      A load that left no room for a batch has failed; the first batch of the model ends the row.
//  (2) The first load that ran out of memory is tried again without a pause, once; on a
//      device where nothing idle is left and nothing is on its way back.
//  (3) A queue fails only after as many failures as the policy says, or after one for good, after which
//      nothing of its model is loaded; or when no device is large enough for what
//      its model was seen to need.
//  (4) Nothing is loaded ahead while a model that is needed waits for quarantined bytes;
//      nor a model that has been loaded in vain again and again, and gone for being idle.
import { leastBytes, type Model, type ModelId } from '../../../src/core/model.ts'
import type { Command, CommandOf, DeviceId, EventOf, SchedulerEvent } from '../../../src/core/state/events.ts'
import { cpuDeviceId, type State } from '../../../src/core/state/state.ts'
import type { Context } from '../world/context.ts'
import { stayingBytes } from './liveness.ts'

/** The longest pause, ms. */
const longestPauseMs = 300_000

/** Arrivals are awaited until two have been missed, if a fifth of their gap is less
 * than the keepAlive: six times that. */
const mostUnused = 7

interface Failures {
  count: number
  /** By the daemon's clock. */
  pauseUntilMs: number
  /** The last load ran out of memory, and it is the first of its row that did. */
  needsRoom: boolean
  /** The last load failed for good. */
  isBroken: boolean
  /** Instances that have gone for being idle and had no batch, since the last one. */
  unusedCount: number
}

export class LoadChecks {
  readonly #context: Context
  readonly #neededBytes: (model: Model, deviceId: DeviceId) => number
  readonly #failures = new Map<ModelId, Failures>()

  /** `neededBytes`: room on a device in which a model can be loaded and run an item, as far as was seen. */
  constructor(context: Context, neededBytes: (model: Model, deviceId: DeviceId) => number) {
    this.#context = context
    this.#neededBytes = neededBytes
  }

  /** Before the daemon applies it. */
  event(event: SchedulerEvent, state: State): void {
    if (event.type === 'command-issued') this.#command(event.command, event.atMs, state)
    else if (event.type === 'load-failed') this.#failed(event, state)
    else if (event.type === 'load-finished')
      Object.assign(this.#of(modelIdOf(event, state)), { needsRoom: false, isBroken: false })
    else if (event.type === 'batch-claimed' && event.itemCount > 0) {
      const modelId = state.batchById.get(event.batchId)?.instance.model.model.id
      if (modelId !== undefined) Object.assign(this.#of(modelId), { count: 0, unusedCount: 0 })
    }
  }

  #command(command: Command, atMs: number, state: State): void {
    if (command.type === 'start-load') {
      this.#started(command, atMs, state)
      if (command.reason.rule === 'prefetch') this.#loadedAhead(command, state)
    } else if (command.type === 'fail-queue') this.#queueFailed(command, state)
    else if (command.type === 'stop-instance') this.#stopped(command, atMs, state)
  }

  #stopped(
    { instanceId, modelId, makeRoomFor, reason: { rule } }: CommandOf<'stop-instance'>,
    atMs: number,
    state: State,
  ): void {
    const hasRun = (state.instanceById.get(instanceId)?.batchCount ?? 1) > 0
    if (hasRun) return
    if (rule === 'no-room' && makeRoomFor === null) this.#pause(modelId, atMs)
    if (rule === 'idle') this.#of(modelId).unusedCount++
  }

  #failed(event: EventOf<'load-failed'>, state: State): void {
    const { instanceId, atMs, isOutOfMemory = false, isFinal = false } = event
    const instance = state.instanceById.get(instanceId)
    if (instance?.phase !== 'starting') return
    const { id } = instance.model.model
    const failures = this.#of(id)
    failures.needsRoom = isOutOfMemory && !failures.needsRoom
    failures.isBroken = isFinal && !isOutOfMemory
    if (!failures.needsRoom) this.#pause(id, atMs)
  }

  /** (1) */
  #pause(modelId: ModelId, atMs: number): void {
    const failures = this.#of(modelId)
    const { loadCooldown } = this.#context.world.policy
    failures.pauseUntilMs = atMs + Math.min(longestPauseMs, loadCooldown * 2 ** failures.count)
    failures.count++
  }

  /** (1), (2) */
  #started({ instanceId, modelId, deviceId }: CommandOf<'start-load'>, atMs: number, state: State): void {
    const { pauseUntilMs, needsRoom, isBroken } = this.#of(modelId)
    this.#check(!isBroken, () => `${instanceId} is loaded although the last load failed for good`)
    this.#check(
      atMs >= pauseUntilMs,
      () => `${instanceId} is loaded ${pauseUntilMs - atMs} ms before the pause after a failure ends`,
    )
    if (!needsRoom || deviceId === cpuDeviceId) return
    const { instances, ledger } = state.deviceById.get(deviceId)!
    const idle = instances.find(
      ({ phase, runningCount, model }) =>
        phase === 'ready' && runningCount + model.readyCount === 0 && !model.model.isPinned,
    )
    this.#check(
      !idle,
      () => `${instanceId} ran out of memory and is loaded again beside ${idle!.id}, which is idle`,
    )
    this.#check(
      ledger.releasingBytes === 0,
      () =>
        `${instanceId} ran out of memory and is loaded again while ${ledger.releasingBytes} bytes are on their way`,
    )
  }

  /** (3) */
  #queueFailed({ modelId, reason: { rule } }: CommandOf<'fail-queue'>, state: State): void {
    const { count, isBroken } = this.#of(modelId)
    const { maxLoadFailures } = this.#context.world.policy
    if (rule === 'cannot-load') {
      this.#check(isBroken, () => `the queue of ${modelId} fails (${rule}), and no load has failed for good`)
      return
    }
    if (rule === 'loads-failed') {
      this.#check(count >= maxLoadFailures, () => `the queue of ${modelId} fails after ${count} failures`)
      return
    }
    const { declared } = state.modelById.get(modelId)!
    const large = state.devices.find((device) => {
      if (device.fault !== null && device.capacityBytes === 0) return true // nobody knows
      const lineBytes = Math.floor(device.capacityBytes * device.safetyRatio)
      return this.#neededBytes(declared, device.id) <= lineBytes - stayingBytes(device)
    })
    this.#check(!large, () => `the queue of ${modelId} fails (${rule}), and ${large!.id} is large enough`)
  }

  /** (4) Of models of which nothing is known but what they declare. */
  #loadedAhead({ instanceId, modelId, deviceId }: CommandOf<'start-load'>, state: State): void {
    const { unusedCount } = this.#of(modelId)
    this.#check(
      unusedCount < mostUnused,
      () => `${instanceId} is loaded ahead, after ${unusedCount} that went unused`,
    )
    const device = state.deviceById.get(deviceId)!
    if (device.ledger.quarantinedBytes === 0) return
    const needed = state.models.find(
      ({ declared, readyCount, instances, footprints }) =>
        readyCount > 0 &&
        instances.length === 0 &&
        footprints.length === 0 &&
        declared.vramBytes > 0 &&
        leastBytes(declared) <= device.budgetBytes - stayingBytes(device) &&
        (this.#failures.get(declared.id)?.count ?? 0) === 0 &&
        !this.#failures.get(declared.id)?.needsRoom,
    )
    this.#check(
      !needed,
      () => `${instanceId} is loaded ahead, and ${needed!.model.id} waits for quarantined bytes`,
    )
  }

  #of(modelId: ModelId): Failures {
    let failures = this.#failures.get(modelId)
    if (!failures) {
      failures = { count: 0, pauseUntilMs: 0, needsRoom: false, isBroken: false, unusedCount: 0 }
      this.#failures.set(modelId, failures)
    }
    return failures
  }

  #check(holds: boolean, sentence: () => string): void {
    this.#context.check(holds, sentence)
  }
}

function modelIdOf({ instanceId }: { instanceId: string }, state: State): ModelId {
  return state.instanceById.get(instanceId)?.model.model.id ?? ''
}
