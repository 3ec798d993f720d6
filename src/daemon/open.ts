// A daemon from files: its database, its devices, its runners, what was learned before, its journal. It knows
// no sources and no end. run.ts gives it the items of one pipeline and says when they are done.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { leadTimes, type Model, type ModelId } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import type { DeviceSpec } from '../devices/device.ts'
import { type OpenedDevice, openDevices } from '../devices/open.ts'
import type { RunFiles } from '../record/files.ts'
import { JournalWriter } from '../record/journal-writer.ts'
import { ProfileKeeper, readProfiles } from '../record/profiles.ts'
import { createRunner } from '../runners/create.ts'
import type { Runner, RunnerSpec } from '../runners/runner.ts'
import { type Leftovers, reapLeftovers, StartedProcesses } from '../runners/started.ts'
import { openSqliteStore } from '../stores/sqlite/store.ts'
import type { Resolver, Store } from '../stores/store.ts'
import { type Clock, machineClock } from './clock.ts'
import { Daemon } from './daemon.ts'
import { Jobs } from './jobs.ts'
import { recover } from './recovery.ts'
import { EventStream } from './subscribe.ts'

/** What a daemon works with. */
export interface Machinery {
  models: readonly Model[]
  runnerSpecs: ReadonlyMap<ModelId, RunnerSpec>
  gpus: readonly DeviceSpec[]
}

export interface OpenOptions {
  /** Under which the journal keeps the run. */
  name: string
  files: RunFiles
  machinery: Machinery
  policy: Policy
  resolver: Resolver
  /** Whether the daemon works on a pipeline's items; null: those that an older Plimsoll wrote. Default: on
   * all. */
  serves?: (pipeline: string | null) => boolean
}

export class OpenDaemon {
  readonly daemon: Daemon
  readonly store: Store
  /** The daemon's, which the moments of items and of the journal are of; it may be ahead of the wall
   * clock. */
  readonly clock: Clock
  readonly jobs: Jobs
  readonly events: EventStream
  readonly leftovers: Leftovers
  readonly #options: OpenOptions
  readonly #devices: readonly OpenedDevice[]
  readonly #profiles: ProfileKeeper
  #isStarted = false

  constructor(
    options: OpenOptions,
    { store, clock, reaped }: { store: Store; clock: Clock; reaped: Leftovers },
    devices: readonly OpenedDevice[],
  ) {
    const { files, machinery, policy } = options
    this.#options = options
    this.#devices = devices
    this.store = store
    this.clock = clock
    this.leftovers = reaped
    this.events = new EventStream({ firstSequence: clock.nowMs() * 1000 })
    this.daemon = new Daemon({
      store,
      models: machinery.models,
      devices: devices.map(({ device, capacityBytes, safetyRatio }) => ({
        options: { id: device.id, kind: device.kind, capacityBytes, safetyRatio },
        device,
      })),
      runners: runnersOf(machinery, files),
      policy,
      clock,
      random: Math.random,
      profiles: readProfiles(files.profiles, machinery),
      onEvent: (event) => this.events.publish(event),
    })
    this.jobs = new Jobs({ store, clock, onChange: () => this.daemon.queuesChanged() })
    this.#profiles = new ProfileKeeper(files.profiles, this.daemon.state, machinery)
  }

  /** From here on it works, and is recorded. */
  start(): JournalWriter {
    const { files, name } = this.#options
    const { state } = this.daemon
    const journal = new JournalWriter({
      file: files.journal,
      pipeline: name,
      state,
      atMs: this.clock.nowMs(),
    })
    this.events.listen(({ event }) => journal.add(event))
    this.events.listen(({ event }) => this.#profiles.at(event.atMs))
    this.daemon.start()
    this.#isStarted = true
    return journal
  }

  /** Closes the devices and the database; the daemon must have been closed before, if it was started. */
  async close(): Promise<void> {
    if (this.#isStarted) this.#profiles.keep()
    this.events.close()
    await Promise.all(this.#devices.map(({ device }) => device.close()))
    await this.store.close()
  }
}

/** Opens and clears up, and starts nothing. Throws BAD_VALUE, NO_DEVICE, STORE_LOCKED, STORE_CORRUPT. */
export async function openDaemon(options: OpenOptions): Promise<OpenDaemon> {
  const { files, machinery, resolver, serves } = options
  mkdirSync(dirname(files.database), { recursive: true, mode: 0o700 }) // results are people's own
  const recovered = await recover({
    openStore: () =>
      openSqliteStore({ file: files.database, resolver, serves, leadMs: leadTimes(machinery.models) }),
    reapLeftovers: () => reapLeftovers(files.runners),
    machine: machineClock,
  })
  let devices: OpenedDevice[] = []
  try {
    mkdirSync(files.logs, { recursive: true })
    devices = await openDevices(machinery.gpus) // not before what was left is gone: it would count as foreign
    return new OpenDaemon(options, recovered, devices)
  } catch (error) {
    await Promise.all(devices.map(({ device }) => device.close()))
    await recovered.store.close()
    throw error
  }
}

function runnersOf({ runnerSpecs }: Machinery, files: RunFiles): Map<ModelId, Runner> {
  const context = { started: new StartedProcesses(files.runners), logFolder: files.logs }
  return new Map([...runnerSpecs].map(([modelId, spec]) => [modelId, createRunner(spec, context)]))
}
