// The contract between the graph of items and whoever knows what a step means, which is a pipeline. A
// resolver is asked when an item with a step is released, and says what becomes of it.
import type { ItemError } from '../errors.ts'
import type { ModelId } from '../model.ts'
import type { EdgePolicy, ItemId, ItemState, NewItem } from './item.ts'

/**
 * Asked when an item with a `step` is released (its dependencies have ended, or it has none), inside the
 * transaction; pure: the same item and parents give the same answer. What it throws is a failure of that
 * item alone (BAD_EXPRESSION).
 *
 * @beta
 * @example
 * ```ts
 * const resolver: Resolver = (item, parents) => {
 *   return { type: 'run', input: { of: item.id, found: parents.length } }
 * }
 * const store = openMemoryStore({ resolver })
 * await store.submit([newItem({ id: 'a', modelId: 'CLAP', step: 'hear' })], 1000)
 * const item = (await store.get('a'))!
 * item.input // => { of: 'a', found: 0 }
 * ```
 */
export type Resolver = (item: NewItem, parents: ResolvedParent[]) => Resolution

/**
 * What a resolver sees of an item that the resolved one waits for.
 *
 * @beta
 * @example
 * ```ts
 * const resolver: Resolver = (_, parents: ResolvedParent[]) => ({
 *   type: 'run',
 *   input: parents.map(({ output }) => output),
 * })
 * ```
 */
export interface ResolvedParent {
  id: ItemId
  modelId: ModelId
  /** The pipeline's step; null: none. */
  step: string | null
  /** The source it came from; null: none. */
  sourceId: string | null
  /** The record of the source; null: none. */
  source: unknown
  state: ItemState
  /** What it made; null unless it is done. */
  output: unknown
}

/**
 * What becomes of an item when it is released: it runs, ends at once, or is expanded into others.
 *
 * @beta
 * @example
 * ```ts
 * const resolution: Resolution = { type: 'skip', reason: 'the video has no sound' }
 * ```
 */
export type Resolution =
  | { type: 'run'; input: unknown }
  /** Ends as skipped; dependents see null. */
  | { type: 'skip'; reason: string }
  | { type: 'fail'; error: ItemError }
  /** Ends as done without a runner. */
  | { type: 'finish'; output: unknown }
  /** Submits children (their dependencies may be anything known that does not wait for the item); the item
   * stays blocked until all have ended, and is then asked again with the children after its parents, in
   * their order. No children: done, with []. */
  | { type: 'expand'; items: NewItem[]; policy: EdgePolicy }

export type Expansion = Extract<Resolution, { type: 'expand' }>

/** The resolver's answer for an item. */
export function askResolver(resolver: Resolver, item: NewItem, parents: ResolvedParent[]): Resolution {
  try {
    return resolver(item, parents)
  } catch (error) {
    const { code = 'BAD_EXPRESSION', message } = error as { code?: string; message: string }
    return { type: 'fail', error: { code, message } }
  }
}

/** Why an item fails that was expanded twice in a row into items which have all ended. */
export function expandsInVain(id: ItemId): ItemError {
  return { code: 'BAD_EXPRESSION', message: `"${id}" expands again and again into items that have ended` }
}
