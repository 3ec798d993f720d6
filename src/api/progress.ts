// What a run shows while it is on, from its host: counts by step, what each device holds, and how long the
// rest takes.

import type { ModelId } from '../core/model.ts'
import { bookedBytes } from '../core/state/ledger.ts'
import type { InstanceState } from '../core/state/state.ts'
import type { ItemState } from '../core/work/item.ts'
import { countsByStep } from '../forecast/plan-workload.ts'
import type { Host } from './host.ts'

export interface ProgressState {
  steps: StepProgress[]
  devices: DeviceProgress[]
  /** null: not known yet. */
  etaMs: number | null
  elapsedMs: number
}

export interface StepProgress {
  name: string
  /** done, failed and skipped have ended and do not overlap. */
  done: number
  failed: number
  skipped: number
  /** May grow: a fan-out makes items. */
  total: number
  /** Items that end in a second. Filled in by who paints. */
  ratePerSecond?: number
}

export interface DeviceProgress {
  id: string
  /** 0: the device has no memory of its own. */
  budgetBytes: number
  bookedBytes: number
  instances: { modelId: ModelId; bytes: number; state: InstanceProgress }[]
}

export type InstanceProgress = 'starting' | 'ready' | 'busy' | 'stopping' | 'quarantined'

/** `startedAtMs`: when the run began, by its own clock. */
export async function progressOf(
  host: Pick<Host, 'store' | 'lastRun' | 'restMs'>,
  startedAtMs: number,
): Promise<ProgressState> {
  const stats = await host.store.stats()
  const etaMs = await host.restMs(stats)
  const last = await host.lastRun()
  const devices = last?.state.devices.map(({ id, budgetBytes, ledger, instances }) => ({
    id,
    budgetBytes,
    bookedBytes: bookedBytes(ledger),
    instances: instances.map((each) => ({
      modelId: each.model.model.id,
      bytes: each.bytes,
      state: shown(each),
    })),
  }))
  const steps = [...countsByStep(stats)].flatMap(([name, counts]) => stepProgress(name, counts))
  return { steps, devices: devices ?? [], etaMs, elapsedMs: (last?.nowMs ?? startedAtMs) - startedAtMs }
}

function shown({ phase, runningCount }: InstanceState): InstanceProgress {
  return phase === 'ready' && runningCount > 0 ? 'busy' : phase
}

/** Cancelled items are no longer work. */
function stepProgress(name: string, counts: ReadonlyMap<ItemState, number>): StepProgress[] {
  const [done = 0, failed = 0, skipped = 0] = [
    counts.get('done'),
    counts.get('failed'),
    counts.get('skipped'),
  ]
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const total = all - (counts.get('cancelled') ?? 0)
  return total > 0 ? [{ name, done, failed, skipped, total }] : []
}
