// What core/decide/admission.ts calls infeasible is infeasible: whatever is simulated
// alone on a machine never ends before the shortest way that it says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { infeasibleDeadlines, type OpenItem } from '../core/decide/admission.ts'
import { defineModel } from '../core/model.ts'
import { defaultPolicy } from '../core/policy.ts'
import { createState } from '../core/state/state.ts'
import { simulate } from './simulate.ts'
import type { WorkloadItem } from './workload.ts'

const model = fc.record({
  gb: fc.integer({ min: 0, max: 6 }),
  loadMs: fc.integer({ min: 0, max: 9000 }),
  unloadMs: fc.integer({ min: 0, max: 500 }),
  perItemMs: fc.integer({ min: 1, max: 4000 }),
})
/** Each item waits for earlier ones, by how many places before it they stand. */
const item = fc.record({
  model: fc.nat(2),
  back: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
})
const world = fc.record({
  models: fc.array(model, { minLength: 3, maxLength: 3 }),
  items: fc.array(item, { minLength: 1, maxLength: 8 }),
  deviceCount: fc.integer({ min: 1, max: 2 }),
})

test('no schedule of a job alone on its machine ends before the shortest way to its last item', () => {
  fc.assert(
    fc.property(world, ({ models: written, items: drawn, deviceCount }) => {
      const models = written.map(({ gb, perItemMs, ...rest }, index) => {
        const batch = { overheadMs: 10, perItemMs, max: 4 }
        return defineModel({ id: `m${index}`, vram: `${gb}GB`, batch, ...rest })
      })
      const devices = Array.from({ length: deviceCount }, (_, index) => {
        return { id: `gpu${index}`, kind: 'simulated', capacityBytes: 8e9, safetyRatio: 1 }
      })
      const items = drawn.map(({ model, back }, index): WorkloadItem => {
        const after = back.filter((each) => each <= index).map((each) => `i${index - each}`)
        const rest = { atMs: 0, job: 'one', priority: 0, costMs: null, tenant: null }
        return { id: `i${index}`, model: `m${model}`, after, deadlineMs: 0, ...rest }
      })
      const open = items.map(({ id, model: modelId, after }): OpenItem => {
        return { id, modelId, dependencies: after.map((each) => ({ id: each })), deadlineAtMs: 0 }
      })
      const byId = new Map(open.map((each) => [each.id, each]))
      const state = createState(models, devices, defaultPolicy)
      const ways = infeasibleDeadlines(state, open, (id) => byId.get(id) ?? null, 0)
      const { makespanMs } = simulate({ workload: { models, items }, devices })
      const longestMs = Math.max(...ways.map(({ neededMs }) => neededMs))
      assert.ok(longestMs <= makespanMs + 0.001, `${longestMs} ms, and the run took ${makespanMs} ms`)
    }),
    { numRuns: 300 },
  )
})
