// From a run's store and state to the progress that is painted: counts by step, what each device holds, and how long the
// rest takes, which is forecast now and then and counts down meanwhile.
import { bookedBytes } from '../core/state/ledger.ts'
import type { InstanceState } from '../core/state/state.ts'
import type { Run } from '../daemon/run.ts'
import { shapesOf } from '../forecast/plan-workload.ts'
import { forecastRest } from '../forecast/rest.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import type { StoreStats } from '../stores/store.ts'
import type { InstanceProgress, ProgressState, StepProgress } from './progress.ts'

/** A forecast stands for so long, and for this many times as long as it took to make, ms. */
const forecastMs = 3000
const forecastShare = 50

export class RunProgress {
  readonly #run: Run
  readonly #pipeline: Pipeline
  /** When the run ends by the last forecast, and until when that stands. */
  #eta: { endsAtMs: number | null; untilMs: number } = { endsAtMs: null, untilMs: 0 }

  constructor(run: Run, pipeline: Pipeline) {
    this.#run = run
    this.#pipeline = pipeline
  }

  /** `nowMs`: by the run's clock. */
  async at(nowMs: number): Promise<ProgressState> {
    const { store, daemon, startedAtMs } = this.#run
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
    const stats = await store.stats()
    const etaMs = await this.#etaMs(stats, nowMs)
    return { steps: countSteps(stats), devices, etaMs, elapsedMs: nowMs - startedAtMs }
  }

  async #etaMs(stats: StoreStats, nowMs: number): Promise<number | null> {
    const { store, daemon, clock } = this.#run
    if (nowMs >= this.#eta.untilMs) {
      const startedAtMs = clock.nowMs()
      const etaMs = await forecastRest(store, daemon.state, shapesOf(this.#pipeline, stats), nowMs)
      const standsMs = Math.max(forecastMs, forecastShare * (clock.nowMs() - startedAtMs))
      this.#eta = { endsAtMs: etaMs === null ? null : nowMs + etaMs, untilMs: nowMs + standsMs }
    }
    const { endsAtMs } = this.#eta
    return endsAtMs === null ? null : Math.max(0, endsAtMs - nowMs)
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
