import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineModel } from '../core/model.ts'
import { measuredModel } from '../forecast/plan-workload.ts'
import type { JournalLine } from './journal.ts'
import { measureModels } from './measured.ts'

/** What a record holds of an instance's life: loaded from 0 to `loadMs`, asked to stop, and gone `unloadMs`
 * later. */
function life(instanceId: string, loadMs: number, unloadMs: number, rule: string): JournalLine[] {
  const command = { instanceId, modelId: 'a', deviceId: 'gpu' }
  const lines = [
    {
      type: 'command-issued',
      atMs: 0,
      command: { ...command, type: 'start-load', reason: { rule: 'load-best' } },
    },
    { type: 'load-finished', atMs: loadMs, instanceId, loadMs },
    { type: 'command-issued', atMs: 9000, command: { ...command, type: 'stop-instance', reason: { rule } } },
    { type: 'memory-released', atMs: 9000 + unloadMs, instanceId },
  ]
  return lines as JournalLine[]
}

test('loads and unloads count with their mean times, but no unload at the end of a run, when nobody waits', () => {
  const lines = [
    ...life('a-1', 1000, 40, 'make-room'),
    ...life('a-2', 3000, 60, 'make-room'),
    ...life('a-3', 2000, 2000, 'shutdown'),
  ]
  const measured = measureModels(lines).get('a')
  const { loadMs, unloadMs } = measuredModel(defineModel({ id: 'a', vram: '1GB' }), measured)
  assert.deepEqual([loadMs, unloadMs], [2000, 50])
})

test('what was not measured is as declared', () => {
  const declared = defineModel({ id: 'a', vram: '1GB', loadMs: 5000, unloadMs: 700 })
  const [start, loaded] = life('a-1', 1000, 0, 'make-room')
  const { loadMs, unloadMs } = measuredModel(declared, measureModels([start!, loaded!]).get('a'))
  assert.deepEqual([loadMs, unloadMs], [1000, 700])
})
