// The only chance in the project: sfc32, a small fast generator (Chris Doty-Humphrey's
// PractRand), seeded with one number. The same seed gives the same numbers on every
// machine, so a run can be repeated byte for byte.

/** Numbers from 0 up to 1. */
export type Random = () => number

/** A generator for a seed (any number; its 32 low bits count). */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = seed | 0
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  // The first numbers still show the seed.
  for (let round = 0; round < 15; round++) next()
  return next
}

/** A gap between Poisson arrivals. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean
}

/** A factor around 1: log-normal, mean 1. Sigma 0.3 gives p99 / p50 = 2, 0.6 gives 4; 0 is always 1. */
export function spread(random: Random, sigma: number): number {
  if (sigma === 0) return 1
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Math.exp(sigma * normal - (sigma * sigma) / 2)
}
