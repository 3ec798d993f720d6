// Our policy with the truth in its hands: before each decision every model is given the times
// that its next load and its next batches will really take. Nobody can know them; what it
// gains over the policy that goes by what it was told once is the price of stale estimates.
// For comparisons only: it writes into the state, which nothing else but apply.ts does.

import type { Model, ModelId } from '../../src/core/model.ts'
import { clearMs } from '../../src/core/state/estimates.ts'
import type { ModelState, State } from '../../src/core/state/state.ts'
import { plimsollPolicy, type SimulatedPolicy } from '../../src/sim/simulate.ts'
import type { Draws } from '../../src/sim/spread.ts'

/** `truth`: the models as they are. */
export function oracle(truth: readonly Model[], draws: Draws): SimulatedPolicy {
  const trueById = new Map(truth.map((model) => [model.id, model]))
  return {
    name: 'oracle',
    create(backlog, models) {
      const decide = plimsollPolicy.create(backlog, models)
      const loads = new Map<ModelId, number>(models.map(({ id }) => [id, 0]))
      const runs = new Map<ModelId, number>(models.map(({ id }) => [id, 0]))
      return (state, nowMs) => {
        for (const each of state.models) {
          const { id } = each.model
          const run = meanRun(draws, each, runs.get(id)!)
          giveTruth(state, each, trueById.get(id)!, draws.load(id, loads.get(id)!), run)
        }
        const decision = decide(state, nowMs)
        const { command } = decision
        const counts = command?.type === 'start-load' ? loads : command?.type === 'run-batch' ? runs : null
        counts?.set(command!.modelId, counts.get(command!.modelId)! + 1)
        return decision
      }
    },
  }
}

/** Of as many batches as the ready items make. */
function meanRun(draws: Draws, { model, readyCount }: ModelState, from: number): number {
  const count = Math.max(1, Math.ceil(readyCount / model.batch.max))
  let sum = 0
  for (let number = from; number < from + count; number++) sum += draws.run(model.id, number)
  return sum / count
}

/** Sums over what waits stay sums of what is believed. */
function giveTruth(state: State, each: ModelState, truth: Model, load: number, run: number): void {
  const { model, waitingCount } = each
  const { waiting } = state
  const loadMs = truth.loadMs * load
  const { batch } = truth
  const measured = { ...batch, overheadMs: batch.overheadMs * run, perItemMs: batch.perItemMs * run }
  if (waitingCount > 0) waiting.loadMs += loadMs - model.loadMs
  each.model = { ...truth, loadMs, batch: measured }
  each.loadMs = loadMs
  const waitingMs = clearMs(each.model, waitingCount)
  waiting.workMs += waitingMs - each.waitingMs
  each.waitingMs = waitingMs
}
