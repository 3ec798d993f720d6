import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Countdown } from './countdown.ts'

/** A countdown over forecasts that are given one after another, each of which takes so long to make. */
function countdown(forecasts: (number | null)[], tookMs = 0) {
  const world = { nowMs: 1000, madeCount: 0 }
  const made = new Countdown(
    () => world.nowMs,
    async () => {
      world.nowMs += tookMs
      return forecasts[world.madeCount++] ?? null
    },
  )
  return { world, restMs: () => made.restMs() }
}

test('counts down between forecasts, and ends at zero', async () => {
  const { world, restMs } = countdown([2000])
  assert.equal(await restMs(), 2000)
  world.nowMs += 500
  assert.equal(await restMs(), 1500)
  world.nowMs += 2400
  assert.equal(await restMs(), 0)
  assert.equal(world.madeCount, 1)
})

test('makes another when the last one has stood for three seconds, or for fifty times its cost', async () => {
  const { world, restMs } = countdown([60_000, 50_000], 100)
  assert.equal(await restMs(), 60_000 - 100, 'from when it was begun')
  world.nowMs = 1000 + 4999
  await restMs()
  assert.equal(world.madeCount, 1)
  world.nowMs = 1000 + 5000
  assert.equal(await restMs(), 50_000 - 100)
})

test('many who ask at once share a forecast', async () => {
  const { world, restMs } = countdown([9000])
  assert.deepEqual(await Promise.all(Array.from({ length: 100 }, restMs)), Array(100).fill(9000))
  assert.equal(world.madeCount, 1)
})

test('asks again where it was not known', async () => {
  const { restMs } = countdown([null, 7000])
  assert.equal(await restMs(), null)
  assert.equal(await restMs(), 7000)
})
