// A record played back: the state that the scheduler had at its last event, for questions from outside (`why`, `plan`).
// It is the same `apply` on the same events, so the answer reads the data that decided.
import { apply } from '../core/apply.ts'
import { restoreProfiles } from '../core/profile.ts'
import { createState, type State } from '../core/state.ts'
import type { RecordLine, RunLine } from './record.ts'

export interface Replay {
  state: State
  /** Time of the last line, ms. */
  lastAtMs: number
}

/** null: the record holds no run. Resumed runs begin with nothing loaded. */
export function replay(record: Iterable<RecordLine>): Replay | null {
  let state: State | null = null
  let lastAtMs = 0
  for (const line of record) {
    lastAtMs = line.atMs
    if (line.type === 'run') {
      state = stateOf(line)
    } else if (state) {
      apply(state, line)
    }
  }
  return state && { state, lastAtMs }
}

/** What the scheduler knew when the run began. */
export function stateOf({ devices, models, policy, profiles = [] }: RunLine): State {
  const options = devices
    .filter(({ kind }) => kind !== 'cpu')
    .map(({ id, kind, capacityBytes, budgetBytes }) => ({
      id,
      kind,
      capacityBytes,
      safetyRatio: budgetBytes / capacityBytes,
    }))
  const state = createState(models, options, policy)
  restoreProfiles(state, profiles)
  return state
}
