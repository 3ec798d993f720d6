// What runs measured of each model, from their journal: loads and unloads with their mean times, the time of a batch by its
// size, and the most memory an instance held.
import type { ModelId } from '../core/model.ts'
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

/** A batch of n items takes overheadMs + perItemMs × n: the straight line through what batches took (least squares). Where
 * all had one size, or larger ones took no longer, every item has its mean share. */
export function profileOf({ itemMs, batches }: Measured): { overheadMs: number; perItemMs: number } {
  const { count, items, ms, itemsSquared, itemsMs } = batches
  const spread = count * itemsSquared - items * items
  const perItemMs = spread > 0 ? (count * itemsMs - items * ms) / spread : 0
  const overheadMs = (ms - perItemMs * items) / Math.max(1, count)
  return perItemMs > 0 && overheadMs >= 0 ? { overheadMs, perItemMs } : { overheadMs: 0, perItemMs: itemMs }
}

export function measureModels(journal: Iterable<JournalLine>): Map<ModelId, Measured> {
  const measured = new Map<ModelId, Measured>()
  const modelByInstance = new Map<string, ModelId>()
  const running = new Map<string, { instanceId: string; itemCount: number }>()
  const stoppedAtMs = new Map<string, number>()
  const of = (instanceId: string): Measured => {
    const modelId = modelByInstance.get(instanceId) ?? instanceId
    let model = measured.get(modelId)
    if (!model) {
      const batches = { count: 0, items: 0, ms: 0, itemsSquared: 0, itemsMs: 0 }
      model = { loads: 0, loadMs: 0, unloads: 0, unloadMs: 0, peakBytes: 0, items: 0, itemMs: 0, batches }
      measured.set(modelId, model)
    }
    return model
  }
  for (const line of journal) {
    if (line.type === 'snapshot') {
      for (const { id, modelId } of line.snapshot.instances) modelByInstance.set(id, modelId)
      for (const { id, instanceId, itemCount } of line.snapshot.batches)
        running.set(id, { instanceId, itemCount })
    } else if (line.type === 'command-issued' && line.command.type === 'start-load') {
      modelByInstance.set(line.command.instanceId, line.command.modelId)
    } else if (line.type === 'command-issued' && line.command.type === 'run-batch') {
      running.set(line.command.batchId, { instanceId: line.command.instanceId, itemCount: 0 })
    } else if (line.type === 'command-issued' && line.command.type === 'stop-instance') {
      // In the end all go at once, and are waited for by nobody.
      if (line.command.reason.rule !== 'shutdown') stoppedAtMs.set(line.command.instanceId, line.atMs)
    } else if (line.type === 'memory-released') {
      const fromMs = stoppedAtMs.get(line.instanceId)
      if (fromMs === undefined) continue
      const model = of(line.instanceId)
      model.unloadMs += (line.atMs - fromMs - model.unloadMs) / ++model.unloads
      stoppedAtMs.delete(line.instanceId)
    } else if (line.type === 'batch-claimed') {
      const batch = running.get(line.batchId)
      if (batch) batch.itemCount = line.itemCount
    } else if (line.type === 'batch-finished') {
      const batch = running.get(line.batchId)
      running.delete(line.batchId)
      if (!batch || batch.itemCount === 0) continue
      const model = of(batch.instanceId)
      addBatch(model.batches, batch.itemCount, line.runMs)
      model.items += batch.itemCount
      model.itemMs += (line.runMs - batch.itemCount * model.itemMs) / model.items
    } else if (line.type === 'load-finished') {
      const model = of(line.instanceId)
      model.loadMs += ((line.loadMs ?? 0) - model.loadMs) / ++model.loads
    } else if (line.type === 'memory-observed') {
      for (const [instanceId, bytes] of Object.entries(line.bytesByInstance)) {
        const model = of(instanceId)
        model.peakBytes = Math.max(model.peakBytes, bytes)
      }
    }
  }
  return measured
}

function addBatch(batches: Measured['batches'], itemCount: number, runMs: number): void {
  batches.count++
  batches.items += itemCount
  batches.ms += runMs
  batches.itemsSquared += itemCount * itemCount
  batches.itemsMs += itemCount * runMs
}
