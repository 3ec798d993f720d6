// What runs measured of each model, from their journal: loads and unloads with their mean times, the time of
// a batch by its size, and the most memory an instance held.
import type { ModelId } from '../core/model.ts'
import type { EventOf, InstanceId } from '../core/state/events.ts'
import type { JournalLine } from './journal.ts'

export interface Measured {
  loads: number
  /** Mean of the loads, ms. */
  loadMs: number
  /** Stops during a run after which the memory came back, and the mean time until it did, ms. */
  unloads: number
  unloadMs: number
  /** Most bytes seen in one reading of one instance; 0: the device does not measure. */
  peakBytes: number
  /** Items that ran, and their mean share of a batch's run, ms. */
  items: number
  itemMs: number
  /** Sums over the batches, for `profileOf`. */
  batches: { count: number; items: number; ms: number; itemsSquared: number; itemsMs: number }
}

/** A batch of n items takes overheadMs + perItemMs × n: the straight line through what batches took (least
 * squares). Where all had one size, or larger ones took no longer, every item has its mean share. */
export function profileOf({ itemMs, batches }: Measured): { overheadMs: number; perItemMs: number } {
  const { count, items, ms, itemsSquared, itemsMs } = batches
  const spread = count * itemsSquared - items * items
  const perItemMs = spread > 0 ? (count * itemsMs - items * ms) / spread : 0
  const overheadMs = (ms - perItemMs * items) / Math.max(1, count)
  return perItemMs > 0 && overheadMs >= 0 ? { overheadMs, perItemMs } : { overheadMs: 0, perItemMs: itemMs }
}

/** Of a whole journal. */
export function measureModels(journal: Iterable<JournalLine>): ReadonlyMap<ModelId, Measured> {
  const measuring = new Measuring()
  for (const line of journal) measuring.add(line)
  return measuring.models
}

/** Of lines, in order, as they come. */
export class Measuring {
  readonly #models = new Map<ModelId, Measured>()
  readonly #modelByInstance = new Map<string, ModelId>()
  readonly #running = new Map<string, { instanceId: InstanceId; itemCount: number }>()
  readonly #stoppedAtMs = new Map<string, number>()

  get models(): ReadonlyMap<ModelId, Measured> {
    return this.#models
  }

  add(line: JournalLine): void {
    if (line.type === 'snapshot') this.#goOnFrom(line)
    else if (line.type === 'command-issued') this.#addCommand(line)
    else if (line.type === 'memory-released') this.#addRelease(line)
    else if (line.type === 'batch-claimed') {
      const batch = this.#running.get(line.batchId)
      if (batch) batch.itemCount = line.itemCount
    } else if (line.type === 'batch-finished') this.#addBatch(line)
    else if (line.type === 'load-finished') {
      const model = this.#of(line.instanceId)
      model.loadMs += ((line.loadMs ?? 0) - model.loadMs) / ++model.loads
    } else if (line.type === 'memory-observed') {
      for (const [instanceId, bytes] of Object.entries(line.bytesByInstance)) {
        const model = this.#of(instanceId)
        model.peakBytes = Math.max(model.peakBytes, bytes)
      }
    }
  }

  #of(instanceId: InstanceId): Measured {
    const modelId = this.#modelByInstance.get(instanceId) ?? String(instanceId) // its load is not in the journal
    let model = this.#models.get(modelId)
    if (!model) {
      const batches = { count: 0, items: 0, ms: 0, itemsSquared: 0, itemsMs: 0 }
      model = { loads: 0, loadMs: 0, unloads: 0, unloadMs: 0, peakBytes: 0, items: 0, itemMs: 0, batches }
      this.#models.set(modelId, model)
    }
    return model
  }

  #goOnFrom({ snapshot }: Extract<JournalLine, { type: 'snapshot' }>): void {
    for (const { id, modelId } of snapshot.instances) this.#modelByInstance.set(id, modelId)
    for (const { id, instanceId, itemCount } of snapshot.batches)
      this.#running.set(id, { instanceId, itemCount })
  }

  #addCommand({ atMs, command }: EventOf<'command-issued'>): void {
    if (command.type === 'start-load') this.#modelByInstance.set(command.instanceId, command.modelId)
    else if (command.type === 'run-batch')
      this.#running.set(command.batchId, { instanceId: command.instanceId, itemCount: 0 })
    // In the end all go at once, and are waited for by nobody.
    else if (command.type === 'stop-instance' && command.reason.rule !== 'shutdown')
      this.#stoppedAtMs.set(command.instanceId, atMs)
  }

  #addRelease({ instanceId, atMs }: EventOf<'memory-released'>): void {
    const fromMs = this.#stoppedAtMs.get(instanceId)
    if (fromMs === undefined) return
    const model = this.#of(instanceId)
    model.unloadMs += (atMs - fromMs - model.unloadMs) / ++model.unloads
    this.#stoppedAtMs.delete(instanceId)
  }

  #addBatch({ batchId, runMs }: EventOf<'batch-finished'>): void {
    const batch = this.#running.get(batchId)
    this.#running.delete(batchId)
    if (!batch || batch.itemCount === 0) return
    const model = this.#of(batch.instanceId)
    addBatch(model.batches, batch.itemCount, runMs)
    model.items += batch.itemCount
    model.itemMs += (runMs - batch.itemCount * model.itemMs) / model.items
  }
}

function addBatch(batches: Measured['batches'], itemCount: number, runMs: number): void {
  batches.count++
  batches.items += itemCount
  batches.ms += runMs
  batches.itemsSquared += itemCount * itemCount
  batches.itemsMs += itemCount * runMs
}
