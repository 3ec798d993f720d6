// `plimsoll simulate FOLDER`: the real command over a small workload.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plimsoll } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'

const model = {
  name: 'a',
  vram: '5GB',
  loadMs: 1000,
  batch: { overheadMs: 0, perItemMs: 1000, max: 1 },
}

/** An item a second for each of the tenants. */
function workload(...tenants: string[]): string {
  const folder = temporaryFolder('workload')
  writeFileSync(join(folder, 'models.json'), JSON.stringify([model]))
  const items = tenants.map((tenant, index) => ({ id: `i${index}`, model: 'a', atMs: 0, tenant }))
  writeFileSync(join(folder, 'items.jsonl'), items.map((each) => JSON.stringify(each)).join('\n'))
  return folder
}

test('shows a table by tenant where there are several, and the same in JSON', () => {
  const folder = workload('ann', 'bob', 'ann', 'ann')
  const { status, stdout } = plimsoll(folder, 'simulate', '.', '--gpu', '8GB')
  assert.equal(status, 0)
  const [, table] = stdout.split('By tenant\n')
  const cells = table!.split('\n').map((line) => line.split('│').map((cell) => cell.trim()))
  const columns = [
    'tenant',
    'items',
    'done',
    'mean wait',
    'p99 wait',
    'mean turnaround',
    'device time',
    'loads',
  ]
  assert.deepEqual(cells[0], columns)
  assert.deepEqual(cells[2], ['ann', '3', '3', '3 s', '4 s', '4 s', '75.0 %', '0.75'])
  assert.deepEqual(cells[3], ['bob', '1', '1', '1 s', '1 s', '2 s', '25.0 %', '0.25'])
  const { byTenant } = JSON.parse(plimsoll(folder, 'simulate', '.', '--gpu', '8GB', '--json').stdout)
  assert.deepEqual([byTenant.ann.loads, byTenant.bob.loads, byTenant.bob.deviceRatio], [0.75, 0.25, 0.25])
  const alone = plimsoll(workload('ann', 'ann'), 'simulate', '.', '--gpu', '8GB')
  assert.doesNotMatch(alone.stdout, /By tenant/)
})
