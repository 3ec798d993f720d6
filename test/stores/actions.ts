// Random calls of a store, for properties: graphs over three models and two tenants with priorities and
// deadlines to inherit, late submissions, two pipelines of which one is not served, fan-outs into new and
// known items (wrong ones too), results, failures, cancels, retries, leases that end, items that another
// pipeline adopts.
import fc from 'fast-check'
import type { Dependency, NewItem } from '../../src/core/work/item.ts'
import type { ClaimOrder } from '../../src/core/work/queue-head.ts'
import { allItems, type Outcome, type Resolver, type Store } from '../../src/stores/store.ts'
import { item } from './conformance.ts'

/** Times of this size add up to more than the integers that a double holds. */
export const dayAtMs = 1_790_000_000_000

export const models = ['a', 'b', 'c']

export function leadMs(modelId: string): number {
  return { a: 20, b: 7 }[modelId] ?? 0
}

export function serves(pipeline: string | null): boolean {
  return pipeline !== 'parked'
}

const policy = fc.constantFrom('fail' as const, 'skip' as const, 'continue' as const)
const newcomer = fc.record({
  /** Counted back from the newest. */
  edges: fc.array(fc.record({ back: fc.nat(12), policy }), { maxLength: 3 }),
  priority: fc.integer({ min: 5, max: 9 }),
  tenant: fc.constantFrom(null, null, 'ann', 'bob'),
  pipeline: fc.constantFrom(null, 'served', 'served', 'parked'),
  deadlineInMs: fc.option(fc.constantFrom(40, 90, 150, 300), { nil: null }),
  maxAttempts: fc.constantFrom(1, 2),
  step: fc.constantFrom(null, null, null, 'run', 'skip', 'fan', 'fan', 'fan-run'),
  fan: fc.record({
    count: fc.nat(3),
    named: fc.array(fc.integer({ min: -9, max: 3 }), { maxLength: 2 }),
    policy,
  }),
})

/** The calls; each with the time that passes before it, and which item it is about, counted back from the
 * newest. `steps`: whether items have steps, for stores with `resolver`. */
export function actions(passingMs: fc.Arbitrary<number>, { steps }: { steps: boolean }) {
  const action = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constant('submit' as const),
        newcomers: fc.array(newcomer, { minLength: 1, maxLength: 4 }),
        isReversed: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('claim' as const),
        model: fc.nat(2),
        count: fc.integer({ min: 1, max: 4 }),
        overdueAgeMs: fc.constantFrom(5, 1e9),
        isUrgent: fc.boolean(),
        annHasHadMs: fc.nat(2),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant('finish' as const),
        how: fc.constantFrom('done' as const, 'done' as const, 'fail' as const, 'release' as const),
        retryable: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constantFrom('cancel' as const, 'retry' as const, 'retry' as const) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('adopt' as const),
        pipeline: fc.constantFrom('served', 'parked'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constantFrom('sweep' as const, 'sweep' as const, 'releaseAll' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('heartbeat' as const, 'unknown' as const) }) },
  )
  const timed = fc
    .tuple(action, fc.nat(20), passingMs)
    .map(([each, back, afterMs]) => ({ ...each, back, afterMs, steps }))
  return fc.array(timed, { minLength: 5, maxLength: 60 })
}

export type Action = ReturnType<typeof actions> extends fc.Arbitrary<(infer T)[]> ? T : never
type Of<Type> = Extract<Action, { type: Type }>

/** Some hundreds of calls, with their moments. */
export function* callsOf(seed: number): Iterable<[Action, number]> {
  let nowMs = dayAtMs
  for (const each of fc.sample(actions(fc.nat(40), { steps: true }), { seed, numRuns: 30 }).flat()) {
    nowMs += each.afterMs
    yield [each, nowMs]
  }
}

/** A store with what a caller knows of it. */
export interface World {
  store: Store
  ids: string[]
  held: { id: string; token: string }[]
  /** Of the last sweep. */
  sweptAtMs: number
}

export function worldOf(store: Store): World {
  return { store, ids: [], held: [], sweptAtMs: Number.NEGATIVE_INFINITY }
}

/** All that can be seen of a store. */
export async function view(store: Store) {
  const { groups } = await store.stats()
  return {
    heads: await store.queueHeads(),
    items: await allItems(store),
    groups: groups.map((group) => JSON.stringify(group)).sort(),
    events: await store.events(0, 1e6),
  }
}

/** Makes the call; answers with what does not depend on the store: no tokens, and of an error its code. */
export async function perform(world: World, action: Action, nowMs: number): Promise<unknown> {
  try {
    return await answerOf(world, action, nowMs)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'UNKNOWN_ITEM') throw error
    return code
  }
}

async function answerOf(world: World, action: Action, nowMs: number): Promise<unknown> {
  const { store, ids, held } = world
  // One item, or two in the same call, of which one may end because of the other.
  const named = [action.back, 2 * action.back + 1].slice(0, 1 + (action.back % 2)).flatMap((back) => {
    return ids.at(-1 - (back % Math.max(1, ids.length))) ?? []
  })
  const holder = held.at(-1 - (action.back % Math.max(1, held.length)))
  switch (action.type) {
    case 'submit':
      return submit(world, action, nowMs)
    case 'claim':
      return claim(world, action, nowMs)
    case 'finish':
      return holder ? store.finish(holder.token, [outcomeOf(action, holder.id, nowMs)], nowMs) : null
    case 'heartbeat':
      return holder ? store.heartbeat(holder.token, 100, nowMs) : null
    case 'cancel':
    case 'retry':
      return store[action.type](named, nowMs)
    case 'adopt':
      return store.adopt(named, action.pipeline, nowMs)
    case 'unknown':
      return store.cancel(['nobody'], nowMs)
    case 'sweep':
      return sweep(world, nowMs)
    case 'releaseAll':
      return store.releaseAll(nowMs)
  }
}

export async function sweep(world: World, nowMs: number): Promise<unknown> {
  const answer = await world.store.sweep(nowMs)
  world.sweptAtMs = nowMs
  return answer
}

async function submit({ store, ids }: World, action: Of<'submit'>, nowMs: number): Promise<unknown> {
  const items = itemsOf(action, ids, nowMs)
  const answer = await store.submit(action.isReversed ? items.toReversed() : items, nowMs)
  ids.push(...items.map(({ id }) => id))
  return answer
}

async function claim({ store, held }: World, action: Of<'claim'>, nowMs: number): Promise<unknown> {
  const order = orderOf(action, nowMs - action.overdueAgeMs, nowMs)
  const request = { modelId: models[action.model]!, maxCount: action.count, order, leaseMs: 100 }
  const { token, items } = await store.claim(request, nowMs)
  held.push(...items.map(({ id }) => ({ id, token })))
  return items
}

function outcomeOf({ how, retryable }: Of<'finish'>, id: string, nowMs: number): Outcome {
  if (how === 'release') return { type: how, id }
  if (how === 'done') return { type: how, id, output: { of: id } }
  return { type: how, id, error: { code: 'RUN_FAILED', message: 'chance' }, retryable, retryAtMs: nowMs + 50 }
}

/** Each may wait for any that is known, and for those before it in the call. */
function itemsOf({ newcomers, steps }: Of<'submit'>, known: readonly string[], nowMs: number): NewItem[] {
  const ids = [...known]
  return newcomers.map(({ edges, priority, tenant, pipeline, deadlineInMs, maxAttempts, step, fan }) => {
    const id = `i${ids.length}`
    const dependencies = edges.flatMap(({ back, policy: each }): Dependency[] =>
      ids.length > 0 ? [{ id: ids.at(-1 - (back % ids.length))!, policy: each }] : [],
    )
    // Named by their distance: also items that come later, which may wait for this one.
    const named = fan.named.map((distance) => `i${Math.max(0, ids.length + distance)}`)
    const modelId = models[ids.length % models.length]!
    const deadlineAtMs = deadlineInMs === null ? null : nowMs + deadlineInMs
    ids.push(id)
    return item(id, dependencies, {
      modelId,
      priority,
      tenant,
      pipeline,
      deadlineAtMs,
      maxAttempts,
      step: steps ? step : null,
      source: { ...fan, named },
    })
  })
}

interface Fan {
  count: number
  named: string[]
  policy: Dependency['policy']
}

/** Skips, runs with what it is shown, or fans out by the item's source: the first child waits for the items
 * that are named, the others are the named ones; some fan out in their turn. */
export const resolver: Resolver = ({ id, step, source, priority, tenant, deadlineAtMs }, parents) => {
  if (step === 'skip') return { type: 'skip', reason: 'chance' }
  const shown = parents.map((parent) => [parent.id, parent.state, parent.output])
  const run = { type: 'run' as const, input: { shown, priority, tenant, deadlineAtMs } }
  if (step === 'run' || step === null) return run
  const { count, named, policy: each } = source as Fan
  if (parents.some((parent) => parent.id.startsWith(`${id}/`)))
    return step === 'fan-run' ? run : { type: 'finish', output: shown }
  const items = Array.from({ length: count }, (_, index) =>
    item(`${id}/${index}`, index === 0 ? named : [], {
      modelId: models[index % models.length]!,
      tenant,
      priority: priority - 1 + index,
      step: index === 1 ? 'fan' : null,
      source: { count: count - 1, named: [], policy: each },
    }),
  )
  return {
    type: 'expand',
    items: [...items, ...named.slice(1).map((name) => item(name, [], { modelId: 'a' }))],
    policy: each,
  }
}

export function orderOf(
  { isUrgent, annHasHadMs }: { isUrgent: boolean; annHasHadMs: number },
  overdueBeforeMs: number,
  nowMs: number,
): ClaimOrder {
  return {
    interactiveFrom: 8,
    urgentBeforeMs: isUrgent ? nowMs + 150 : null,
    overdueBeforeMs,
    shares: [
      { tenant: 'ann', servedMs: annHasHadMs, itemMs: 1 },
      { tenant: 'bob', servedMs: 1, itemMs: 1 },
    ],
  }
}
