// The parts of one run, and the life of the daemon that is on.
import type { Clock } from '../../../src/daemon/clock.ts'
import type { Daemon } from '../../../src/daemon/daemon.ts'
import type { Jobs } from '../../../src/daemon/jobs.ts'
import type { ItemChecks } from '../checks/items.ts'
import type { LedgerChecks } from '../checks/ledger.ts'
import type { LivenessChecks } from '../checks/liveness.ts'
import type { Context } from './context.ts'
import type { Devices } from './device.ts'
import type { FaultyStore } from './faulty-store.ts'
import type { Life } from './life.ts'
import type { Machine } from './machine.ts'
import type { Runners } from './runner.ts'

export interface Parts {
  context: Context
  machine: Machine
  faultyStore: FaultyStore
  devices: Devices
  runners: Runners
  items: ItemChecks
  liveness: LivenessChecks
}

export interface Current {
  life: Life
  daemon: Daemon
  jobs: Jobs
  clock: Clock
  checks: LedgerChecks
  /** It takes work: not before its recovery, not after its end. */
  isRunning: boolean
}
