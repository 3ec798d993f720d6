// Reads the journal of a run back into what happened: for each device its memory over time, for each model on
// it the residencies (load, resident, release) and the batches. The timeline draws it and the summary counts
// it.
//
// Time is elapsed time: it starts at 0 with the first `run` line, and the pause before a resumed run is left
// out and kept as a cut. What is still open when a run ends without a word (kill -9) ends with the run's last
// line. A journal may be damaged at its end; lines about things that are not known change nothing. Where its
// first files are gone, the history begins with a snapshot: what was loaded then has been loaded since before
// the beginning. What is booked is what core/state/apply.ts books: it is asked, since that changes with what
// was measured.
import type { ModelId } from '../core/model.ts'
import type {
  BatchId,
  Command,
  DeviceId,
  EventOf,
  InstanceId,
  Reason,
  SchedulerEvent,
} from '../core/state/events.ts'
import { restoreState } from '../core/state/snapshot.ts'
import type { InstanceState, State } from '../core/state/state.ts'
import { assertVersion, goesOn, type JournalLine, type RunLine, type SnapshotLine } from './journal.ts'
import { applyWhereLinesMayLack, stateOf } from './replay.ts'

export interface RunHistory {
  pipeline: string
  /** Time in which a run was on: without the pauses between runs, ms. */
  wallMs: number
  /** Where a run ended and the next went on. Times up to `atMs` belong to the earlier run. */
  cuts: { atMs: number; pauseMs: number }[]
  /** What came before this moment is no longer in the journal, by the run's clock, ms; null: all is. */
  knownSinceMs: number | null
  /** In the order of the journal; devices without memory last. */
  devices: DeviceHistory[]
  /** Most bytes booked at one moment on all devices together. */
  peakBookedBytes: number
}

export interface DeviceHistory {
  id: DeviceId
  kind: string
  capacityBytes: number
  /** capacity × safety ratio, before foreign use. */
  budgetBytes: number
  /** In the order of the first load. */
  models: ModelHistory[]
  /** Changes of what is booked, by model (index into `models`). */
  bookings: { atMs: number; modelIndex: number; deltaBytes: number }[]
  bookedBytes: number
  peakBookedBytes: number
  /** Readings: the sum of what our instances hold. */
  measured: { atMs: number; bytes: number }[]
  /** The budget over time: it shrinks with foreign use. Only changes. */
  budgets: { atMs: number; bytes: number }[]
}

export interface ModelHistory {
  modelId: ModelId
  residencies: Residency[]
  batches: BatchRun[]
  bookedBytes: number
}

export interface Residency {
  bytes: number
  startMs: number
  /** null: it never was ready. */
  loadedMs: number | null
  /** As the runner's load took, ms. */
  loadMs: number | null
  /** When its release began; null: it was there to the end of the run. */
  stopMs: number | null
  quarantinedMs: number | null
  endMs: number
  /** null: it was there before the beginning of what is known. */
  loadReason: Reason | null
  stopReason: Reason | null
  makeRoomFor: ModelId | null
  /** Why its load failed or it ended by itself. */
  failure: string | null
}

export interface BatchRun {
  itemCount: number
  failedCount: number
  startMs: number
  endMs: number
  /** Compute as measured; null: the run ended before the batch did. */
  runMs: number | null
  /** null: it ran before the beginning of what is known. */
  reason: Reason | null
}

interface OpenBatch {
  device: DeviceHistory
  modelIndex: number
  batch: BatchRun
}

/** Throws BAD_VALUE for a journal of another version. Cost: one pass. */
export function readHistory(journal: Iterable<JournalLine>): RunHistory {
  const reader = new HistoryReader()
  for (const line of journal) reader.read(line)
  return reader.finish()
}

class HistoryReader {
  readonly #history: RunHistory = {
    pipeline: '',
    wallMs: 0,
    cuts: [],
    knownSinceMs: null,
    devices: [],
    peakBookedBytes: 0,
  }
  readonly #residencies = new Map<InstanceId, Residency>()
  readonly #batches = new Map<string, OpenBatch>()
  /** What the scheduler knew: what it booked changes with what it sees. */
  #state: State | null = null
  /** The run's own clock at its start, the latest moment seen, and the elapsed time at its start. */
  #startedAtMs = 0
  #lastAtMs = 0
  #offsetMs = 0
  #runCount = 0
  #bookedBytes = 0

  read(line: JournalLine): void {
    if (line.type === 'run') {
      this.#startRun(line)
    } else if (line.type === 'snapshot') {
      this.#takeSnapshot(line)
    } else if (this.#runCount > 0) {
      // A clock that was set back does not turn bars around.
      this.#lastAtMs = Math.max(this.#lastAtMs, line.atMs)
      this.#event(line, this.#elapsedMs())
      applyWhereLinesMayLack(this.#state!, line)
      this.#account(this.#elapsedMs())
    }
  }

  finish(): RunHistory {
    if (this.#runCount > 0) this.#endRun()
    const { devices } = this.#history
    devices.sort((a, b) => Number(a.capacityBytes === 0) - Number(b.capacityBytes === 0))
    return this.#history
  }

  #elapsedMs(): number {
    return this.#offsetMs + this.#lastAtMs - this.#startedAtMs
  }

  #startRun(line: RunLine): void {
    assertVersion(line)
    if (this.#runCount > 0) {
      this.#endRun()
      const atMs = this.#elapsedMs()
      this.#history.cuts.push({ atMs, pauseMs: Math.max(0, line.atMs - this.#lastAtMs) })
      this.#offsetMs = atMs + 1 // so that no moment belongs to two runs
    }
    this.#runCount++
    this.#startedAtMs = line.atMs
    this.#lastAtMs = line.atMs
    this.#history.pipeline = line.pipeline
    if (goesOn(line)) this.#history.knownSinceMs = line.atMs
    this.#state = stateOf(line)
    for (const { id, kind, capacityBytes, budgetBytes } of line.devices) {
      const device = this.#device(id)
      Object.assign(device, { kind, capacityBytes, budgetBytes })
      setBudget(device, this.#offsetMs, budgetBytes)
    }
  }

  /** What was there before the beginning of what is known. */
  #takeSnapshot({ snapshot }: SnapshotLine): void {
    const state = restoreState(snapshot)
    if (!state) return
    this.#state = state
    const atMs = this.#elapsedMs()
    for (const each of state.instanceById.values()) this.#takeInstance(each, atMs)
    for (const { id, instance, itemCount, isClaimed } of state.batchById.values()) {
      const { model, device } = instance
      this.#openBatch(id, { deviceId: device.id, modelId: model.model.id, reason: null }, atMs)
      if (isClaimed) this.#claimBatch(id, itemCount, atMs)
    }
    this.#account(atMs)
  }

  #takeInstance({ id, model, device, bytes, phase }: InstanceState, atMs: number): void {
    const residency = this.#openResidency(id, { modelId: model.model.id, deviceId: device.id, bytes }, atMs)
    if (phase !== 'starting') residency.loadedMs = atMs
    if (phase === 'stopping' || phase === 'quarantined') residency.stopMs = atMs
    if (phase === 'quarantined') residency.quarantinedMs = atMs
  }

  /** Whatever is open ends here: its process is gone, or will be reaped by the next start. */
  #endRun(): void {
    const atMs = this.#elapsedMs()
    this.#history.wallMs += this.#lastAtMs - this.#startedAtMs
    for (const { batch } of this.#batches.values()) batch.endMs = atMs
    this.#batches.clear()
    for (const instanceId of [...this.#residencies.keys()]) this.#endInstance(instanceId, atMs)
    for (const device of this.#history.devices) {
      const { measured, models } = device
      for (const [modelIndex, { bookedBytes }] of models.entries())
        this.#book(device, modelIndex, atMs, -bookedBytes)
      if (measured.length > 0) measured.push({ atMs, bytes: 0 })
    }
  }

  #event(event: SchedulerEvent, atMs: number): void {
    switch (event.type) {
      case 'command-issued':
        this.#command(event.command, atMs)
        break
      case 'load-finished': {
        const residency = this.#residencies.get(event.instanceId)
        if (residency?.stopMs === null) Object.assign(residency, { loadedMs: atMs, loadMs: event.loadMs })
        break
      }
      case 'load-failed':
      case 'instance-failed': {
        // A failed load and a failed instance look alike here: it is being released, and why.
        const residency = this.#residencies.get(event.instanceId)
        if (residency?.stopMs === null) Object.assign(residency, { stopMs: atMs, failure: event.message })
        break
      }
      case 'batch-claimed':
        this.#claimBatch(event.batchId, event.itemCount, atMs)
        break
      case 'batch-finished': {
        const { runMs, failedCount } = event
        const batch = this.#batches.get(event.batchId)?.batch
        if (batch) Object.assign(batch, { endMs: atMs, runMs, failedCount })
        this.#batches.delete(event.batchId)
        break
      }
      case 'memory-observed':
        this.#observe(event, atMs)
        break
      case 'memory-released':
        this.#endInstance(event.instanceId, atMs)
        break
    }
  }

  #command(command: Command, atMs: number): void {
    switch (command.type) {
      case 'start-load':
        this.#openResidency(command.instanceId, command, atMs).loadReason = command.reason
        break
      case 'run-batch':
        this.#openBatch(command.batchId, command, atMs)
        break
      case 'stop-instance': {
        const { reason: stopReason, makeRoomFor } = command
        const residency = this.#residencies.get(command.instanceId)
        if (residency?.stopMs === null) Object.assign(residency, { stopMs: atMs, stopReason, makeRoomFor })
        break
      }
      case 'quarantine': {
        const residency = this.#residencies.get(command.instanceId)
        if (residency) residency.quarantinedMs = atMs
        break
      }
    }
  }

  #openResidency(
    instanceId: InstanceId,
    { deviceId, modelId, bytes }: { deviceId: DeviceId; modelId: ModelId; bytes: number },
    atMs: number,
  ): Residency {
    const device = this.#device(deviceId)
    const modelIndex = modelIndexOf(device, modelId)
    const residency: Residency = {
      bytes,
      startMs: atMs,
      loadedMs: null,
      loadMs: null,
      stopMs: null,
      quarantinedMs: null,
      endMs: atMs,
      loadReason: null,
      stopReason: null,
      makeRoomFor: null,
      failure: null,
    }
    device.models[modelIndex]!.residencies.push(residency)
    this.#residencies.set(instanceId, residency)
    return residency
  }

  #openBatch(
    batchId: BatchId,
    { deviceId, modelId, reason }: { deviceId: DeviceId; modelId: ModelId; reason: Reason | null },
    atMs: number,
  ): void {
    const device = this.#device(deviceId)
    const modelIndex = modelIndexOf(device, modelId)
    const batch = { itemCount: 0, failedCount: 0, startMs: atMs, endMs: atMs, runMs: null, reason }
    this.#batches.set(batchId, { device, modelIndex, batch })
  }

  /** It begins; one without items is over. */
  #claimBatch(batchId: BatchId, itemCount: number, atMs: number): void {
    const open = this.#batches.get(batchId)
    if (!open || open.batch.itemCount > 0) return
    if (itemCount === 0) {
      this.#batches.delete(batchId)
      return
    }
    const { device, modelIndex, batch } = open
    const model = device.models[modelIndex]!
    batch.itemCount = itemCount
    batch.startMs = atMs
    batch.endMs = atMs
    model.batches.push(batch)
  }

  #endInstance(instanceId: InstanceId, atMs: number): void {
    const residency = this.#residencies.get(instanceId)
    if (!residency) return
    this.#residencies.delete(instanceId)
    residency.endMs = atMs
  }

  #observe(event: EventOf<'memory-observed'>, atMs: number): void {
    const device = this.#device(event.deviceId)
    const bytes = Object.values(event.bytesByInstance).reduce((sum, each) => sum + each, 0)
    device.measured.push({ atMs, bytes })
  }

  /** What is booked now, and may be. */
  #account(atMs: number): void {
    for (const { id, instances, budgetBytes } of this.#state!.devices) {
      if (instances.length === 0 && !this.#history.devices.some((each) => each.id === id)) continue
      const device = this.#device(id)
      if (device.capacityBytes > 0) setBudget(device, atMs, budgetBytes)
      const booked = device.models.map(() => 0)
      for (const { model, bytes, activeBytes } of instances)
        booked[modelIndexOf(device, model.model.id)]! += bytes + activeBytes
      for (const [modelIndex, bytes] of booked.entries())
        this.#book(device, modelIndex, atMs, bytes - device.models[modelIndex]!.bookedBytes)
    }
  }

  #book(device: DeviceHistory, modelIndex: number, atMs: number, deltaBytes: number): void {
    if (deltaBytes === 0) return
    device.bookings.push({ atMs, modelIndex, deltaBytes })
    device.models[modelIndex]!.bookedBytes += deltaBytes
    device.bookedBytes += deltaBytes
    this.#bookedBytes += deltaBytes
    device.peakBookedBytes = Math.max(device.peakBookedBytes, device.bookedBytes)
    this.#history.peakBookedBytes = Math.max(this.#history.peakBookedBytes, this.#bookedBytes)
  }

  #device(id: DeviceId): DeviceHistory {
    const known = this.#history.devices.find((each) => each.id === id)
    if (known) return known
    const device: DeviceHistory = {
      id,
      kind: '',
      capacityBytes: 0,
      budgetBytes: 0,
      models: [],
      bookings: [],
      bookedBytes: 0,
      peakBookedBytes: 0,
      measured: [],
      budgets: [],
    }
    this.#history.devices.push(device)
    return device
  }
}

function setBudget(device: DeviceHistory, atMs: number, bytes: number): void {
  if (device.budgets.at(-1)?.bytes !== bytes) device.budgets.push({ atMs, bytes })
}

function modelIndexOf(device: DeviceHistory, modelId: ModelId): number {
  const index = device.models.findIndex((each) => each.modelId === modelId)
  return index >= 0
    ? index
    : device.models.push({ modelId, residencies: [], batches: [], bookedBytes: 0 }) - 1
}
