// The compiler is what is tested here: a line that it no longer refuses fails `tsc` (`@ts-expect-error`).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModelId } from './model.ts'
import type { BatchId, DeviceId, InstanceId } from './state/events.ts'
import type { ItemId } from './work/item.ts'

test('a string may become any id, and no id is taken for one of another kind', () => {
  const model: ModelId = 'whisper'
  const device: DeviceId = 'gpu0'
  const instance: InstanceId = `${model}-1`
  const batch: BatchId = 'batch-1'
  const item: ItemId = 'a.mp4:transcribe'
  // @ts-expect-error a model is no device
  const deviceOfModel: DeviceId = model
  // @ts-expect-error a device is no instance
  const instanceOfDevice: InstanceId = device
  // @ts-expect-error an instance is no batch
  const batchOfInstance: BatchId = instance
  // @ts-expect-error a batch is no item
  const itemOfBatch: ItemId = batch
  // @ts-expect-error an item is no model
  const modelOfItem: ModelId = item
  const deviceById = new Map<DeviceId, string>([[device, 'a device']])
  // @ts-expect-error nor as the key of a map
  assert.equal(deviceById.get(model), undefined)
  const bytesByInstance: Record<InstanceId, number> = { [instance]: 1 }
  // @ts-expect-error nor of a record
  assert.equal(bytesByInstance[device], undefined)
  const text: string = item
  assert.deepEqual(
    [deviceOfModel, instanceOfDevice, batchOfInstance, itemOfBatch, modelOfItem],
    [model, device, instance, batch, text],
  )
})
