// What is refused at the door: items of unknown models, and models that no device can ever hold. Everything else may
// wait; nothing is refused because it is busy now.
import { leastBytes, type ModelId } from './model.ts'
import { type ModelState, modelOf, type State } from './state.ts'
import { neverFits } from './vram.ts'

/** Throws UNKNOWN_MODEL, or NEVER_FITS with the numbers. */
export function admit(state: State, modelIds: Iterable<ModelId>): void {
  let known: ModelId | null = null
  for (const modelId of modelIds) {
    if (modelId !== known) assertFits(state, modelOf(state, modelId))
    known = modelId
  }
}

function assertFits(state: State, { model }: ModelState): void {
  const neededBytes = leastBytes(model)
  let best = state.devices[0]
  for (const device of state.devices) if (best && device.budgetBytes > best.budgetBytes) best = device
  const {
    capacityBytes: totalBytes = 0,
    safetyRatio: safetyFactor = 1,
    budgetBytes: usableBytes = 0,
  } = best ?? {}
  if (neededBytes > usableBytes)
    throw neverFits(model.id, neededBytes, { totalBytes, safetyFactor, usableBytes })
}
