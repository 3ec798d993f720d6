// A running average: it follows what it measures, and one odd observation moves it little.

/** Weight of a new observation. Chosen, not measured. */
const newWeight = 0.2

/** The average after one more observation; the first one counts whole. `count`: observations before it. */
export function averaged(mean: number, count: number, observed: number): number {
  return count === 0 ? observed : mean + newWeight * (observed - mean)
}
