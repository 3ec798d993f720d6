// Writes the journal of a run: its facts, then every event, before it is applied. Lines are written in
// groups; kill -9 may lose the last fraction of a second of them, never a result: results are in the store.
//
// A file that has become large is closed, and the journal goes on in the next one. That begins with the run's
// line and a snapshot of the state, in which every event of the files before is applied, and no later one. It
// is one write, but kill -9 may tear it: then its readers go back to the file before, which has all that the
// snapshot would have said.
import { appendFileSync } from 'node:fs'
import type { SchedulerEvent } from '../core/state/events.ts'
import { profilesOf } from '../core/state/profile.ts'
import { snapshotOf } from '../core/state/snapshot.ts'
import type { State } from '../core/state/state.ts'
import { readProcess } from '../devices/processes.ts'
import type { JournalLine, RunLine } from './journal.ts'
import { dropOldest, fileForRun, nextJournalFile, sizeOf } from './journal-files.ts'

/** Lines are written together: so many, or those of so many ms. */
const groupSize = 64
const groupMs = 250

/** What a file may hold after its beginning: some 8000 events. A reader of the present replays 4 MB in 90
 * ms. */
const defaultFileBytes = 2e6

/** What all files of a journal may hold: a day of a busy daemon. Chosen, not measured. */
const defaultTotalBytes = 256e6

export interface JournalOptions {
  /** Name of the first file, see journal-files.ts. */
  file: string
  pipeline: string
  /** Every event that has been added is applied to it before the next is added. */
  state: State
  /** Now, by the daemon's clock, ms. */
  atMs: number
  /** Bytes that a file may hold after its beginning. Default 2e6. */
  fileBytes?: number
  /** Bytes that all files may hold; at least the last file is kept. Default 256e6. */
  totalBytes?: number
}

export class JournalWriter {
  readonly #options: Required<JournalOptions>
  readonly #run: RunLine
  readonly #lines: string[] = []
  #file: string
  #bytes: number
  /** Bytes at which this file is closed. */
  #fullBytes: number
  #writtenAtMs = 0
  /** Why writing has stopped, or null. The run goes on without it. */
  fault: string | null = null

  constructor(options: JournalOptions) {
    this.#options = { fileBytes: defaultFileBytes, totalBytes: defaultTotalBytes, ...options }
    const { file, fileBytes } = this.#options
    this.#run = runLineOf(options)
    this.#file = fileForRun(file, fileBytes)
    this.#bytes = sizeOf(this.#file)
    this.#fullBytes = this.#bytes + fileBytes
    if (this.#bytes > 0) this.#lines.push('') // the line that a kill may have torn ends here
    this.#write(this.#run)
    this.flush()
    dropOldest(file, this.#options.totalBytes)
  }

  /** Before the event is applied. */
  add(event: SchedulerEvent): void {
    if (this.#bytes >= this.#fullBytes && this.fault === null) this.#goOn(event.atMs)
    this.#write(event)
    if (this.#lines.length < groupSize && event.atMs - this.#writtenAtMs < groupMs) return
    this.#writtenAtMs = event.atMs
    this.flush()
  }

  flush(): void {
    const lines = this.#lines.splice(0)
    if (lines.length === 0 || this.fault !== null) return
    const text = `${lines.join('\n')}\n`
    try {
      appendFileSync(this.#file, text)
      this.#bytes += Buffer.byteLength(text)
    } catch (error) {
      this.fault = (error as Error).message
    }
  }

  #write(line: JournalLine): void {
    this.#lines.push(JSON.stringify(line))
  }

  /** In the next file. */
  #goOn(atMs: number): void {
    const { file, state, fileBytes, totalBytes } = this.#options
    this.flush()
    this.#file = nextJournalFile(file)
    this.#bytes = 0
    this.#run.part!++
    this.#write({ ...this.#run, atMs, profiles: [] }) // the snapshot has them
    this.#write({ type: 'snapshot', atMs, snapshot: snapshotOf(state) })
    this.flush()
    this.#fullBytes = this.#bytes + fileBytes
    dropOldest(file, totalBytes)
  }
}

function runLineOf({ pipeline, state, atMs }: JournalOptions): RunLine {
  const { pid } = process
  return {
    type: 'run',
    version: 2,
    startedAtMs: atMs,
    part: 1,
    atMs,
    pipeline,
    process: { pid, startTime: readProcess(pid)?.startTime ?? null },
    devices: state.devices.map(({ id, kind, capacityBytes, budgetBytes }) => ({
      id,
      kind,
      capacityBytes,
      budgetBytes,
    })),
    models: state.models.map(({ declared }) => declared),
    policy: state.policy,
    profiles: profilesOf(state),
  }
}
