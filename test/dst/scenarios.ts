// Seeds that found a bug, by name: their world and faults are pinned here, so that they show it again whatever happens to
// the way in which settings are drawn. Each says what it showed; test/dst/mutants.ts brings the bugs back one by one and
// sees that they are still found.
import { type FaultRates, noFaults } from './faults.ts'
import type { Settings } from './world.ts'

export interface Scenario {
  seed: number
  /** What went wrong, in one sentence. */
  showed: string
  settings: Settings
}

export function scenario(
  showed: string,
  seed: number,
  [deviceCount, modelCount, itemCount, seconds]: readonly [number, number, number, number],
  faults: Partial<FaultRates>,
): Scenario {
  const settings = {
    deviceCount,
    modelCount,
    itemCount,
    spanMs: seconds * 1000,
    faults: { ...noFaults, ...faults },
  }
  return { seed, showed, settings }
}

export const scenarios: Record<string, Scenario> = {}
