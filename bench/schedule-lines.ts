// A tiny scenario and what was made of it, as lines that can be read aloud: what the benches say about their worst cases.
import type { SchedulerEvent } from '../src/core/protocol.ts'
import type { Action } from '../src/sim/optimum/problem.ts'
import type { Scenario } from '../src/sim/scenarios.ts'

/** Models with their figures, then items as model, arrival and what each waits for. */
export function scenarioLines({ workload: { models, items }, devices }: Scenario): string[] {
  const sizes = devices.map(({ capacityBytes }) => gb(capacityBytes)).join(' + ')
  const model = models.map(({ id, vramBytes, loadMs, batch: { overheadMs, perItemMs, max } }) => {
    return `${id} ${gb(vramBytes)}, load ${seconds(loadMs)}, run ${seconds(overheadMs)} + ${seconds(perItemMs)} n, n ≤ ${max}`
  })
  const item = items.map(({ id, model: of, atMs, after }) => {
    return `${id}${of}${atMs > 0 ? `@${seconds(atMs)}` : ''}${after.length > 0 ? `<${after.join('+')}` : ''}`
  })
  return [`${sizes}; ${model.join('; ')}`, `items (number, model, @arrival, <after): ${item.join(' ')}`]
}

export function scheduleLines(actions: readonly Action[]): string[] {
  const of = (isRun: boolean) => actions.filter(({ type }) => (type === 'run') === isRun)
  const span = ({ startMs, endMs }: Action) => `${seconds(startMs)}–${seconds(endMs)}`
  const lane = of(false).map((each) => `${each.type === 'unload' ? '−' : '+'}${each.model} ${span(each)}`)
  const slot = of(true).map((each) => `${each.model}×${each.items.length} ${span(each)}`)
  return [`lane: ${lane.join(', ')}`, `slot: ${slot.join(', ')}`]
}

/** What a simulated run did, from its events; which items were in a batch is not known, only how many. */
export class Watched {
  readonly actions: Action[] = []
  readonly #open = new Map<string, Action>()
  #laneFreeMs = 0

  readonly onEvent = (event: SchedulerEvent): void => {
    if (event.type === 'command-issued') this.#command(event)
    else if (event.type === 'batch-claimed')
      this.#open.get(event.batchId)!.items.push(...Array<string>(event.itemCount).fill(''))
    else if (event.type === 'batch-finished') this.#end(event.batchId, event.atMs)
    else if (event.type === 'load-finished' || event.type === 'memory-released') {
      this.#end(event.instanceId, event.atMs)
      this.#laneFreeMs = event.atMs
    }
  }

  #command({ command, atMs }: Extract<SchedulerEvent, { type: 'command-issued' }>): void {
    const types = { 'start-load': 'load', 'stop-instance': 'unload', 'run-batch': 'run' } as const
    if (!(command.type in types)) return
    const type = types[command.type as keyof typeof types]
    const action: Action = { type, model: command.modelId, items: [], startMs: atMs, endMs: atMs }
    this.actions.push(action)
    this.#open.set(
      command.type === 'run-batch' ? command.batchId : (command as { instanceId: string }).instanceId,
      action,
    )
  }

  /** What waited for the lane began when it was free. */
  #end(id: string, atMs: number): void {
    const action = this.#open.get(id)
    if (!action) return
    if (action.type !== 'run') action.startMs = Math.max(action.startMs, this.#laneFreeMs)
    action.endMs = atMs
    this.#open.delete(id)
  }
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(2))}`
}

function gb(bytes: number): string {
  return `${Number((bytes / 1e9).toFixed(1))} GB`
}
