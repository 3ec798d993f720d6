// From a run's store and state to the progress that is painted: counts by step, what each device holds, and an estimate
// of the rest: its compute by what batches took so far, one after another, as long as no simulation says it better.
import { bookedBytes } from '../core/ledger.ts'
import { runMs } from '../core/model.ts'
import type { InstanceState } from '../core/state.ts'
import type { Run } from '../daemon/run.ts'
import type { StoreStats } from '../stores/store.ts'
import type { InstanceProgress, ProgressState, StepProgress } from './progress.ts'

export async function progressOf({ store, daemon, startedAtMs }: Run, nowMs: number): Promise<ProgressState> {
  const devices = daemon.state.devices.map(({ id, budgetBytes, ledger, instances }) => ({
    id,
    budgetBytes,
    bookedBytes: bookedBytes(ledger),
    instances: instances.map((each) => ({
      modelId: each.model.model.id,
      bytes: each.bytes,
      state: shown(each),
    })),
  }))
  return {
    steps: countSteps(await store.stats()),
    devices,
    etaMs: restMs(daemon),
    elapsedMs: nowMs - startedAtMs,
  }
}

function shown({ phase, runningCount }: InstanceState): InstanceProgress {
  return phase === 'ready' && runningCount > 0 ? 'busy' : phase
}

/** Parts that fan-out made are shown under their model. Cancelled items are no longer work. */
function countSteps({ groups }: StoreStats): StepProgress[] {
  const steps = new Map<string, StepProgress>()
  for (const { step, modelId, state, count } of groups) {
    if (state === 'cancelled') continue
    const name = step ?? `${modelId} (parts)`
    const progress = steps.get(name) ?? { name, done: 0, failed: 0, skipped: 0, total: 0 }
    steps.set(name, progress)
    progress.total += count
    if (state === 'done' || state === 'failed' || state === 'skipped') progress[state] += count
  }
  return [...steps.values()]
}

/** Compute of what waits, in full batches, and a load for each model that is out. */
function restMs({ state, meanItemMs }: Run['daemon']): number | null {
  let restMs = 0
  for (const { model, readyCount, blockedCount, claimingCount, instances, loadMs } of state.models) {
    const count = readyCount + blockedCount + claimingCount
    if (count === 0) continue
    const itemMs = meanItemMs.get(model.id) ?? runMs(model, model.batch.max) / model.batch.max
    restMs += count * itemMs + (instances.length === 0 ? loadMs : 0)
  }
  return restMs
}
