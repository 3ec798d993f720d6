// What a seed makes of a round: a line of some hundred megabytes, models that do not fit below it
// together, most with a vice of their own, and some hundred items whose results are known beforehand.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Chance } from '../dst/world/chance.ts'
import { type ModelOptions, resultOf } from './model.ts'

const MB = 1e6

/** What a worker's process holds before it has loaded anything, bytes: 70 MB measured, and some air. */
const bareBytes = 76 * MB

/** What a worker's child holds, bytes: a bare Node of 52 MB and this. */
const childBytes = 25 * MB
const bareChildBytes = 55 * MB

/** Each round has each of them once; further models have none. */
const vices = ['holds more', 'batches hold more', 'has a child', 'leaves a stray', 'is deaf'] as const

/** What items make their worker do, and how many of a round do. Poison does it each time, the others once. */
const acts = { crash: 2, hang: 1, 'out of memory': 2, poison: 1 } as const

const safety = 0.9

export interface ChaosModel {
  id: string
  vice: (typeof vices)[number] | 'none'
  declaredBytes: number
  /** What its processes may hold beyond that. */
  overBytes: number
}

export interface ChaosItem {
  value: number
  act: keyof typeof acts | ''
  /** Keys of the items that it waits for. */
  parents: string[]
}

export interface ChaosProject {
  folder: string
  pipeline: string
  database: string
  executions: string
  capacityBytes: number
  /** capacity × safety, before foreign use. */
  lineBytes: number
  models: ReadonlyMap<string, ChaosModel>
  /** By key: `<step>-<n>`. */
  items: ReadonlyMap<string, ChaosItem>
}

export interface ProjectSize {
  sourceCount: number
  modelCount: number
}

interface Step {
  name: string
  index: number
  model: string
  parents: Step[]
}

/** Writes a pipeline into the folder. The same seed writes the same. */
export function createProject(
  seed: number,
  folder: string,
  { sourceCount, modelCount }: ProjectSize,
): ChaosProject {
  mkdirSync(join(folder, 'flags'), { recursive: true })
  const chance = new Chance(seed, 'project')
  const executions = join(folder, 'executions.jsonl')
  const inTurn = Array.from({ length: modelCount }, (_, index) => vices[index] ?? 'none')
  const models = shuffled(chance, inTurn).map((vice, index) => createModel(chance, `m${index}`, vice))
  const steps = createSteps(chance, models.length)
  const items = createItems(chance, steps, sourceCount)
  const capacityBytes = drawCapacity(chance, models)
  const common = { executions, flags: join(folder, 'flags') }
  const written = {
    name: 'chaos',
    gpus: [{ name: 'ram', kind: 'host', memory: capacityBytes, safety }],
    models: Object.fromEntries(
      models.map(({ options, ...model }) => [model.id, writtenModel(model, { ...options, ...common })]),
    ),
    // Loads are killed often here, and no model deserves to be given up for it.
    policy: { loadCooldown: '200ms', maxLoadFailures: 100 },
    sources: { numbers: { list: recordsOf(items, steps, sourceCount) } },
    steps: Object.fromEntries(steps.map((step) => [step.name, writtenStep(step)])),
  }
  const pipeline = join(folder, 'chaos.yaml')
  writeFileSync(pipeline, JSON.stringify(written, null, 1)) // JSON is YAML
  return {
    folder,
    pipeline,
    database: join(folder, 'chaos.db'),
    executions,
    capacityBytes,
    lineBytes: Math.floor(capacityBytes * safety),
    models: new Map(models.map((model) => [model.id, model])),
    items,
  }
}

/** Not enough for all models at once, and enough for each. */
function drawCapacity(chance: Chance, models: readonly ChaosModel[]): number {
  const sumBytes = models.reduce((sum, { declaredBytes }) => sum + declaredBytes, 0)
  const largestBytes = Math.max(...models.map(({ declaredBytes, overBytes }) => declaredBytes + overBytes))
  return Math.ceil(Math.max(sumBytes * (0.5 + 0.15 * chance.number()), largestBytes * 1.2) / safety)
}

type Options = Omit<ModelOptions, 'executions' | 'flags'>

function createModel(
  chance: Chance,
  id: string,
  vice: ChaosModel['vice'],
): ChaosModel & { options: Options } {
  const weightBytes = chance.between(20, 90) * MB
  const lieBytes = chance.between(25, 70) * MB
  const hasChild = vice === 'has a child' || vice === 'leaves a stray'
  const isLiar = vice === 'holds more' || vice === 'batches hold more'
  return {
    id,
    vice,
    declaredBytes: bareBytes + weightBytes,
    overBytes: hasChild ? bareChildBytes + childBytes : isLiar ? lieBytes : 0,
    options: {
      heldBytes: weightBytes + (vice === 'holds more' ? lieBytes : 0),
      batchBytes: vice === 'batches hold more' ? lieBytes : 0,
      childBytes: hasChild ? childBytes : 0,
      isStray: vice === 'leaves a stray',
      isDeaf: vice === 'is deaf',
      workMs: chance.between(15, 50),
    },
  }
}

/** Module workers and ones that speak the protocol themselves, in turn; only the latter can be deaf. */
function writtenModel({ id, vice, declaredBytes }: ChaosModel, options: ModelOptions): object {
  const file = (name: string) => join(import.meta.dirname, name)
  const isModule = vice !== 'is deaf' && Number(id.slice(1)) % 2 === 0
  return {
    ...(isModule ? { module: file('model.ts') } : { command: ['node', file('stdio-worker.ts')] }),
    vram: declaredBytes,
    loadTime: '300ms',
    batch: { max: 4, overhead: '5ms', perItem: `${options.workMs}ms` },
    timeouts: { ready: '5s', load: '5s' },
    environment: { CHAOS_MODEL: id },
    options,
  }
}

/** The first two wait for nothing, each other one for one or two of those before it. */
function createSteps(chance: Chance, modelCount: number): Step[] {
  const steps: Step[] = []
  for (let index = 0; index < modelCount; index++) {
    const before = shuffled(chance, steps)
    const parents = index < 2 ? [] : before.slice(0, chance.between(1, 2))
    steps.push({ name: `s${index}`, index, model: `m${index}`, parents })
  }
  return steps
}

function createItems(chance: Chance, steps: readonly Step[], sourceCount: number): Map<string, ChaosItem> {
  const items = new Map<string, ChaosItem>()
  for (let n = 1; n <= sourceCount; n++)
    for (const { name, index, parents } of steps) {
      const keys = parents.map((parent) => `${parent.name}-${n}`)
      const values = keys.map((key) => items.get(key)!.value)
      items.set(`${name}-${n}`, { value: resultOf(index, n, values), act: '', parents: keys })
    }
  const chosen = shuffled(chance, [...items.values()])
  for (const [act, count] of Object.entries(acts))
    for (const item of chosen.splice(0, count)) item.act = act as ChaosItem['act']
  return items
}

function recordsOf(
  items: ReadonlyMap<string, ChaosItem>,
  steps: readonly Step[],
  sourceCount: number,
): object[] {
  return Array.from({ length: sourceCount }, (_, index) => {
    const n = index + 1
    const own = steps.map(({ name }) => [name, items.get(`${name}-${n}`)!.act])
    return { n, acts: Object.fromEntries(own) }
  })
}

function writtenStep({ name, index, model, parents }: Step): object {
  return {
    source: 'numbers',
    model,
    timeout: '1500ms',
    input: {
      key: `${name}-\${source.n}`,
      n: '${source.n}',
      step: index,
      parents: parents.map((parent) => `\${${parent.name}.value}`),
      act: `\${source.acts.${name}}`,
    },
  }
}

export function shuffled<T>(chance: Chance, list: readonly T[]): T[] {
  return list
    .map((each) => ({ each, at: chance.number() }))
    .sort((a, b) => a.at - b.at)
    .map(({ each }) => each)
}
