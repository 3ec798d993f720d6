import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admit } from './decide/admission.ts'
import { formatReason } from './explain/explain.ts'
import { defineModel } from './model.ts'
import { defaultPolicy, parsePolicy, policyOptions } from './policy.ts'
import { createState } from './state/state.ts'

test('every default of the policy is in its own range', () => {
  const written = Object.fromEntries(
    Object.entries(policyOptions).map(([name, { default: value }]) => [name, value]),
  )
  assert.deepEqual(parsePolicy(written), defaultPolicy)
})

test('reads durations with units, and names every fault at once', () => {
  assert.equal(parsePolicy({ maxWait: '2m' }).maxWait, 120_000)
  assert.throws(
    () => parsePolicy({ maxWait: '2 fortnights', burst: 1.5, hysteria: 2, guard: -1 }),
    (error: Error) =>
      /maxWait/.test(error.message) &&
      /burst is 1.5/.test(error.message) &&
      /hysteria is not an option/.test(error.message) &&
      /guard is -1/.test(error.message),
  )
})

test('refuses at the door what can never fit, with the numbers', () => {
  const models = [
    defineModel({ id: 'sdxl', vram: '26GB' }),
    defineModel({ id: 'tight', vram: '14GB', batch: { activation: '1GB' } }),
  ]
  const state = createState(models, [{ id: 'gpu', kind: 'static', capacityBytes: 16e9 }], defaultPolicy)
  assert.throws(() => admit(state, 'sdxl'), {
    code: 'NEVER_FITS',
    message:
      'Model "sdxl" needs 26 GB; the largest device offers 14.4 GB (16 GB × 0.9). Use a smaller variant, a larger device or a higher safety.',
  })
  assert.throws(() => admit(state, 'tight'), /needs 15 GB/)
  assert.throws(() => admit(state, 'sdlx'), { code: 'UNKNOWN_MODEL' })
})

test('refuses a model whose numbers make no sense', () => {
  assert.throws(
    () => defineModel({ id: 'm', vram: '1GB', batch: { max: 0 } }),
    /batch.max 0; it must be a whole number from 1/,
  )
  assert.throws(() => defineModel({ id: 'm', vram: '1GB', loadMs: Number.NaN }), /loadMs NaN/)
  assert.throws(
    () => defineModel({ id: 'm', vram: 0, batch: { activation: 5 } }),
    /batch.activation 5; it must be zero, as its vram is/,
  )
})

test('says a reason in a sentence with its figures', () => {
  assert.equal(
    formatReason({ rule: 'load-best', figures: { worth: 3, readyCount: 12 } }),
    'its queue deserves the device most (12 ready)',
  )
})
