// The journal of a database's runs, as it is read: for each run a line with its facts (devices, models,
// policy), then one for each event and command, as JSON. It is what the timeline is drawn from and what a
// replay reads.
//
// A run that outgrows a file (journal-writer.ts) goes on in the next one (journal-files.ts). That begins with
// the run's line again, which says which part it is, and with a snapshot of all that the scheduler knew.
import { closeSync, openSync, readSync } from 'node:fs'
import { SchedulerError } from '../core/errors.ts'
import type { Model } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import type { ModelProfile } from '../core/state/profile.ts'
import type { Snapshot } from '../core/state/snapshot.ts'
import { readProcess } from '../devices/processes.ts'
import { journalFiles } from './journal-files.ts'

export interface RunLine {
  type: 'run'
  /** 2 since a journal has several files. A Plimsoll that knows only version 1 would take a further part for
   * another run. */
  version: 1 | 2
  /** Of the run in all its parts. Left out (version 1): `atMs`. */
  startedAtMs?: number
  /** 1, or left out (version 1): the run begins here. Above: it goes on here, and a snapshot follows. */
  part?: number
  atMs: number
  pipeline: string
  /** Who runs it: known by pid and start time, never by the pid alone. Left out: nobody any more. */
  process?: { pid: number; startTime: string | null }
  devices: { id: string; kind: string; capacityBytes: number; budgetBytes: number }[]
  models: Model[]
  policy: Policy
  /** What was known of the models; left out: nothing. */
  profiles?: ModelProfile[]
}

/** All that the scheduler knew at a moment, after every line before it. */
export interface SnapshotLine {
  type: 'snapshot'
  atMs: number
  snapshot: Snapshot
}

export type JournalLine = RunLine | SnapshotLine | SchedulerEvent

/** The line with which a run goes on in a further file. */
export function goesOn(line: RunLine): boolean {
  return (line.part ?? 1) > 1
}

/** Whether the process that wrote this line still runs: its run is on. */
export function isOn({ process: owner }: RunLine): boolean {
  if (!owner) return false
  const { pid, startTime } = owner
  if (startTime !== null) return readProcess(pid)?.startTime === startTime
  try {
    return process.kill(pid, 0) // where the system has no list of processes
  } catch {
    return false
  }
}

/** Throws BAD_VALUE for a journal that this Plimsoll cannot read. */
export function assertVersion({ version }: RunLine): void {
  if (isKnown(version)) return
  const message = `The journal has version ${version}; this Plimsoll reads versions 1 and 2. Read it with the Plimsoll that wrote it.`
  throw new SchedulerError('BAD_VALUE', message, { version })
}

function isKnown(version: number | undefined): boolean {
  return version === 1 || version === 2
}

/** All lines of a journal, in order, read as they are asked for. Where a run only goes on in another file,
 * nothing is said twice: its further run lines and its snapshots are left out. Where the beginning of a run
 * is gone, they come first. */
export function* readJournal(journal: string): Generator<JournalLine> {
  let isWithin = false
  for (const line of linesOf(journalFiles(journal))) {
    const isRepeated = line.type === 'snapshot' || (line.type === 'run' && goesOn(line))
    if (isRepeated && isWithin) continue
    isWithin ||= line.type === 'snapshot' || (line.type === 'run' && !goesOn(line))
    yield line
  }
}

/** All lines of some files, in order. */
export function* linesOf(files: readonly string[]): Generator<JournalLine> {
  for (const file of files) yield* readLines(file)
}

/** Read at once from a file, which may be larger than a text can be. */
const chunkBytes = 1 << 20

/** The lines of a file; what is no line of a journal, such as one that a kill tore, is left out. */
function* readLines(file: string): Generator<JournalLine> {
  const descriptor = openSync(file, 'r')
  try {
    const chunk = Buffer.alloc(chunkBytes)
    let rest = Buffer.alloc(0)
    for (let count = readSync(descriptor, chunk); count > 0; count = readSync(descriptor, chunk)) {
      const held = Buffer.concat([rest, chunk.subarray(0, count)])
      const end = held.lastIndexOf(10) + 1
      for (const line of held.subarray(0, end).toString('utf8').split('\n')) yield* parseLine(line)
      rest = held.subarray(end)
    }
    yield* parseLine(rest.toString('utf8'))
  } finally {
    closeSync(descriptor)
  }
}

/** What a reader looks into without asking. */
const partsOf: Partial<Record<JournalLine['type'], string[]>> = {
  run: ['devices', 'models', 'policy'],
  snapshot: ['snapshot'],
  'queue-changed': ['heads'],
  'command-issued': ['command'],
  'memory-observed': ['bytesByInstance'],
}

function* parseLine(line: string): Generator<JournalLine> {
  if (!line.endsWith('}')) return
  let value: Partial<JournalLine>
  try {
    value = JSON.parse(line)
  } catch {
    return // a torn line in the middle: a run that was killed, and another that went on behind it
  }
  const isOther = value.type === 'run' && !isKnown(value.version) // for `assertVersion`
  const parts = isOther ? [] : (partsOf[value.type!] ?? [])
  const isWhole = parts.every((part) => typeof (value[part as keyof typeof value] ?? 0) === 'object')
  if (typeof value.type === 'string' && Number.isFinite(value.atMs) && isWhole) yield value as JournalLine
}
