// Repeats one run and prints its log and what came of it: `node test/dst/run.ts --seed 8713 [--scenario
// NAME] [--log]`. It is what a failure tells to do. A scenario brings its own seed if none is given.
import { parseArgs } from 'node:util'
import { scenarios } from './scenarios.ts'
import { settingsOf } from './seeds.ts'
import { simulate } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    scenario: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
})
const { scenario } = values
const seed = Number(values.seed ?? (scenario && scenarios[scenario]?.seed) ?? 1)
const settings = settingsOf({ seed, scenario })
const outcome = await simulate(seed, settings, values.log ? (line) => console.log(line) : null)
const { violation, digest, lineCount, lifeCount, tookMs } = outcome
const struck = Object.entries(outcome.faults).filter(([, count]) => count > 0)
console.log(
  [
    `seed ${seed}: ${settings.deviceCount} devices, ${settings.modelCount} models, ${settings.itemCount} items, ${lifeCount} starts of the daemon, ${lineCount} events in ${Math.round(tookMs / 1000)} simulated seconds`,
    `faults: ${struck.map(([kind, count]) => `${kind} ${count}`).join(', ') || 'none'}`,
    `digest: ${digest}`,
    violation ?? 'everything was as it must be',
  ].join('\n'),
)
process.exitCode = violation === null ? 0 : 1
