// What must hold of the memory, by two witnesses: the record of the run, and what observer.ts saw.
//
//  (1) Booked is at most the line at every event, and at most the budget (the line less
//      foreign use) after every promise.
//  (2) Measured is at most the line and a slack at every look. The slack is what is not known
//      before it is seen: what those models whose processes live at that moment may hold
//      beyond their declaration, and for each process what one Node holds more than another.
//  (3) No load begins in the face of what could be seen: the least that was measured
//      since the device was last read, foreign use too, and the load are at most the
//      line and the slack for each process. That reading is at most 5 s old.
//  (4) No load begins while a process of an earlier start lives.
//
// (2) alone would let pass that nobody looks at what liars hold, (3) that a place is
//     given away before it is empty for a
// moment shorter than the time between two readings.
import { apply } from '../../src/core/state/apply.ts'
import { bookedBytes } from '../../src/core/state/ledger.ts'
import type { State } from '../../src/core/state/state.ts'
import type { JournalLine } from '../../src/record/journal.ts'
import { stateOf } from '../../src/record/replay.ts'
import type { Sample } from './observer.ts'
import type { ChaosProject } from './project.ts'

/** What a Node process holds more than was declared, or than another one that was measured, bytes. */
const processBytes = 8e6

/** Between two looks, and as long again for a look itself, ms. */
const lookMs = 60

/** policy.staleAfter, ms. */
const staleMs = 5000

export interface MemoryFacts {
  peakBookedBytes: number
  peakMeasuredBytes: number
  /** Most that was measured above the line, and the slack of that look. */
  overBytes: number
  slackBytes: number
  peakForeignBytes: number
  loads: number
  broken: string[]
}

export function checkMemory(
  project: ChaosProject,
  record: Iterable<JournalLine>,
  samples: readonly Sample[],
): MemoryFacts {
  const facts: MemoryFacts = {
    peakBookedBytes: 0,
    peakMeasuredBytes: 0,
    overBytes: 0,
    slackBytes: 0,
    peakForeignBytes: 0,
    loads: 0,
    broken: [],
  }
  let state: State | null = null
  let start: Start = { atMs: 0, readAtMs: 0 }
  for (const line of record) {
    if (line.type === 'run') {
      state = stateOf(line)
      start = { atMs: line.atMs, readAtMs: 0 }
      continue
    }
    if (!state || line.type === 'snapshot') continue
    apply(state, line)
    checkBooked(state, line, facts)
    if (line.type === 'memory-observed') start.readAtMs = line.askedAtMs ?? line.atMs
    if (line.type !== 'command-issued' || line.command.type !== 'start-load') continue
    facts.loads++
    const load = { project, samples, start, atMs: line.atMs, bytes: line.command.bytes }
    checkLoad(load, facts)
    checkEarlier(load, facts)
  }
  for (const sample of samples) checkMeasured(project, sample, facts)
  return facts
}

/** A load that begins, and all that was seen of the machine. */
interface Load {
  project: ChaosProject
  samples: readonly Sample[]
  start: Start
  atMs: number
  bytes: number
}

/** The start of the command that a load is of, and when it last asked the device. */
interface Start {
  atMs: number
  readAtMs: number
}

/** (1) */
function checkBooked(state: State, line: JournalLine, facts: MemoryFacts): void {
  for (const device of state.devices) {
    const { budgetBytes, capacityBytes, safetyRatio, ledger } = device
    if (device.kind === 'cpu') continue
    const booked = bookedBytes(ledger)
    facts.peakBookedBytes = Math.max(facts.peakBookedBytes, booked)
    const lineBytes = Math.floor(capacityBytes * safetyRatio)
    if (booked > Math.max(lineBytes, budgetBytes))
      facts.broken.push(`booked ${inMB(booked)} of ${inMB(lineBytes)} after ${line.type}`)
    if (line.type !== 'command-issued') continue
    const { command } = line
    const isPromise = (command.type === 'start-load' || command.type === 'run-batch') && command.bytes > 0
    if (isPromise && booked > budgetBytes)
      facts.broken.push(`booked ${inMB(booked)} of ${inMB(budgetBytes)} by ${command.type}`)
  }
}

/** (2) */
function checkMeasured(project: ChaosProject, sample: Sample, facts: MemoryFacts): void {
  const heldBytes = heldBy(sample)
  const liesBytes = Object.keys(sample.byModel).reduce(
    (sum, model) => sum + project.models.get(model)!.overBytes,
    0,
  )
  const slackBytes = liesBytes + sample.pids.length * processBytes
  const overBytes = heldBytes - project.lineBytes
  facts.peakMeasuredBytes = Math.max(facts.peakMeasuredBytes, heldBytes)
  facts.peakForeignBytes = Math.max(facts.peakForeignBytes, sample.foreignBytes)
  if (overBytes > facts.overBytes) {
    facts.overBytes = overBytes
    facts.slackBytes = slackBytes
  }
  if (overBytes <= slackBytes) return
  const held = Object.entries(sample.byModel).map(([model, bytes]) => `${model} ${inMB(bytes)}`)
  facts.broken.push(
    `measured ${inMB(heldBytes)} (${held.join(', ')}), ${inMB(overBytes)} above the line; the slack is ${inMB(slackBytes)}`,
  )
}

/** (3) */
function checkLoad({ project, samples, start, atMs, bytes }: Load, facts: MemoryFacts): void {
  const { readAtMs } = start
  if (atMs - readAtMs > staleMs)
    facts.broken.push(`a load begins on a reading of ${atMs - readAtMs} ms before`)
  const seen = samples.filter((each) => each.atMs >= readAtMs - lookMs && each.atMs <= atMs + lookMs)
  if (seen.length === 0) return
  const least = seen.reduce((a, b) => (heldBy(a) + a.foreignBytes <= heldBy(b) + b.foreignBytes ? a : b))
  const sumBytes = heldBy(least) + least.foreignBytes + bytes
  if (sumBytes <= project.lineBytes + least.pids.length * processBytes) return
  facts.broken.push(
    `a load of ${inMB(bytes)} begins beside ${inMB(heldBy(least))} held and ${inMB(least.foreignBytes)} foreign, of ${inMB(project.lineBytes)}`,
  )
}

/** (4) */
function checkEarlier({ samples, start, atMs }: Load, facts: MemoryFacts): void {
  const before = samples.findLast((each) => each.atMs < start.atMs - lookMs)
  const next = samples.find((each) => each.atMs > atMs + lookMs)
  const left = next?.pids.filter((pid) => before?.pids.includes(pid)) ?? []
  if (left.length > 0) facts.broken.push(`a load begins while ${left.join(', ')} of an earlier start live`)
}

function heldBy({ byModel }: Sample): number {
  return Object.values(byModel).reduce((sum, each) => sum + each, 0)
}

export function inMB(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}
