// The record of a run: a line for the run's facts (devices, models, policy), then one for each event and command, as
// JSON. It is what the timeline is drawn from and what a replay reads. Lines are written in groups; kill -9 may lose the
// last fraction of a second of it, never a result: results are in the store.
import { appendFileSync, closeSync, existsSync, openSync, readSync } from 'node:fs'
import { SchedulerError } from '../core/errors.ts'
import type { Model } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import { type ModelProfile, profilesOf } from '../core/state/profile.ts'
import type { State } from '../core/state/state.ts'
import { readProcess } from '../devices/processes.ts'

export interface RunLine {
  type: 'run'
  version: 1
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

export type JournalLine = RunLine | SchedulerEvent

/** Lines are written together: so many, or those of so many ms. */
const groupSize = 64
const groupMs = 250

export class Journal {
  readonly #file: string
  readonly #lines: string[] = []
  #writtenAtMs = 0
  /** Why recording has stopped, or null. The run goes on without it. */
  fault: string | null = null

  constructor(file: string, pipeline: string, state: State, atMs: number) {
    this.#file = file
    if (existsSync(file)) this.#lines.push('') // the line that a kill may have torn ends here
    const devices = state.devices.map(({ id, kind, capacityBytes, budgetBytes }) => ({
      id,
      kind,
      capacityBytes,
      budgetBytes,
    }))
    const models = state.models.map(({ declared }) => declared)
    const profiles = profilesOf(state)
    const { pid } = process
    this.add({
      type: 'run',
      version: 1,
      atMs,
      pipeline,
      process: { pid, startTime: readProcess(pid)?.startTime ?? null },
      devices,
      models,
      policy: state.policy,
      profiles,
    })
    this.flush()
  }

  add(line: JournalLine): void {
    this.#lines.push(JSON.stringify(line))
    if (this.#lines.length < groupSize && line.atMs - this.#writtenAtMs < groupMs) return
    this.#writtenAtMs = line.atMs
    this.flush()
  }

  flush(): void {
    const lines = this.#lines.splice(0)
    if (lines.length === 0 || this.fault !== null) return
    try {
      appendFileSync(this.#file, `${lines.join('\n')}\n`)
    } catch (error) {
      this.fault = (error as Error).message
    }
  }
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

/** Throws BAD_VALUE for a record that this Plimsoll cannot read. */
export function assertVersion({ version }: RunLine): void {
  if (version === 1) return
  const message = `The record has version ${version}; this Plimsoll reads version 1. Read it with the Plimsoll that wrote it.`
  throw new SchedulerError('BAD_VALUE', message, { version })
}

/** Read at once from a record, which may be larger than a text can be. */
const chunkBytes = 1 << 20

/** The lines of a record, read as they are asked for; what is no line of one, such as one that a kill tore, is left out. */
export function* readJournal(file: string): Generator<JournalLine> {
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
  const isOther = value.type === 'run' && value.version !== 1 // for `assertVersion`
  const parts = isOther ? [] : (partsOf[value.type!] ?? [])
  const isWhole = parts.every((part) => typeof (value[part as keyof typeof value] ?? 0) === 'object')
  if (typeof value.type === 'string' && Number.isFinite(value.atMs) && isWhole) yield value as JournalLine
}
