// `make chaos`: rounds of real processes under faults, each from a seed, until the time is over.
//
//   node test/chaos/chaos.ts [--seed N] [--rounds N] [--minutes N]
import { renderTable } from '../../src/cli/table.ts'
import { hasSmallMachine } from './machine.ts'
import { inMB } from './memory-checks.ts'
import { brokenIn, type RoundReport, runRound } from './round.ts'

const usualMinutes = 6
/** The whole command ends before this, whatever happens. */
const limitMs = 10 * 60_000

const size = { sourceCount: 50, modelCount: 6 }
const faultsMs = 15_000
const counts = { 'kill worker': 6, 'pause worker': 4, 'stop worker': 2, 'kill scheduler': 4, 'eat memory': 3 }

const startedAtMs = performance.now()
const passedMs = () => performance.now() - startedAtMs
const firstSeed = flag('--seed') ?? Date.now() % 1_000_000
const rounds = flag('--rounds') ?? Number.POSITIVE_INFINITY
const forMs = (flag('--minutes') ?? usualMinutes) * 60_000

if (!hasSmallMachine())
  console.log(
    'Without foreign use: this user may have no namespaces (unshare --map-root-user --mount fails).',
  )
console.log(`seeds from ${firstSeed}`)
const reports: RoundReport[] = []
for (let round = 0; round < rounds; round++) {
  const longestMs = Math.max(0, ...reports.map(({ tookMs }) => tookMs))
  if (round > 0 && passedMs() + longestMs > Math.min(forMs, limitMs)) break
  const seed = firstSeed + round
  const report = await runRound({ ...size, seed, counts, faultsMs, limitMs: limitMs - 15_000 - passedMs() })
  reports.push(report)
  tell(report)
}
print(reports)

function tell(report: RoundReport): void {
  const broken = brokenIn(report)
  const { seed, tookMs, folder } = report
  console.log(
    `seed ${seed}: ${(tookMs / 1000).toFixed(0)} s, ${broken.length === 0 ? 'all holds' : `${broken.length} broken`}`,
  )
  if (broken.length === 0) return
  process.exitCode = 1
  for (const each of broken.slice(0, 20)) console.log(`  ${each}`)
  console.log(`  its files: ${folder}\n  again: node test/chaos/chaos.ts --seed ${seed} --rounds 1`)
}

/** The columns of the table, in order. */
const columns: readonly [title: string, value: (round: RoundReport) => string | number][] = [
  ['seed', ({ seed }) => seed],
  ['killed', ({ faults }) => faults['kill worker']],
  ['paused', ({ faults }) => faults['pause worker']],
  ['stopped', ({ faults }) => faults['stop worker']],
  ['scheduler killed', ({ faults }) => faults['kill scheduler']],
  ['eaters', ({ faults }) => faults['eat memory']],
  ['acts', ({ acts }) => acts],
  ['loads', ({ memory }) => memory.loads],
  ['items', ({ itemCount }) => itemCount],
  ['retried', ({ failedForAFault }) => failedForAFault],
  ['lost', ({ lost }) => lost.length],
  ['doubled', ({ doubled }) => doubled.length],
  ['booked / line', ({ memory, lineBytes }) => `${inMB(memory.peakBookedBytes)} / ${inMB(lineBytes)}`],
  ['measured', ({ memory }) => inMB(memory.peakMeasuredBytes)],
  ['over / slack', ({ memory }) => `${inMB(memory.overBytes)} / ${inMB(memory.slackBytes)}`],
  ['foreign', ({ memory }) => inMB(memory.peakForeignBytes)],
  ['left', ({ left }) => left.length],
  ['s', ({ tookMs }) => (tookMs / 1000).toFixed(0)],
]

function print(all: readonly RoundReport[]): void {
  const rows = all.map((round, index) => [
    String(index + 1),
    ...columns.map(([, value]) => String(value(round))),
  ])
  const titles = ['round', ...columns.map(([title]) => title)]
  console.log(`\n${renderTable({ title: 'Chaos', columns: titles, rows }, { width: 200 })}`)
}

function flag(name: string): number | null {
  const index = process.argv.indexOf(name)
  if (index < 0) return null
  const value = Number(process.argv[index + 1])
  if (Number.isFinite(value) && value > 0) return value
  throw new Error(`${name} ${process.argv[index + 1]}: give a number above 0.`)
}
