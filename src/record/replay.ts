// A journal played back: the state that the scheduler had at its last event, for questions from outside
// (`why`, `plan`). It is the same `apply` on the same events, so the answer reads the data that decided. A
// state begins with the line of a run, or, where a run only goes on, with a snapshot; what comes before the
// first of these is passed over.

import { defaultPolicy } from '../core/policy.ts'
import { apply } from '../core/state/apply.ts'
import type { SchedulerEvent } from '../core/state/events.ts'
import { restoreProfiles } from '../core/state/profile.ts'
import { restoreState } from '../core/state/snapshot.ts'
import { createState, type State } from '../core/state/state.ts'
import { assertVersion, goesOn, isOn, type JournalLine, type RunLine } from './journal.ts'

export interface Replay {
  state: State
  /** Time of the last line, by the run's own clock, ms. */
  lastAtMs: number
  /** The run goes on: what comes next has only not been written yet. */
  isRunning: boolean
  /** Of the process that ran it; null: it is not written down. */
  pid: number | null
}

/** null: the lines hold no beginning of a state. Resumed runs begin with nothing loaded. Throws BAD_VALUE for
 * another version. */
export function replay(lines: Iterable<JournalLine>): Replay | null {
  let run: RunLine | null = null
  let state: State | null = null
  let lastAtMs = 0
  for (const line of lines) {
    lastAtMs = line.atMs
    if (line.type === 'run') {
      assertVersion(line)
      run = line
      if (!goesOn(line)) state = stateOf(line)
    } else if (line.type === 'snapshot') {
      state = restoreState(line.snapshot) ?? state
    } else if (state) applyWhereLinesMayLack(state, line)
  }
  return run && state && { state, lastAtMs, isRunning: isOn(run), pid: run.process?.pid ?? null }
}

/** Where lines are missing (a disk was full), what follows may make no sense: then it changes nothing, or
 * only a part. */
export function applyWhereLinesMayLack(state: State, event: SchedulerEvent): void {
  try {
    apply(state, event)
  } catch {
    // It changes nothing more.
  }
}

/** What the scheduler knew when the run began. Throws BAD_VALUE for another version. */
export function stateOf(line: RunLine): State {
  assertVersion(line)
  const { devices, models, policy, profiles = [] } = line
  const options = devices
    .filter(({ kind }) => kind !== 'cpu')
    .map(({ id, kind, capacityBytes, budgetBytes }) => ({
      id,
      kind,
      capacityBytes,
      safetyRatio: budgetBytes / capacityBytes,
    }))
  const state = createState(models, options, { ...defaultPolicy, ...policy })
  restoreProfiles(state, profiles)
  return state
}
