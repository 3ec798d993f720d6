// What a released item of a pipeline does: evaluates `when`, `forEach` and `input` over
// its source and the outputs of the steps it needed. Pure: the same item and parents
// give the same answer. Items are decided when they are released, before they count for
// their model, so that a model is never loaded for what is skipped.
//
//   when is false              skip
//   forEach, first time        expand into children
//   forEach, children ended    finish with their outputs as a list
//   else                       run with the input
import { SchedulerError } from '../core/errors.ts'
import { itemId, type NewItem, newItem } from '../core/work/item.ts'
import type { Resolution, ResolvedParent, Resolver } from '../stores/store.ts'
import { uuidOf } from './expand.ts'
import type { Pipeline, Step } from './pipeline.ts'

/** Most items that one element of a source may become. */
const maxChildren = 100_000

export function pipelineResolver({ steps }: Pipeline): Resolver {
  return (item, parents) => {
    const step = steps.get(item.step!)
    if (!step) {
      return {
        type: 'fail',
        error: { code: 'BAD_PIPELINE', message: `the pipeline no longer has a step "${item.step}"` },
      }
    }
    const children = parents.filter((parent) => parent.step === null)
    if (children.length > 0) return { type: 'finish', output: children.map(({ output }) => output) }
    const scope = scopeOf(steps, step, item, parents)
    if (step.forEach) return expand(step, item, scope)
    if (step.when && !isTrue(step.when.evaluate(scope)))
      return { type: 'skip', reason: 'its condition is false' }
    return { type: 'run', input: step.input.evaluate(scope) }
  }
}

/** In a step that gathers, steps are lists of { source, output }; one that gathers too
 * has run once and is its output. */
function scopeOf(
  steps: Pipeline['steps'],
  step: Step,
  { source }: NewItem,
  parents: readonly ResolvedParent[],
): Record<string, unknown> {
  if (step.source !== null)
    return { source, ...Object.fromEntries(parents.map((parent) => [parent.step, parent.output])) }
  const lists = [...step.needs.keys()].map((name) => [name, [] as unknown[]] as const)
  const listByStep = new Map(lists)
  for (const parent of parents)
    listByStep.get(parent.step!)?.push({ source: parent.source, output: parent.output })
  return Object.fromEntries(
    lists.map(([name, list]) => [
      name,
      steps.get(name)!.source === null
        ? ((list[0] as { output: unknown } | undefined)?.output ?? null)
        : list,
    ]),
  )
}

/** A condition that speaks of `each` picks among the children; another one decides about all of them. */
function expand(step: Step, item: NewItem, scope: Record<string, unknown>): Resolution {
  const picks = step.when?.names.has('each') ?? false
  if (step.when && !picks && !isTrue(step.when.evaluate(scope)))
    return { type: 'skip', reason: 'its condition is false' }
  const list = step.forEach!.evaluate(scope)
  if (!Array.isArray(list))
    throw new SchedulerError(
      'BAD_EXPRESSION',
      `forEach of "${step.name}" must give a list; it gave ${JSON.stringify(list)?.slice(0, 100)}.`,
    )
  if (list.length > maxChildren) {
    throw new SchedulerError(
      'BAD_EXPRESSION',
      `forEach of "${step.name}" gave ${list.length} elements; at most ${maxChildren} are allowed.`,
    )
  }
  const children = list.flatMap((each, index) => {
    const inner = { ...scope, each }
    return picks && !isTrue(step.when!.evaluate(inner))
      ? []
      : [childOf(step, item, index, step.input.evaluate(inner))]
  })
  // The children end as the step's needs do: a failed one fails the list, unless later
  // steps go on without it.
  return { type: 'expand', items: children, policy: 'fail' }
}

function childOf(step: Step, item: NewItem, index: number, input: unknown): NewItem {
  const { modelId, priority, sourceId, source, maxAttempts, timeoutMs, tenant } = item
  const id = itemId(sourceId ?? step.name, modelId, uuidOf(`${item.id}\n${index}\n${JSON.stringify(input)}`))
  return newItem({ id, modelId, input, priority, sourceId, source, maxAttempts, timeoutMs, tenant })
}

function isTrue(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new SchedulerError(
    'BAD_EXPRESSION',
    `A condition must give true or false; it gave ${JSON.stringify(value)?.slice(0, 100)}.`,
  )
}
