import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom, spread } from './random.ts'

test('the same seed gives the same numbers, another seed others', () => {
  const numbers = (seed: number) => {
    const random = createRandom(seed)
    return Array.from({ length: 5 }, random)
  }
  assert.deepEqual(numbers(8713), numbers(8713))
  assert.notDeepEqual(numbers(8713), numbers(8714))
})

test('numbers fill the range from 0 up to 1 evenly', () => {
  const random = createRandom(1)
  const counts = new Array<number>(10).fill(0)
  for (let index = 0; index < 100_000; index++) counts[Math.floor(random() * 10)]!++
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 400, `${counts}`)
})

test('a spread has the mean 1 and the tail that its doc says', () => {
  const random = createRandom(2)
  const factors = Array.from({ length: 100_000 }, () => spread(random, 0.3)).sort((a, b) => a - b)
  const mean = factors.reduce((sum, each) => sum + each, 0) / factors.length
  assert.ok(Math.abs(mean - 1) < 0.01, `${mean}`)
  const tail = factors[99_000]! / factors[50_000]!
  assert.ok(tail > 1.9 && tail < 2.1, `${tail}`)
  assert.equal(spread(random, 0), 1)
})
