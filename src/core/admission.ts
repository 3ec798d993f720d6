// What is refused at the door: items of unknown models, and models that no device can ever hold. Everything else may
// wait; nothing is refused because it is busy now.
import { SchedulerError } from './errors.ts'
import { leastBytes, type ModelId } from './model.ts'
import { type ModelState, modelOf, type State } from './state.ts'
import { formatBytes } from './units.ts'

/** Throws UNKNOWN_MODEL, or NEVER_FITS with the numbers. */
export function admit(state: State, modelIds: Iterable<ModelId>): void {
  for (const modelId of new Set(modelIds)) assertFits(state, modelOf(state, modelId))
}

function assertFits(state: State, { model }: ModelState): void {
  const neededBytes = leastBytes(model)
  const best = state.devices.toSorted((a, b) => b.budgetBytes - a.budgetBytes)[0]
  const offeredBytes = best?.budgetBytes ?? 0
  if (neededBytes <= offeredBytes) return
  throw new SchedulerError(
    'NEVER_FITS',
    `Model "${model.id}" needs ${formatBytes(neededBytes)}; the largest device offers ${formatBytes(offeredBytes)}` +
      `${best ? ` (${formatBytes(best.capacityBytes)} × ${best.safetyRatio})` : ''}. Use a smaller variant, a larger device or a higher safety.`,
    { modelId: model.id, neededBytes, offeredBytes },
  )
}
