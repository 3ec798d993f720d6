// `make soak`: the named scenarios and ten thousand seeds, each run twice, and what
// happened in them. `node test/dst/soak.ts [COUNT] [FIRST]`.

import { commandOf, type Summary, scenarioTasks, simulateAll } from './seeds.ts'
import { faultKinds } from './world/faults.ts'

const count = Number(process.argv[2] ?? 10_000)
const first = Number(process.argv[3] ?? 1)
const startedAtMs = Date.now()
let shownAtMs = startedAtMs

const tasks = [...scenarioTasks, ...Array.from({ length: count }, (_, index) => ({ seed: first + index }))]
const summary = await simulateAll(tasks, showProgress)
if (process.stderr.isTTY) process.stderr.write('\n')
console.log(summaryOf(summary))
process.exitCode = summary.violations.length > 0 ? 1 : 0

function showProgress({ seedCount, violations, lineCount }: Summary): void {
  const isTerminal = process.stderr.isTTY
  if (Date.now() - shownAtMs < (isTerminal ? 250 : 10_000) && seedCount < tasks.length) return
  shownAtMs = Date.now()
  const seconds = Math.round((shownAtMs - startedAtMs) / 1000)
  const line = `${seedCount} of ${tasks.length} seeds, ${lineCount} events, ${violations.length} violations, ${seconds} s`
  process.stderr.write(isTerminal ? `\r${line}` : `${line}\n`)
}

function summaryOf({
  seedCount,
  lineCount,
  lifeCount,
  tookMs,
  worstRatio,
  faults,
  violations,
}: Summary): string {
  const seconds = Math.round((Date.now() - startedAtMs) / 1000)
  return [
    ...violations.map((each) => `${each.violation}\n  ${commandOf(each)}`),
    `${seedCount} seeds, each twice; ${lineCount} events in ${Math.round(tookMs / 3_600_000)} simulated hours; ${seconds} s`,
    `${lifeCount} starts of the daemon, ${faults.kill} kills, ${lifeCount - seedCount} restarts; longest wait ${worstRatio.toFixed(2)} of its bound`,
    'faults:',
    ...faultKinds.map((kind) => `  ${kind.padEnd(20)} ${faults[kind]}`),
    `${violations.length} violations`,
  ].join('\n')
}
