// A thread that hunts one mutant: it loads the changed source in place of the real one,
// runs the scenarios and the first seeds on it, each once, and answers with what caught it.
import { registerHooks } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { type Change, changedFiles } from './mutant.ts'

export interface Hunt {
  changes: readonly Change[]
  /** Seeds from 1 up. */
  seedCount: number
  /** Whether one catch is enough, or all of them are counted. */
  until: 'first' | 'all'
}

export interface Catch {
  scenarios: string[]
  seedCount: number
  /** What the first one says; null: nothing has caught it. */
  sentence: string | null
}

const { changes, seedCount, until } = workerData as Hunt
const textByUrl = changedFiles(changes)
registerHooks({
  load(url, context, nextLoad) {
    const source = textByUrl.get(url)
    return source === undefined
      ? nextLoad(url, context)
      : { format: 'module-typescript', source, shortCircuit: true }
  },
})
const { scenarioTasks, settingsOf } = await import('../seeds.ts')
const { simulate } = await import('../simulation.ts')

const caught: Catch = { scenarios: [], seedCount: 0, sentence: null }
const seeds = Array.from({ length: seedCount }, (_, index) => ({ seed: index + 1, scenario: undefined }))
for (const task of [...scenarioTasks, ...seeds]) {
  const { violation } = await simulate(task.seed, settingsOf(task))
  if (violation === null) continue
  caught.sentence ??= violation
  if (task.scenario === undefined) caught.seedCount++
  else caught.scenarios.push(task.scenario)
  if (until === 'first') break
}
parentPort!.postMessage(caught)
