// What runs measured of each model, from their record: loads, mean load time, and the most memory an instance held.
import type { ModelId } from '../core/model.ts'
import type { RecordLine } from '../daemon/record.ts'

export interface Measured {
  loads: number
  /** Mean of the loads, ms. */
  loadMs: number
  /** Most bytes seen in one reading of one instance; 0: the device does not measure. */
  peakBytes: number
  /** Items that ran, and their mean share of a batch's run, ms. */
  items: number
  itemMs: number
}

export function measureModels(record: Iterable<RecordLine>): Map<ModelId, Measured> {
  const measured = new Map<ModelId, Measured>()
  const modelByInstance = new Map<string, ModelId>()
  const batches = new Map<string, { instanceId: string; itemCount: number }>()
  const of = (instanceId: string): Measured => {
    const modelId = modelByInstance.get(instanceId) ?? instanceId
    let model = measured.get(modelId)
    if (!model) {
      model = { loads: 0, loadMs: 0, peakBytes: 0, items: 0, itemMs: 0 }
      measured.set(modelId, model)
    }
    return model
  }
  for (const line of record) {
    if (line.type === 'command-issued' && line.command.type === 'start-load') {
      modelByInstance.set(line.command.instanceId, line.command.modelId)
    } else if (line.type === 'command-issued' && line.command.type === 'run-batch') {
      batches.set(line.command.batchId, { instanceId: line.command.instanceId, itemCount: 0 })
    } else if (line.type === 'batch-claimed') {
      const batch = batches.get(line.batchId)
      if (batch) batch.itemCount = line.itemCount
    } else if (line.type === 'batch-finished') {
      const batch = batches.get(line.batchId)
      batches.delete(line.batchId)
      if (!batch || batch.itemCount === 0) continue
      const model = of(batch.instanceId)
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
