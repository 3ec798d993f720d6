// Random items: waves of them over time, each waiting for some of those before it, with
// fan-out and conditions through a resolver. And what a worker answers: a function of
// the item, so that a wrong or foreign answer shows.
import type { Model } from '../../../src/core/model.ts'
import type { EdgePolicy, NewItem } from '../../../src/core/work/item.ts'
import { newItem } from '../../../src/core/work/item.ts'
import type { Resolution, ResolvedParent, Resolver } from '../../../src/core/work/resolver.ts'
import { Chance, hashOf } from './chance.ts'
import type { Context } from './context.ts'
import type { Settings } from './world.ts'

export interface Arrival {
  atMs: number
  items: NewItem[]
}

const policies: readonly EdgePolicy[] = ['fail', 'fail', 'skip', 'continue']

/** How far back an item looks for those it waits for. */
const reach = 12

export function createArrivals(
  seed: number,
  { itemCount, spanMs }: Settings,
  models: readonly Model[],
): Arrival[] {
  const chance = new Chance(seed, 'items')
  const waveCount = Math.min(itemCount, chance.between(1, Math.max(10, itemCount / 10)))
  const edgeRatio = chance.pick([0, 0.3, 0.6])
  const arrivals: Arrival[] = []
  const ids: string[] = []
  for (let wave = 0; wave < waveCount; wave++) {
    const atMs = wave === 0 ? 0 : chance.between(0, spanMs)
    arrivals.push({ atMs, items: [] })
  }
  arrivals.sort((a, b) => a.atMs - b.atMs)
  for (let index = 0; index < itemCount; index++) {
    const item = createItem(index, ids, edgeRatio, models, chance)
    ids.push(item.id)
    arrivals[Math.floor((index * waveCount) / itemCount)]!.items.push(item)
  }
  return arrivals
}

function createItem(
  index: number,
  ids: readonly string[],
  edgeRatio: number,
  models: readonly Model[],
  chance: Chance,
): NewItem {
  const before = ids.slice(-reach)
  const edgeCount = before.length > 0 && chance.happens(edgeRatio) ? chance.between(1, 3) : 0
  const dependencies = Array.from({ length: edgeCount }, () => ({
    id: chance.pick(before),
    policy: chance.pick(policies),
  }))
  return newItem({
    id: `i${index}`,
    pipeline: pipelineName,
    modelId: chance.pick(models).id,
    priority: chance.pick([-2, 0, 0, 0, 0, 1, 3, 9]),
    dependencies,
    step: chance.pick([null, null, null, 'plain', 'maybe', 'fan']),
    maxAttempts: chance.between(1, 4),
    timeoutMs: chance.happens(0.2) ? chance.between(500, 5000) : null,
  })
}

/** Of all items. */
export const pipelineName = 'simulated'

/** Pure: chance comes from the item and its parents. */
export function createResolver(seed: number, models: readonly Model[]): Resolver {
  return (item, parents) => {
    if (item.step === 'plain') return { type: 'run', input: { of: item.id } }
    const chance = new Chance(seed, `${item.id} ${parents.map(({ state }) => state).join()}`)
    const children = parents.filter((each) => isChild(each, item))
    if (item.step === 'maybe') return resolveMaybe(chance)
    return children.length > 0 ? resolveEnded(item, children, chance) : expand(item, models, chance)
  }
}

function isChild({ id }: ResolvedParent, { id: makerId }: NewItem): boolean {
  return id.startsWith(`${makerId}/`)
}

function resolveMaybe(chance: Chance): Resolution {
  const draw = chance.number()
  if (draw < 0.4) return { type: 'run', input: { of: 'maybe' } }
  if (draw < 0.7) return { type: 'skip', reason: 'chance' }
  if (draw < 0.85) return { type: 'fail', error: { code: 'RUN_FAILED', message: 'chance' } }
  throw new Error('an expression that cannot be evaluated')
}

function resolveEnded(item: NewItem, children: readonly ResolvedParent[], chance: Chance): Resolution {
  if (chance.happens(0.5)) return { type: 'run', input: { of: item.id } }
  return { type: 'finish', output: children.map(({ output }) => output) }
}

function expand(item: NewItem, models: readonly Model[], chance: Chance): Resolution {
  const items = Array.from({ length: chance.between(0, 4) }, (_, index) =>
    newItem({
      id: `${item.id}/${index}`,
      modelId: chance.pick(models).id,
      priority: item.priority,
      maxAttempts: item.maxAttempts,
      dependencies: index > 0 && chance.happens(0.3) ? [`${item.id}/${index - 1}`] : [],
    }),
  )
  return { type: 'expand', items, policy: chance.pick(policies) }
}

/** What an item does to whoever runs it, always; null: nothing. */
export function poisonOf({ seed, settings }: Context, id: string): 'kills' | 'needs too much' | null {
  if (settings.faults.poison === 0) return null
  const chance = new Chance(seed, `poison ${id}`)
  if (!chance.happens(settings.faults.poison)) return null
  return chance.pick(['kills', 'needs too much'])
}

/** What a worker must answer for an item. */
export function rightOutput(id: string): unknown {
  return { of: id, value: hashOf(id) }
}

/** What nobody may ever find recorded. */
export function wrongOutput(id: string): unknown {
  return { of: id, value: 'wrong' }
}
