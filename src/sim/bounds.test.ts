import assert from 'node:assert/strict'
import { test } from 'node:test'
import { videoModels, videosAtOnce, workItem } from '../../test/policy/workloads.ts'
import { defineModel } from '../core/model.ts'
import { boundsOf } from './bounds.ts'

const card = (gb: number) => ({ budgetBytes: gb * 1e9, slots: 1 })

test("meets the lab's LB2 for videos at once", () => {
  assert.equal(Math.round(boundsOf(videosAtOnce(10), [card(7.2)]).makespanMs), 41_400)
  assert.equal(Math.round(boundsOf(videosAtOnce(500), [card(14.4)]).makespanMs), 1_492_139)
  assert.equal(Math.round(boundsOf(videosAtOnce(500), [card(7.2), card(7.2)]).makespanMs), 748_069)
  assert.equal(boundsOf(videosAtOnce(10), [card(7.2)]).loads, 5)
})

test('what arrives late is computed late', () => {
  const items = [workItem('1', 'clap', 1000), workItem('2', 'clap', 501_000)]
  assert.equal(boundsOf({ models: videoModels, items }, [card(16)]).makespanMs, 500_000 + 200)
})

test('a chain takes the sum of its items, after the first load', () => {
  const model = defineModel({
    id: 'm',
    vram: '1GB',
    loadMs: 700,
    batch: { perItemMs: 100, overheadMs: 10, max: 4 },
  })
  const items = [0, 1, 2].map((index) =>
    workItem(`${index}`, 'm', 0, { after: index > 0 ? [`${index - 1}`] : [] }),
  )
  assert.equal(boundsOf({ models: [model], items }, [card(2)]).makespanMs, 700 + 3 * 110)
})

test('models that never fit together add up on one device', () => {
  const big = (id: string) =>
    defineModel({ id, vram: '6GB', loadMs: 1000, batch: { perItemMs: 500, overheadMs: 0 } })
  const items = [workItem('1', 'a', 0), workItem('2', 'b', 0)]
  assert.equal(boundsOf({ models: [big('a'), big('b')], items }, [card(10)]).makespanMs, 3000)
})
