// Runs a seed as a test wants it: twice, comparing the digests of the logs; and many
// seeds over threads, with a summary.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { scenarios } from './scenarios.ts'
import { type Outcome, simulate } from './simulation.ts'
import { addFaults, type FaultRates, noFaults } from './world/faults.ts'
import { drawSettings, type Settings } from './world/world.ts'

export interface Summary {
  seedCount: number
  lineCount: number
  lifeCount: number
  /** Simulated time, ms. */
  tookMs: number
  worstRatio: number
  faults: FaultRates
  violations: (Task & { violation: string })[]
}

export interface Task {
  seed: number
  /** A scenario's settings instead of those that the seed draws. */
  scenario?: string
}

/** Tasks that a thread is given at a time. */
const shareSize = 10

/** Throws for a scenario that there is not. */
export function settingsOf({ seed, scenario }: Task): Settings {
  if (scenario === undefined) return drawSettings(seed)
  const found = scenarios[scenario]
  if (!found)
    throw new Error(`There is no scenario "${scenario}". Scenarios: ${Object.keys(scenarios).join(', ')}`)
  return found.settings
}

export const scenarioTasks: readonly Task[] = Object.entries(scenarios).map(([name, { seed }]) => ({
  seed,
  scenario: name,
}))

/** Twice; that two runs of a seed differ is a violation too. */
export async function simulateTwice(task: Task): Promise<Outcome> {
  const { seed } = task
  const settings = settingsOf(task)
  const first = await simulate(seed, settings)
  const second = await simulate(seed, settings)
  const isSame = first.digest === second.digest && first.lineCount === second.lineCount
  return first.violation === null && !isSame ? { ...first, violation: 'two runs of one seed differ' } : first
}

/** The command that repeats a run. */
export function commandOf({ seed, scenario }: Task): string {
  return `node test/dst/run.ts --seed ${seed}${scenario ? ` --scenario ${scenario}` : ''}`
}

function emptySummary(): Summary {
  const faults = { ...noFaults }
  return { seedCount: 0, lineCount: 0, lifeCount: 0, tookMs: 0, worstRatio: 0, faults, violations: [] }
}

function addOutcome(summary: Summary, task: Task, outcome: Outcome): void {
  summary.seedCount++
  summary.lineCount += outcome.lineCount
  summary.lifeCount += outcome.lifeCount
  summary.tookMs += outcome.tookMs
  summary.worstRatio = Math.max(summary.worstRatio, outcome.worstRatio)
  addFaults(summary.faults, outcome.faults)
  if (outcome.violation !== null) summary.violations.push({ ...task, violation: outcome.violation })
}

/** Runs tasks on as many threads as there are processors. `onProgress` is called after each. */
export async function simulateAll(
  tasks: readonly Task[],
  onProgress: (summary: Summary) => void = () => {},
): Promise<Summary> {
  const summary = emptySummary()
  let next = 0
  const threadCount = Math.max(1, Math.min(availableParallelism(), Math.ceil(tasks.length / shareSize)))
  await Promise.all(Array.from({ length: threadCount }, runThread))
  return summary

  function runThread(): Promise<void> {
    const thread = new Worker(new URL('./seeds-thread.ts', import.meta.url))
    const give = () => {
      const share = tasks.slice(next, next + shareSize)
      next += shareSize
      thread.postMessage(share)
    }
    return new Promise((resolve, reject) => {
      thread.on('message', (message: { task: Task; outcome: Outcome } | 'done') => {
        if (message === 'done') return give()
        addOutcome(summary, message.task, message.outcome)
        onProgress(summary)
      })
      thread.on('error', reject)
      thread.on('exit', () => resolve())
      give()
    })
  }
}
