// `plimsoll simulate DIR`: a workload on simulated cards, under our policy or a baseline. With --json one object; without,
// a table and a timeline. The clock that measures the cost of a decision is given to the simulator from here.
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { SchedulerError } from '../core/errors.ts'
import { type Policy, parsePolicy } from '../core/policy.ts'
import type { DeviceOptions } from '../core/state.ts'
import { parseBytes } from '../core/units.ts'
import type { RecordLine } from '../daemon/record.ts'
import { baselines } from '../sim/baselines/index.ts'
import { linesOf } from '../sim/report.ts'
import { plimsollPolicy, type SimulatedPolicy, simulate } from '../sim/simulate.ts'
import type { Workload } from '../sim/workload.ts'
import { print, printJson, printTable } from './output.ts'
import { drawTimeline } from './timeline.ts'
import { readWorkload } from './workload-folder.ts'

const policies = [plimsollPolicy, ...baselines]

interface Flags {
  gpu: string[]
  safety: string
  slots: string
  policy: string
  seed: string
  spread: string
  set: string[]
  timing: boolean
  timeline?: string
  json?: boolean
}

export function simulateCommand(): Command {
  const collect = (value: string, all: string[]) => [...all, value]
  return new Command('simulate')
    .description(
      'Runs a workload on simulated GPUs and says how long it takes, what waits and what is loaded.',
    )
    .argument('<folder>', 'workload: models.json, and items.jsonl or items.jsonl.gz')
    .option('--gpu <size>', 'memory of a GPU, such as 16GB or 2x8GB; again for each further one', collect, [])
    .option('--safety <ratio>', 'share of the memory that may be promised', '0.9')
    .option('--slots <count>', 'batches that run at once on a GPU', '1')
    .option('--policy <name>', `one of ${policies.map(({ name }) => name).join(', ')}`, plimsollPolicy.name)
    .option('--seed <number>', 'the same seed gives the same run', '1')
    .option('--spread <sigma>', 'spread of load and run times: 0.3 for p99/p50 of 2, 0.6 for 4', '0')
    .option('--set <key=value>', 'a config key, such as policy.maxWait=120s', collect, [])
    .option(
      '--timeline <file>',
      'where the picture goes (default: .plimsoll/simulate-<folder>.svg; not with --json)',
    )
    .option('--no-timing', 'leave the measured cost of decisions out, so that equal runs print equal bytes')
    .option('--json', 'one JSON object')
    .action(runSimulation)
}

function runSimulation(folder: string, flags: Flags): void {
  const simulated = policyNamed(flags.policy)
  const devices = devicesOf(flags)
  const policy = policyOf(flags.set)
  const seed = wholeNumber('--seed', flags.seed, Number.MIN_SAFE_INTEGER)
  const sigma = numberBetween('--spread', flags.spread, 0, 3)
  const workload = readWorkload(folder)
  const name = basename(resolve(folder))
  const picture = flags.timeline ?? (flags.json ? null : join('.plimsoll', `simulate-${name}.svg`))
  const record =
    picture === null ? null : startRecord(`${name}, policy ${simulated.name}`, workload, devices, policy)
  const result = simulate({
    workload,
    devices,
    simulated,
    policy,
    seed,
    sigma,
    clockNs: flags.timing ? () => Number(process.hrtime.bigint()) : null,
    onEvent: record && ((event) => event.type !== 'queue-changed' && record.push(event)),
  })
  if (picture !== null) {
    mkdirSync(dirname(picture), { recursive: true })
    writeFileSync(picture, drawTimeline(record!))
  }
  if (flags.json) printJson(result)
  else {
    printTable({ title: name, columns: ['figure', 'value'], rows: linesOf(result) })
    print(`timeline: ${picture}`)
  }
  if (result.completed < result.items || result.violations > 0) process.exitCode = 1
}

function policyNamed(name: string): SimulatedPolicy {
  const found = policies.find((each) => each.name === name)
  if (found) return found
  const known = policies.map((each) => each.name).join(', ')
  throw new SchedulerError('BAD_VALUE', `--policy "${name}" is not known. Policies: ${known}.`)
}

function devicesOf({ gpu, safety, slots }: Flags): DeviceOptions[] {
  return parseGpus(gpu, numberBetween('--safety', safety, 0.01, 1), wholeNumber('--slots', slots, 1))
}

/** `16GB` or `2x8GB`, one after another. Throws BAD_VALUE. */
export function parseGpus(gpu: readonly string[], safetyRatio: number, slotCount: number): DeviceOptions[] {
  const sizes = gpu.flatMap((text) => {
    const [, count = '1', size = text] = /^(\d+)x(.+)$/.exec(text) ?? []
    const bytes = parseBytes(size)
    if (bytes <= 0)
      throw new SchedulerError('BAD_VALUE', `--gpu ${text} holds nothing; give its memory, such as 16GB.`)
    return Array<number>(Number(count)).fill(bytes)
  })
  if (sizes.length === 0) {
    throw new SchedulerError(
      'BAD_VALUE',
      'No GPU to simulate. Give its memory, such as --gpu 16GB or --gpu 2x8GB.',
    )
  }
  return sizes.map((capacityBytes, index) => ({
    id: `gpu${String(index).padStart(String(sizes.length - 1).length, '0')}`,
    kind: 'simulated',
    capacityBytes,
    safetyRatio,
    slots: slotCount,
  }))
}

/** `policy.maxWait=120s` and so on: what the config file says under `policy:`. */
function policyOf(settings: string[]): Policy {
  const written: Record<string, string> = {}
  for (const setting of settings) {
    const [, section, key, value] = /^([a-z]+)\.(\w+)=(.+)$/i.exec(setting) ?? []
    if (section !== 'policy') {
      const text = `--set ${setting} is not understood here. Write policy.KEY=VALUE, such as --set policy.maxWait=120s.`
      throw new SchedulerError('BAD_VALUE', text)
    }
    written[key!] = value!
  }
  return parsePolicy(written)
}

function numberBetween(flag: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new SchedulerError('BAD_VALUE', `${flag} is "${text}"; it must be a number from ${min} to ${max}.`)
}

function wholeNumber(flag: string, text: string, min: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min) return value
  throw new SchedulerError(
    'BAD_VALUE',
    `${flag} is "${text}"; it must be a whole number${min > 0 ? ` from ${min}` : ''}.`,
  )
}

/** The first line of the record that the timeline is drawn from. */
function startRecord(
  title: string,
  { models }: Workload,
  devices: DeviceOptions[],
  policy: Policy,
): RecordLine[] {
  const drawn = devices.map(({ id, kind, capacityBytes, safetyRatio = 0.9 }) => ({
    id,
    kind,
    capacityBytes,
    budgetBytes: Math.floor(capacityBytes * safetyRatio),
  }))
  return [{ type: 'run', version: 1, atMs: 0, pipeline: title, devices: drawn, models: [...models], policy }]
}
