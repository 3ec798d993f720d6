// What the scheduler of a database's last run knows now, or knew at its end: the last file of its journal,
// played back.
import { statSync } from 'node:fs'
import type { State } from '../core/state/state.ts'
import type { RunFiles } from './files.ts'
import { type JournalLine, linesOf } from './journal.ts'
import { journalFiles } from './journal-files.ts'
import { replay } from './replay.ts'

export interface LastRun {
  state: State
  isRunning: boolean
  /** Now, by the run's own clock; of a run that has ended, its last moment. ms. */
  nowMs: number
  /** Of the process that runs it, or ran it; null: it is not known. */
  pid: number | null
}

/** null: no run is recorded. Files before the last one are read only where that has no beginning of a state:
 * its first lines were torn by a kill. `read`: for tests. */
export function readLastRun({ journal }: Pick<RunFiles, 'journal'>, read = linesOf): LastRun | null {
  const files = journalFiles(journal)
  for (let first = files.length - 1; first >= 0; first--) {
    const last = replay(read(files.slice(first)) satisfies Iterable<JournalLine>)
    if (!last) continue
    const { state, isRunning, lastAtMs, pid } = last
    // The run's clock may be far from the wall's, but counts as fast.
    const sinceMs = isRunning ? Math.max(0, Date.now() - statSync(files.at(-1)!).mtimeMs) : 0
    return { state, isRunning, nowMs: Math.round(lastAtMs + sinceMs), pid }
  }
  return null
}
