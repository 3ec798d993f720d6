// `plimsoll simulate FOLDER`: the real command over a small workload.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { emptyFolder, plimsoll } from './test-project.ts'

const model = {
  name: 'a',
  vram: '5GB',
  loadMs: 1000,
  batch: { overheadMs: 0, perItemMs: 1000, max: 1 },
}

/** An item a second for each of the tenants. */
function workload(...tenants: string[]): string {
  const folder = emptyFolder()
  writeFileSync(join(folder, 'models.json'), JSON.stringify([model]))
  const items = tenants.map((tenant, index) => ({ id: `i${index}`, model: 'a', atMs: 0, tenant }))
  writeFileSync(join(folder, 'items.jsonl'), items.map((each) => JSON.stringify(each)).join('\n'))
  return folder
}

test('shows a table by tenant where there are several, and the same in JSON', () => {
  const folder = workload('ann', 'bob', 'ann', 'ann')
  const { status, stdout } = plimsoll(folder, 'simulate', '.', '--gpu', '8GB')
  assert.equal(status, 0)
  assert.match(
    stdout,
    /By tenant\n tenant │ items │ done │ mean wait │ p99 wait │ mean turnaround │ device time │ loads\n/,
  )
  assert.match(
    stdout,
    / ann {4}│ {5}3 │ {4}3 │ .* │ {6}75\.0 % │ {2}0\.8\n bob {4}│ {5}1 │ {4}1 │ .* │ {6}25\.0 % │ {2}0\.3\n/,
  )
  const { byTenant } = JSON.parse(plimsoll(folder, 'simulate', '.', '--gpu', '8GB', '--json').stdout)
  assert.deepEqual([byTenant.ann.loads, byTenant.bob.loads, byTenant.bob.deviceRatio], [0.75, 0.25, 0.25])
  const alone = plimsoll(workload('ann', 'ann'), 'simulate', '.', '--gpu', '8GB')
  assert.doesNotMatch(alone.stdout, /By tenant/)
})
