import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cards, workItem } from '../../../test/policy/workloads.ts'
import { defineModel } from '../../core/model.ts'
import { simulate } from '../simulate.ts'
import { baselines } from './index.ts'

const model = (id: string) =>
  defineModel({ id, vram: '1GB', loadMs: 1000, batch: { perItemMs: 100, overheadMs: 0, max: 4 } })

/** `count` models in turn, three rounds, one at a time. */
function loadsOf(policy: string, count: number, roomGb: number): number {
  const models = Array.from({ length: count }, (_, index) => model(`m${index}`))
  const items = Array.from({ length: 3 * count }, (_, index) =>
    workItem(`${index}`, `m${index % count}`, 5000 * index),
  )
  const simulated = baselines.find(({ name }) => name === policy)!
  return simulate({ workload: { models, items }, devices: cards(roomGb), simulated }).loads
}

test('the LRU cliff: nothing is loaded twice while the rotation fits, everything each time when it is one too many', () => {
  for (const policy of ['fifo-lru', 'fifo-batch-lru', 'exhaustive-lru', 'ollama']) {
    assert.equal(loadsOf(policy, 5, 5), 5, policy)
    assert.equal(loadsOf(policy, 6, 5), 18, policy)
  }
})

test('with one resident model every change is a load', () => {
  for (const policy of ['seed', 'fifo', 'llama-swap']) assert.equal(loadsOf(policy, 2, 5), 6, policy)
})

test('static residency loads everything once, at the start', () => {
  assert.equal(loadsOf('triton', 5, 5), 5)
})
