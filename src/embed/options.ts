// What a scheduler is made from, and the faults that are found in it.
import { SchedulerError } from '../core/errors.ts'
import { type Model, mediaModels } from '../core/model.ts'
import type { PolicyOptions } from '../core/policy.ts'
import { VramConfig } from '../core/vram.ts'
import type { TimeAndChance } from './work-item.ts'

/**
 * What a scheduler is made from. All of it may be left out.
 *
 * @public
 * @example
 * ```ts
 * const options: GpuSchedulerOptions = {
 *   vram: new VramConfig({ totalGb: 24, sizes: { sdxl: '7GB' } }),
 *   policy: { goal: 'throughput' },
 * }
 * new GpuScheduler(options).status().usableBytes // => 21.6e9
 * ```
 */
export interface GpuSchedulerOptions extends TimeAndChance {
  /** Default: 16 GB, of which 0.9 may be promised. */
  vram?: VramConfig
  /** Default: those of `vram`. */
  models?: readonly Model[]
  /** How it chooses: docs/policy.md. Default `defaultPolicy`. */
  policy?: PolicyOptions
  /** Number of batches that may run at once on the device, from 1. Default 1. */
  slots?: number
}

/** Throws BAD_VALUE. */
export function modelsOf({ vram, models, slots = 1 }: GpuSchedulerOptions): readonly Model[] {
  assertCount('slots', slots)
  if (vram !== undefined && !(vram instanceof VramConfig))
    throw badValue('vram must be a VramConfig: new VramConfig({ totalGb: 16 }).')
  if (models === undefined) return (vram ?? new VramConfig()).models
  if (models.length === 0) throw badValue('models is empty; leave it out for those of vram, or name one.')
  assertAgree(models, vram?.models ?? mediaModels)
  return models
}

/** Sizes that were given twice are the same. The five that a VramConfig has by itself were not given. */
function assertAgree(models: readonly Model[], others: readonly Model[]): void {
  if (others === mediaModels) return
  for (const { id, vramBytes } of models) {
    if (others.every((each) => each.id !== id || each.vramBytes === vramBytes)) continue
    throw badValue(`${id} has one size in vram and another in models. Leave models out: those of vram count.`)
  }
}

/** Throws BAD_VALUE. */
export function assertCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw badValue(`${name} is ${value}; it must be a whole number from 1.`)
}

function badValue(message: string): SchedulerError {
  return new SchedulerError('BAD_VALUE', message)
}
