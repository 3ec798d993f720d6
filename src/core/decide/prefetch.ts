// What a device loads while no model with ready items is missing: models that are to be there from the start,
// and models that will be needed soon.
import { leastBytesOn, needsDevice } from '../state/footprint.ts'
import { headroomBytes, offeredBytes, stuckBytes } from '../state/ledger.ts'
import { type LoadPlan, planLoad } from './room.ts'
import type { Candidate, Lane } from './view.ts'

/** How many times more a prefetch must be worth than a model that could not be back in time. Study: 1.5 takes
 * a rotation of five models over four places from 1.67 to 1.50 s; 2 is worse again. */
const harmFactor = 1.5

/** A model that is to be there from the start, while there is room. Once only: it may have gone for being
 * idle. */
export function choosePreload(lane: Lane): LoadPlan | null {
  const { view, device } = lane
  const model = view.preloads.find(
    (each) => needsDevice(each) && leastBytesOn(each, device) <= headroomBytes(device) && view.canTry(each),
  )
  return model ? planLoad(lane, { model, rule: 'preload', worth: 0 }, []) : null
}

/** The model that will be needed soonest for its size and load time, over idle models that are worth
 * `prefetchGain` times less, and `harmFactor` times less again where they could not be back in time (do no
 * harm: Cao 1995). Nothing while a model with ready items waits for quarantined bytes: what is loaded
 * meanwhile would have to go again for it. */
export function choosePrefetch(lane: Lane): LoadPlan | null {
  const { view, device } = lane
  const stuck = stuckBytes(device)
  const waits = ({ model }: Candidate) =>
    leastBytesOn(model, device) <= offeredBytes(device) + stuck && view.canTry(model)
  if (stuck > 0 && view.missing.some(waits)) return null
  const best = view.expected.find(
    (model) => leastBytesOn(model, device) <= offeredBytes(device) && view.canTry(model),
  )
  if (!best) return null
  const worth = view.keepWorth(best)
  const candidates = device.instances.filter(({ phase, runningCount, model }) => {
    if (phase !== 'ready' || runningCount > 0 || model.readyCount > 0 || model.model.isPinned) return false
    const isBackInTime = view.nextUseMs(model) >= best.loadMs + model.loadMs
    const gain = view.state.policy.prefetchGain * (isBackInTime ? 1 : harmFactor)
    return view.keepWorth(model) * gain <= worth
  })
  return planLoad(lane, { model: best, rule: 'prefetch', worth }, candidates)
}
