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

function print(all: readonly RoundReport[]): void {
  const columns = [
    'round',
    'seed',
    'killed',
    'paused',
    'stopped',
    'scheduler killed',
    'eaters',
    'acts',
    'loads',
    'items',
    'retried',
    'lost',
    'doubled',
    'booked / line',
    'measured',
    'over / slack',
    'foreign',
    'left',
    's',
  ]
  const rows = all.map(({ seed, faults, memory, ...round }, index) => [
    String(index + 1),
    String(seed),
    String(faults['kill worker']),
    String(faults['pause worker']),
    String(faults['stop worker']),
    String(faults['kill scheduler']),
    String(faults['eat memory']),
    String(round.acts),
    String(memory.loads),
    String(round.itemCount),
    String(round.failedForAFault),
    String(round.lost.length),
    String(round.doubled.length),
    `${inMB(memory.peakBookedBytes)} / ${inMB(round.lineBytes)}`,
    inMB(memory.peakMeasuredBytes),
    `${inMB(memory.overBytes)} / ${inMB(memory.slackBytes)}`,
    inMB(memory.peakForeignBytes),
    String(round.left.length),
    (round.tookMs / 1000).toFixed(0),
  ])
  console.log(`\n${renderTable({ title: 'Chaos', columns, rows }, { width: 200 })}`)
}

function flag(name: string): number | null {
  const index = process.argv.indexOf(name)
  if (index < 0) return null
  const value = Number(process.argv[index + 1])
  if (Number.isFinite(value) && value > 0) return value
  throw new Error(`${name} ${process.argv[index + 1]}: give a number above 0.`)
}
