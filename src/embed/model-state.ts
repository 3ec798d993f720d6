// Which models are loaded, since when, and how long their loads take, as the seed's ModelStateManager has it,
// for any number of models at once. It says what it was told and decides nothing. The time that a load is
// expected to take is the core's (core/state/loads.ts): declared until one was measured, then a running
// average.
import { SchedulerError } from '../core/errors.ts'
import { type Model, type ModelId, mediaModels, unknownModel } from '../core/model.ts'
import { LoadTimes } from '../core/state/loads.ts'

/**
 * Which models are followed, and by which clock.
 *
 * @public
 * @example
 * ```ts
 * const options: ModelStateOptions = { models: [defineModel({ id: 'sdxl', vram: '7GB' })], clock: () => 0 }
 * new ModelStateManager(options).needsSwitch('sdxl') // => true
 * ```
 */
export interface ModelStateOptions {
  /** Default: the five media models. */
  models?: readonly Model[]
  /** Milliseconds since 1970, or since any other fixed moment. Never throws. Default `Date.now`. */
  clock?: () => number
  /** Of a scheduler: those that it decides with.
   *
   * @internal */
  loadTimes?: LoadTimes
}

/**
 * What can be asked of a ModelStateManager.
 *
 * @public
 * @example
 * ```ts
 * const states: ModelStates = new GpuScheduler().modelStates
 * states.currentModel // => null
 * ```
 */
export type ModelStates = Omit<ModelStateManager, 'markLoaded' | 'markUnloaded' | 'markUsed'>

/**
 * Which models are loaded, since when, and how long their loads take, for any number of models at once. It
 * says what it was told and decides nothing.
 *
 * @public
 * @example
 * ```ts
 * const state = new ModelStateManager({ clock: () => 0 })
 * state.estimatedLoadTime('Whisper') // => 5000
 * state.markLoaded('Whisper', 4200)
 * state.markLoaded('CLAP', 1500)
 * state.currentModel // => 'CLAP'
 * state.residentModels // => ['CLAP', 'Whisper']
 * state.needsSwitch('Whisper') // => true
 * state.estimatedLoadTime('Whisper') // => 4200
 * ```
 */
export class ModelStateManager {
  readonly #ids: ReadonlySet<ModelId>
  readonly #clock: () => number
  readonly #times: LoadTimes
  /** Since when each model is loaded, ms. */
  readonly #loadedAtMs = new Map<ModelId, number>()
  /** Those that are loaded, by their last use. */
  #residents: ModelId[] = []
  readonly #loadCounts = new Map<ModelId, number>()

  /** Of the five media models, with nothing loaded, where nothing else is said. Never throws.
   *
   * @param options - models and clock */
  constructor({ models = mediaModels, clock = Date.now, loadTimes }: ModelStateOptions = {}) {
    this.#ids = new Set(models.map(({ id }) => id))
    this.#clock = clock
    this.#times = loadTimes ?? new LoadTimes(models)
  }

  /** The model that was loaded or used last, of those that are loaded; null: none is. */
  get currentModel(): ModelId | null {
    return this.#residents[0] ?? null
  }

  /** All that are loaded, the current one first, then by their last use. */
  get residentModels(): ModelId[] {
    return [...this.#residents]
  }

  /** Whether a model is loaded. Throws UNKNOWN_MODEL. */
  isResident(modelId: ModelId): boolean {
    return this.#loadedAtMs.has(this.#known(modelId))
  }

  /** A model was loaded now, and is the current one. `loadTime`: what that took, ms; left out, nothing is
   * learned from it. Others stay loaded until `markUnloaded`. Throws UNKNOWN_MODEL, BAD_VALUE. */
  markLoaded(modelId: ModelId, loadTime?: number): void {
    this.#known(modelId)
    if (loadTime !== undefined) assertLoadTime(modelId, loadTime)
    this.#loadedAtMs.set(modelId, this.#clock())
    this.#toFront(modelId)
    this.#loadCounts.set(modelId, this.loadCount(modelId) + 1)
    if (loadTime !== undefined) this.#times.markLoaded(modelId, loadTime)
  }

  /** A model is no longer loaded; without a name the current one. One that was not loaded changes nothing.
   * Throws UNKNOWN_MODEL. */
  markUnloaded(modelId: ModelId | null = this.currentModel): void {
    if (modelId === null || !this.#loadedAtMs.delete(this.#known(modelId))) return
    this.#residents = this.#residents.filter((each) => each !== modelId)
  }

  /** A loaded model runs now: it becomes the current one. Throws UNKNOWN_MODEL, BAD_VALUE. */
  markUsed(modelId: ModelId): void {
    if (!this.isResident(modelId)) {
      const message = `${modelId} is not loaded, so it cannot run. Call markLoaded after its load.`
      throw new SchedulerError('BAD_VALUE', message, { modelId })
    }
    this.#toFront(modelId)
  }

  /** Since when a model is loaded, ms by the clock; without a name the current one. null: it is not. Throws
   * UNKNOWN_MODEL. */
  loadedAt(modelId: ModelId | null = this.currentModel): number | null {
    return modelId === null ? null : (this.#loadedAtMs.get(this.#known(modelId)) ?? null)
  }

  /** How often it was loaded. Throws UNKNOWN_MODEL. */
  loadCount(modelId: ModelId): number {
    return this.#loadCounts.get(this.#known(modelId)) ?? 0
  }

  /** What its last load took, ms; null: none was measured. Throws UNKNOWN_MODEL. */
  lastLoadTime(modelId: ModelId): number | null {
    return this.#times.lastLoadMs(this.#known(modelId))
  }

  /** What its next load is expected to take, ms: as declared, until one was measured. Throws
   * UNKNOWN_MODEL. */
  estimatedLoadTime(modelId: ModelId): number {
    return this.#times.estimatedLoadMs(this.#known(modelId))
  }

  /** Whether it is another model than the current one. If it is not resident either, it has to be loaded.
   * Throws UNKNOWN_MODEL. */
  needsSwitch(target: ModelId): boolean {
    return this.currentModel !== this.#known(target)
  }

  #toFront(modelId: ModelId): void {
    if (this.#residents[0] === modelId) return
    this.#residents = [modelId, ...this.#residents.filter((each) => each !== modelId)]
  }

  #known(modelId: ModelId): ModelId {
    if (!this.#ids.has(modelId)) throw unknownModel(modelId, this.#ids)
    return modelId
  }
}

/** Throws BAD_VALUE. */
export function assertLoadTime(modelId: ModelId, ms: number): void {
  if (Number.isFinite(ms) && ms >= 0) return
  const message = `The load of ${modelId} took ${ms}; give the time in milliseconds, 0 or more.`
  throw new SchedulerError('BAD_VALUE', message, { modelId, loadTime: ms })
}
