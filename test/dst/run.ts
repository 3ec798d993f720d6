// Repeats one run: `node test/dst/run.ts --seed 8713 [--scenario NAME] [--log]`. It is what a failure tells to do.
import { parseArgs } from 'node:util'
import { simulate } from './simulation.ts'
import { drawSettings } from './world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    scenario: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed ?? 1)
const outcome = await simulate(seed, drawSettings(seed), values.log ? (line) => console.log(line) : null)
const faults = Object.entries(outcome.faults).filter(([, count]) => count > 0)
console.log({ ...outcome, faults: faults.map(([kind, count]) => `${kind} ${count}`).join(', ') })
