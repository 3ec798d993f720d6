// What chance has in store for a load and for a batch: how long each takes if nothing
// stops it, and what stops it.
import { type Model, runMs } from '../../../src/core/model.ts'
import { spread } from '../../../src/sim/random.ts'
import type { Chance } from './chance.ts'
import type { Context } from './context.ts'
import type { FaultKind } from './faults.ts'

/** The runner's time-outs, ms: like the real ones, shorter where those are many minutes. */
export const loadLimitMs = 20_000
export const runLimitMs = 200_000
export const graceMs = 2000

export interface LoadCourse {
  loadMs: number
  /** null: it goes well. */
  fate: 'load-fails' | 'load-broken' | 'load-hangs' | 'load-crashes' | 'load-out-of-memory' | null
}

export interface BatchCourse {
  batchMs: number
  /** It is given up then. */
  limitMs: number
  fate: 'batch-hangs' | 'batch-crashes' | null
}

export function drawLoad({ loadMs: declaredMs }: Model, chance: Chance, context: Context): LoadCourse {
  const usualMs = declaredMs * spread(chance.number, 0.3)
  const isSlow = context.faults.strikes('load-slow')
  const loadMs = isSlow ? usualMs * chance.between(3, 10) : usualMs
  const fate = drawFate(context, [
    'load-fails',
    'load-broken',
    'load-hangs',
    'load-crashes',
    'load-out-of-memory',
  ])
  if (isSlow) context.disturb(loadMs)
  if (fate === 'load-hangs') context.disturb(loadLimitMs + graceMs)
  return { loadMs, fate }
}

/** `timeoutMs`: of its items together; null: they have none. */
export function drawBatch(
  model: Model,
  { itemCount, timeoutMs }: { itemCount: number; timeoutMs: number | null },
  chance: Chance,
  context: Context,
): BatchCourse {
  const isSlow = context.faults.strikes('batch-slow')
  const isLong = context.faults.strikes('batch-long')
  const usualMs = () =>
    runMs(model, itemCount) * spread(chance.number, 0.3) * (isSlow ? chance.between(3, 10) : 1)
  const batchMs = isLong ? chance.between(60_000, 180_000) : usualMs()
  const limitMs = timeoutMs ?? runLimitMs
  const fate = drawFate(context, ['batch-hangs', 'batch-crashes'])
  if (isSlow || isLong) context.disturb(batchMs)
  if (fate === 'batch-hangs') context.disturb(limitMs + graceMs)
  return { batchMs, limitMs, fate }
}

function drawFate<Kind extends FaultKind>({ faults }: Context, kinds: readonly Kind[]): Kind | null {
  return kinds.find((kind) => faults.strikes(kind)) ?? null
}
