// From a pipeline and its sources to work items. An id ends in a hash of all that its result depends on
// (identity.ts). So submitting the same pipeline again adds nothing, and after an edit only what follows from
// it is new.
import { type ItemId, itemId, type NewItem, newItem } from '../core/work/item.ts'
import { hash, hashOfFiles } from './identity.ts'
import type { Pipeline, Step } from './pipeline.ts'
import { type Inputs, readSources, type SourceRecord } from './sources.ts'

/** Longest part of an id that the source gives. */
const maxSourceIdLength = 200

/** An item that another one waits for, and the step that it is of. */
interface Needed {
  id: ItemId
  step: string
}

/** The items, each after those it needs; deadlines count from `nowMs`. Throws BAD_VALUE
 * for sources that cannot be read. */
export function expandPipeline(pipeline: Pipeline, inputs: Inputs = {}, nowMs = 0): NewItem[] {
  const records = readSources(pipeline, inputs)
  const modelHashes = new Map([...pipeline.runnerSpecs].map(([id, spec]) => [id, hashOfFiles(spec)]))
  const idsByStep = new Map<string, ItemId[]>([...pipeline.steps.keys()].map((name) => [name, []]))
  const items: NewItem[] = []
  const add = (step: Step, record: SourceRecord | null, needed: readonly Needed[]) => {
    const modelHash = modelHashes.get(step.modelId) ?? ''
    const item = itemOf({ pipeline: pipeline.name, step, record, needed, modelHash, nowMs })
    items.push(item)
    idsByStep.get(step.name)!.push(item.id)
    return item.id
  }
  const ordered = inOrder(pipeline.steps)
  for (const [source, list] of records) {
    const steps = ordered.filter((step) => step.source === source)
    for (const record of list) {
      const own = new Map<string, ItemId>()
      for (const step of steps) {
        const needed = [...step.needs.keys()].map((name) => ({ id: own.get(name)!, step: name }))
        own.set(step.name, add(step, record, needed))
      }
    }
  }
  for (const step of ordered.filter((each) => each.source === null)) {
    add(
      step,
      null,
      [...step.needs.keys()].flatMap((name) => idsByStep.get(name)!.map((id) => ({ id, step: name }))),
    )
  }
  return items
}

interface Basis {
  pipeline: string
  step: Step
  /** null: a step that gathers has none. */
  record: SourceRecord | null
  needed: readonly Needed[]
  modelHash: string
  nowMs: number
}

function itemOf({ pipeline, step, record, needed, modelHash, nowMs }: Basis): NewItem {
  const basis = [step.definition, modelHash, record?.fingerprint ?? '', ...needed.map(({ id }) => id)]
  // As a file keeps it: without the half of a sign that was cut, or that JSON may bring.
  const sourceId = (record?.id ?? pipeline).slice(0, maxSourceIdLength).toWellFormed()
  return newItem({
    id: itemId(sourceId, step.modelId, uuidOf(basis.join('\n'))),
    pipeline,
    modelId: step.modelId,
    priority: step.priority,
    dependencies: needed.map((each) => ({ id: each.id, policy: step.needs.get(each.step)! })),
    step: step.name,
    sourceId,
    source: record?.value ?? null,
    maxAttempts: step.maxAttempts,
    timeoutMs: step.timeoutMs,
    deadlineAtMs: step.deadlineMs === null ? null : nowMs + step.deadlineMs,
  })
}

/** Each step after those it needs, otherwise as in the file. */
function inOrder(steps: ReadonlyMap<string, Step>): Step[] {
  const ordered = new Set<Step>()
  const visit = (step: Step) => {
    if (ordered.has(step)) return
    for (const name of step.needs.keys()) visit(steps.get(name)!)
    ordered.add(step)
  }
  for (const step of steps.values()) visit(step)
  return [...ordered]
}

/** A hash in the form of a UUID (version 8, RFC 9562: made by the application). */
export function uuidOf(text: string): string {
  const hex = hash(text)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
