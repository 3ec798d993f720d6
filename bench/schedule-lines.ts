// A tiny scenario and what was made of it, as lines that can be read aloud: what the benches say about their
// worst cases.
import type { Command, EventOf, RuleId, SchedulerEvent } from '../src/core/state/events.ts'
import type { WorkloadItem } from '../src/sim/workload.ts'
import type { Action } from '../test/policy/optimum/problem.ts'
import type { Scenario } from '../test/policy/scenarios.ts'

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

/** An action of a run, and the rule that asked for it. */
export interface Watched extends Action {
  rule: RuleId
}

/** Watches a run: its actions with the rule behind each. */
export class Watch {
  readonly #actions: Watched[] = []
  readonly #open = new Map<string, Watched>()
  #laneFreeMs = 0

  /** In the order of their starts. */
  get actions(): Watched[] {
    return [...this.#actions].sort((a, b) => a.startMs - b.startMs)
  }

  readonly onEvent = (event: SchedulerEvent): void => {
    if (event.type === 'command-issued') this.#command(event)
    else if (event.type === 'batch-finished') this.#end(event.batchId, event.atMs)
    else if (event.type === 'load-finished' || event.type === 'memory-released') {
      this.#end(event.instanceId, event.atMs)
      this.#laneFreeMs = event.atMs
    }
  }

  readonly onClaim = (batchId: string, items: readonly WorkloadItem[]): void => {
    this.#open.get(batchId)!.items.push(...items.map(({ id }) => id))
  }

  #command({ command, atMs }: EventOf<'command-issued'>): void {
    const type = types[command.type]
    if (!type) return
    const { modelId: model, reason } = command
    const action = { type, model, items: [], startMs: atMs, endMs: atMs, rule: reason.rule }
    this.#actions.push(action)
    this.#open.set(
      'batchId' in command ? command.batchId : (command as { instanceId: string }).instanceId,
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

const types: Partial<Record<Command['type'], Action['type']>> = {
  'start-load': 'load',
  'stop-instance': 'unload',
  'run-batch': 'run',
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(2))}`
}

function gb(bytes: number): string {
  return `${Number((bytes / 1e9).toFixed(1))} GB`
}
