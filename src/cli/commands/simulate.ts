// `plimsoll simulate DIR`: a workload on simulated cards, under our policy or a baseline; `--from RUN`: a
// recorded run once more, under another policy, budget or card. With --json one object; without, a table and
// a timeline. The clock that measures the cost of a decision is given to the simulator from here.
import { writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { SchedulerError } from '../../core/errors.ts'
import { type Policy, parsePolicy } from '../../core/policy.ts'
import type { DeviceOptions } from '../../core/state/state.ts'
import { formatMs } from '../../core/units.ts'
import { defaultSafetyRatio, lineBytes } from '../../core/vram.ts'
import { simulatedCards } from '../../forecast/cards.ts'
import { readRecordedRun } from '../../forecast/recorded-run.ts'
import { readWorkload } from '../../forecast/workload-folder.ts'
import type { JournalLine } from '../../record/journal.ts'
import { baselines } from '../../sim/baselines/index.ts'
import { linesOf, tenantColumns, tenantRows } from '../../sim/report.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../../sim/simulate.ts'
import type { Workload } from '../../sim/workload.ts'
import { drawTimeline } from '../../timeline/timeline.ts'
import { parseSizes } from '../gpu-sizes.ts'
import { gpuOption, repeated, wholeNumber } from '../options.ts'
import { assertWritable, counted, print, printJson, printTable } from '../output.ts'

const policies = [plimsollPolicy, ...baselines]

interface Flags {
  from?: string
  gpu?: string[]
  safety?: string
  slots?: string
  policy: string
  seed: string
  spread: string
  set?: string[]
  timing: boolean
  timeline?: string
  json?: boolean
}

export function simulateCommand(command: Command): void {
  command
    .option('--from <run>', 'a recorded run instead: its database, such as .plimsoll/archive.db')
    .addOption(gpuOption('memory of a GPU, such as 16GB or 2x8GB'))
    .option(
      '--safety <ratio>',
      "share of the memory that may be promised (default: 0.9, or the recorded run's)",
    )
    .option('--slots <count>', 'batches that run at once on a GPU (default: 1)')
    .option('--policy <name>', `one of ${policies.map(({ name }) => name).join(', ')}`, plimsollPolicy.name)
    .option('--seed <number>', 'the same seed gives the same run', '1')
    .option('--spread <sigma>', 'spread of load and run times: 0.3 for p99/p50 of 2, 0.6 for 4', '0')
    .addOption(
      repeated('--set <key=value>', 'a config key, such as policy.maxWait=120s; again for each further one'),
    )
    .option(
      '--timeline <file>',
      'where the picture goes (default: .plimsoll/simulate-<folder>.svg; not with --json)',
    )
    .option('--no-timing', 'leave the measured cost of decisions out, so that equal runs print equal bytes')
    .option('--json', 'one JSON object')
    .action(runSimulation)
}

interface Subject {
  name: string
  workload: Workload
  devices: DeviceOptions[]
  policy: Policy
  /** A recorded run's own figures. */
  recorded: { makespanMs: number; loads: number; evictions: number } | null
}

async function runSimulation(folder: string | undefined, flags: Flags): Promise<void> {
  const simulated = policyNamed(flags.policy)
  const { name, workload, devices, policy, recorded } = await subjectOf(folder, flags)
  const seed = wholeNumber('--seed', flags.seed, Number.MIN_SAFE_INTEGER)
  const sigma = numberBetween('--spread', flags.spread, 0, 3)
  const picture = flags.timeline ?? (flags.json ? null : join('.plimsoll', `simulate-${name}.svg`))
  if (picture !== null) assertWritable(picture, '--timeline')
  const journal =
    picture === null ? null : startJournal(`${name}, policy ${simulated.name}`, workload, devices, policy)
  const result = simulate({
    workload,
    devices,
    simulated,
    policy,
    seed,
    sigma,
    clockNs: flags.timing ? () => Number(process.hrtime.bigint()) : null,
    onEvent: journal && ((event) => event.type !== 'queue-changed' && journal.push(event)),
  })
  if (picture !== null) {
    writeFileSync(picture, drawTimeline(journal!))
  }
  if (flags.json) printJson(recorded ? { ...result, recorded } : result)
  else {
    printTable({ title: name, columns: ['figure', 'value'], rows: linesOf(result) })
    const tenants = tenantRows(result)
    if (tenants.length > 0) printTable({ title: 'By tenant', columns: tenantColumns, rows: tenants })
    if (recorded) {
      const { makespanMs, loads, evictions } = recorded
      print(
        `the run itself: ${formatMs(makespanMs)}, ${counted(loads, 'load')}, ${counted(evictions, 'eviction')}`,
      )
    }
    print(`timeline: ${picture}`)
  }
  if (result.completed < result.items || result.violations > 0) process.exitCode = 1
}

/** What is simulated: a workload folder, or a recorded run with what the flags change of it. */
async function subjectOf(folder: string | undefined, flags: Flags): Promise<Subject> {
  if ((folder === undefined) === (flags.from === undefined)) {
    const text =
      'What is to be simulated? Name a workload folder, or a recorded run with --from DATABASE; one of both.'
    throw new SchedulerError('BAD_VALUE', text)
  }
  if (folder !== undefined) {
    const [devices, policy] = [devicesOf(flags), policyOf(flags.set ?? [])]
    const workload = readWorkload(folder)
    return { name: basename(resolve(folder)), workload, devices, policy, recorded: null }
  }
  const run = await readRecordedRun(flags.from!)
  const { wallMs, loads, evictions } = run.summary
  return {
    name: run.name,
    workload: run.workload,
    devices: flags.gpu ? devicesOf(flags) : run.devices.map((each) => ({ ...each, ...changesOf(flags) })),
    policy: { ...run.policy, ...settingsOf(flags.set ?? []) },
    recorded: { makespanMs: wallMs, loads, evictions },
  }
}

function policyNamed(name: string): SimulatedPolicy {
  const found = policies.find((each) => each.name === name)
  if (found) return found
  const known = policies.map((each) => each.name).join(', ')
  throw new SchedulerError('BAD_VALUE', `--policy "${name}" is not known. Policies: ${known}.`)
}

function devicesOf(flags: Flags): DeviceOptions[] {
  const { safetyRatio = defaultSafetyRatio, slots = 1 } = changesOf(flags)
  const sizes = parseSizes(flags.gpu ?? [])
  if (sizes.length > 0) return simulatedCards(sizes, { safetyRatio, slots })
  const text = 'No GPU to simulate. Give its memory, such as --gpu 16GB or --gpu 2x8GB.'
  throw new SchedulerError('BAD_VALUE', text)
}

/** What the flags say of devices, as far as they do. */
function changesOf({ safety, slots }: Flags): Pick<DeviceOptions, 'safetyRatio' | 'slots'> {
  return {
    ...(safety !== undefined && { safetyRatio: numberBetween('--safety', safety, 0.01, 1) }),
    ...(slots !== undefined && { slots: wholeNumber('--slots', slots, 1) }),
  }
}

/** `policy.maxWait=120s` and so on: what the config file says under `policy:`. */
function policyOf(settings: string[]): Policy {
  return parsePolicy(writtenIn(settings))
}

/** Only the options that are named. */
function settingsOf(settings: string[]): Partial<Policy> {
  const written = writtenIn(settings)
  const policy = parsePolicy(written)
  return Object.fromEntries(Object.keys(written).map((key) => [key, policy[key as keyof Policy]]))
}

function writtenIn(settings: string[]): Record<string, string> {
  const written: Record<string, string> = {}
  for (const setting of settings) {
    const [, section, key, value] = /^([a-z]+)\.(\w+)=(.+)$/i.exec(setting) ?? []
    if (section !== 'policy') {
      const text = `--set ${setting} is not understood here. Write policy.KEY=VALUE, such as --set policy.maxWait=120s.`
      throw new SchedulerError('BAD_VALUE', text)
    }
    written[key!] = value!
  }
  return written
}

function numberBetween(flag: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new SchedulerError('BAD_VALUE', `${flag} is "${text}"; it must be a number from ${min} to ${max}.`)
}

/** The first line of the journal that the timeline is drawn from. */
function startJournal(
  title: string,
  { models }: Workload,
  devices: DeviceOptions[],
  policy: Policy,
): JournalLine[] {
  const drawn = devices.map((device) => ({
    id: device.id,
    kind: device.kind,
    capacityBytes: device.capacityBytes,
    budgetBytes: lineBytes(device),
  }))
  return [{ type: 'run', version: 1, atMs: 0, pipeline: title, devices: drawn, models: [...models], policy }]
}
