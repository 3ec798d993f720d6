// From a pipeline to the workload that a forecast simulates: as many items as its steps would make of so many
// records, with times and shares from earlier runs where there are any. A step that ran for a third of its
// records is planned for every third one; a fan-out is planned with the mean number of its parts. All records
// are there at once.
import type { Model } from '../core/model.ts'
import type { ItemState } from '../core/work/item.ts'
import type { Pipeline, Step } from '../pipelines/pipeline.ts'
import { type Measured, profileOf } from '../record/measured.ts'
import type { Workload, WorkloadItem } from '../sim/workload.ts'
import type { StoreStats } from '../stores/store.ts'

/** What earlier runs made of a step, per record. */
export interface StepShape {
  /** Share of records for which it ran. */
  runRatio: number
  /** Items for a record that ran: 1, or the mean number of parts. */
  partCount: number
}

/** Shapes from what a store counts: skipped items did not run; parts stand under their model, without a
 * step. */
export function shapesOf({ steps }: Pipeline, { groups }: StoreStats): Map<string, StepShape> {
  const shapes = new Map<string, StepShape>()
  const sum = (wanted: (group: StoreStats['groups'][number]) => boolean) =>
    groups.filter(wanted).reduce((total, { count }) => total + count, 0)
  for (const { name, modelId, forEach } of steps.values()) {
    const ended = sum((group) => group.step === name && (group.state === 'done' || group.state === 'skipped'))
    const done = sum((group) => group.step === name && group.state === 'done')
    if (ended === 0) continue
    const parts = sum((group) => group.step === null && group.modelId === modelId)
    const shared = [...steps.values()].filter((step) => step.forEach && step.modelId === modelId).length
    shapes.set(name, { runRatio: done / ended, partCount: forEach && done > 0 ? parts / shared / done : 1 })
  }
  return shapes
}

/** As far as counts tell, where the pipeline is not known: a step that was skipped for half of its records
 * will be for half of the rest. */
export function countedShapes(stats: StoreStats): Map<string, StepShape> {
  const shapes = [...countsByStep(stats)].map(([step, counts]): [string, StepShape] => {
    const done = counts.get('done') ?? 0
    const ended = done + (counts.get('skipped') ?? 0)
    return [step, { runRatio: ended > 0 ? done / ended : 1, partCount: 1 }]
  })
  return new Map(shapes)
}

/** Step, or `model (parts)` for what fan-out made, to state to count. */
export function countsByStep({ groups }: StoreStats): Map<string, Map<ItemState, number>> {
  const steps = new Map<string, Map<ItemState, number>>()
  for (const { step, modelId, state, count } of groups) {
    const name = step ?? `${modelId} (parts)`
    const counts = steps.get(name) ?? new Map<ItemState, number>()
    counts.set(state, (counts.get(state) ?? 0) + count)
    steps.set(name, counts)
  }
  return steps
}

/** Declared times, replaced by measured ones. */
export function measuredModel(model: Model, measured: Measured | undefined): Model {
  if (!measured) return model
  const { loads, loadMs, unloads, unloadMs, items } = measured
  const batch = items > 0 ? { ...model.batch, ...profileOf(measured), exponent: 1 } : model.batch
  const times = {
    loadMs: loads > 0 ? Math.round(loadMs) : model.loadMs,
    unloadMs: unloads > 0 ? Math.round(unloadMs) : model.unloadMs,
  }
  return { ...model, ...times, batch }
}

/** `countOf` says how many records a source has. */
export function planWorkload(
  { steps, models }: Pipeline,
  measured: ReadonlyMap<string, Measured>,
  shapes: ReadonlyMap<string, StepShape>,
  countOf: (source: string) => number,
): Workload {
  const items: WorkloadItem[] = []
  const idsByStep = new Map<string, string[]>()
  const add = (step: Step, index: number, after: readonly string[]) => {
    const made = itemsOf(step, index, after, shapes.get(step.name))
    for (const each of made) items.push(each)
    const ids = made.map(({ id }) => id)
    // What waits for a step that was left out waits for what that one waited for.
    return ids.length > 0 ? ids : after
  }
  for (const source of new Set([...steps.values()].map((step) => step.source))) {
    if (source === null) continue
    for (let index = 0; index < countOf(source); index++) {
      const made = new Map<string, readonly string[]>()
      for (const step of inOrder(steps, source)) {
        const ids = add(step, index, unique([...step.needs.keys()].flatMap((name) => made.get(name) ?? [])))
        made.set(step.name, ids)
        idsByStep.set(step.name, [...(idsByStep.get(step.name) ?? []), ...ids])
      }
    }
  }
  for (const step of inOrder(steps, null))
    add(step, 0, unique([...step.needs.keys()].flatMap((name) => idsByStep.get(name) ?? [])))
  return { models: models.map((model) => measuredModel(model, measured.get(model.id))), items }
}

/** What a step makes of the record with this number. */
function itemsOf(
  { name, modelId: model, priority, deadlineMs, source }: Step,
  index: number,
  after: readonly string[],
  { runRatio, partCount }: StepShape = { runRatio: 1, partCount: 1 },
): WorkloadItem[] {
  const parts = takes(index, runRatio) ? takesOf(index, partCount) : 0
  return Array.from({ length: parts }, (_, part) => {
    const id = `${name}-${index}-${part}`
    const job = source === null ? id : `${source}-${index}`
    return { id, model, atMs: 0, after, job, priority, deadlineMs, costMs: null, tenant: null }
  })
}

/** Whether the record with this number is among a share of them that is spread evenly. */
function takes(index: number, ratio: number): boolean {
  return takesOf(index, ratio) > 0
}

/** How many of a mean number fall to this index, so that they are spread evenly. */
export function takesOf(index: number, mean: number): number {
  return Math.floor((index + 1) * mean + 1e-9) - Math.floor(index * mean + 1e-9)
}

function unique(ids: readonly string[]): string[] {
  return [...new Set(ids)]
}

/** A source's steps, each after those it needs. */
function inOrder(steps: Pipeline['steps'], source: string | null): Step[] {
  const ordered = new Set<Step>()
  const visit = (step: Step) => {
    if (ordered.has(step) || step.source !== source) return
    for (const name of step.needs.keys()) visit(steps.get(name)!)
    ordered.add(step)
  }
  for (const step of steps.values()) visit(step)
  return [...ordered]
}
