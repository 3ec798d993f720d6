// What the scheduler of a database's last run knows now, or knew at its end: its record played back.
import { existsSync, statSync } from 'node:fs'
import type { State } from '../core/state/state.ts'
import type { RunFiles } from './files.ts'
import { readJournal } from './journal.ts'
import { replay } from './replay.ts'

export interface LastRun {
  state: State
  isRunning: boolean
  /** Now, by the run's own clock; of a run that has ended, its last moment. ms. */
  nowMs: number
}

/** null: no run is recorded. */
export function readLastRun({ record }: Pick<RunFiles, 'record'>): LastRun | null {
  if (!existsSync(record)) return null
  const last = replay(readJournal(record))
  if (!last) return null
  const { state, isRunning, lastAtMs } = last
  // The run's clock may be far from the wall's, but counts as fast.
  const sinceMs = isRunning ? Math.max(0, Date.now() - statSync(record).mtimeMs) : 0
  return { state, isRunning, nowMs: Math.round(lastAtMs + sinceMs) }
}
