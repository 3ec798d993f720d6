// A model: a name, its size, and how long it takes. `vramBytes` is held while the model is resident; each
// item of a running batch holds `activationBytes` on top. A model of size 0 needs no device memory: it runs
// beside the others, `concurrency` batches at a time.
import { SchedulerError } from './errors.ts'
import type { Id } from './id.ts'
import { parseBytes } from './units.ts'

/**
 * The name of a model: any text, the same wherever the model is meant.
 *
 * @public
 * @example
 * ```ts
 * const id: ModelId = 'Whisper'
 * ```
 */
export type ModelId = Id<'model'>

/**
 * A model as the scheduler knows it: a name, its size, and how long it takes. `defineModel` makes one.
 *
 * @public
 * @example
 * ```ts
 * const whisper: Model = mediaModels[0]!
 * whisper.id // => 'Whisper'
 * whisper.vramBytes // => 4.5e9
 * ```
 */
export interface Model {
  id: ModelId
  /** Bytes an instance holds on its device from the start of its load until it is gone, as declared. 0: it
   * needs no device. */
  vramBytes: number
  /** False: no size was declared, and `vramBytes` says nothing. The first load measures it, alone on its
   * device. */
  isSized: boolean
  /** Expected time to load, ms; an estimate until it has been measured. */
  loadMs: number
  /** Expected time until an eviction has given its bytes back, ms. */
  unloadMs: number
  batch: BatchProfile
  /** Batches that one instance runs at once. */
  concurrency: number
  /** An instance that has been idle for so long is stopped, ms. null: it is stopped only to make room. */
  keepAliveMs: number | null
  /** Never stopped while the scheduler runs, neither to make room nor for being idle. */
  isPinned: boolean
  /** Loaded at the start, before anything waits for it. */
  isPreloaded: boolean
}

/**
 * How batches of a model are. A batch of n items takes `overheadMs + perItemMs × n ^ exponent`. Times are
 * estimates until batches have run.
 *
 * @public
 * @example
 * ```ts
 * const { max, overheadMs, perItemMs }: BatchProfile = defineModel({ id: 'sdxl', vram: '7GB' }).batch
 * overheadMs + max * perItemMs // => 1650
 * ```
 */
export interface BatchProfile {
  /** Most items in one batch. */
  max: number
  /** Time of a batch besides its items. */
  overheadMs: number
  /** Time for each item. */
  perItemMs: number
  /** Below 1 where larger batches pay; 1: twice the items, twice the time. */
  exponent: number
  /** Bytes each item of a running batch needs on top of the resident ones. */
  activationBytes: number
}

/**
 * A model as people write it; what is left out gets the default named here. A size is text such as `'4.5GB'`
 * or `'512MiB'`, or a number of bytes.
 *
 * @public
 * @example
 * ```ts
 * const options: ModelOptions = {
 *   id: 'sdxl',
 *   vram: '7GB',
 *   loadMs: 9000,
 *   batch: { max: 4, overheadMs: 200, perItemMs: 2500, activation: '800MB' },
 * }
 * defineModel(options).batch.activationBytes // => 800e6
 * ```
 */
export interface ModelOptions {
  id: ModelId
  /** A size such as `'4.5GB'`, or bytes. Left out: the first load measures it. */
  vram?: string | number
  /** ms. Default 5000. */
  loadMs?: number
  /** ms. Default 300: what an unload costs in the reference workloads. */
  unloadMs?: number
  /** Defaults: max 8, overhead 50 ms, 200 ms an item, exponent 1, activation 0. */
  batch?: Partial<Omit<BatchProfile, 'activationBytes'>> & { activation?: string | number }
  /** Number of batches that one instance runs at once. Default 1. */
  concurrency?: number
  /** ms, or null for never, which is the default. */
  keepAliveMs?: number | null
  /** Default false. */
  isPinned?: boolean
  /** Default false. */
  isPreloaded?: boolean
}

/**
 * Makes a model from what people write, with the defaults filled in. Throws BAD_VALUE with the model's name.
 *
 * @param options - the model as people write it
 * @public
 * @example
 * ```ts
 * const model = defineModel({ id: 'sdxl', vram: '7GB', loadMs: 9000 })
 * model.vramBytes // => 7e9
 * defineModel({ id: 'sdxl', vram: '7 gigs' }) // throws BAD_VALUE
 * ```
 */
export function defineModel(options: ModelOptions): Model {
  const { activation = 0, ...batch } = options.batch ?? {}
  const model: Model = {
    id: options.id,
    vramBytes: options.vram === undefined ? 1 : parseBytes(options.vram),
    isSized: options.vram !== undefined,
    loadMs: options.loadMs ?? 5000,
    unloadMs: options.unloadMs ?? 300,
    batch: {
      max: 8,
      overheadMs: 50,
      perItemMs: 200,
      exponent: 1,
      ...batch,
      activationBytes: parseBytes(activation),
    },
    concurrency: options.concurrency ?? 1,
    keepAliveMs: options.keepAliveMs ?? null,
    isPinned: options.isPinned ?? false,
    isPreloaded: options.isPreloaded ?? false,
  }
  const numbers = { loadMs: model.loadMs, unloadMs: model.unloadMs, overheadMs: model.batch.overheadMs }
  for (const [name, value] of Object.entries({ ...numbers, perItemMs: model.batch.perItemMs })) {
    if (!(value >= 0 && Number.isFinite(value))) throw badModel(model.id, name, value, 'zero or more')
  }
  for (const [name, value] of Object.entries({
    'batch.max': model.batch.max,
    concurrency: model.concurrency,
  })) {
    if (!Number.isInteger(value) || value < 1) throw badModel(model.id, name, value, 'a whole number from 1')
  }
  if (model.vramBytes === 0 && model.batch.activationBytes > 0) {
    throw badModel(model.id, 'batch.activation', model.batch.activationBytes, 'zero, as its vram is')
  }
  return model
}

/** For a name that no model has. */
export function unknownModel(modelId: ModelId, models: Iterable<ModelId>): SchedulerError {
  const known = [...models].join(', ') || 'none'
  const message = `No model is called ${JSON.stringify(modelId)}. Models: ${known}.`
  return new SchedulerError('UNKNOWN_MODEL', message, { modelId })
}

function badModel(id: ModelId, name: string, value: number, wanted: string): SchedulerError {
  return new SchedulerError('BAD_VALUE', `Model "${id}" has ${name} ${value}; it must be ${wanted}.`, {
    id,
    name,
    value,
  })
}

/** Expected time of a batch of `count` items, ms. */
export function runMs(model: Model, count: number): number {
  const { overheadMs, perItemMs, exponent } = model.batch
  return overheadMs + perItemMs * (exponent === 1 ? count : count ** exponent)
}

/** Expected time of one item of each model, ms; 0 for a model that is not known. What an item with a deadline
 * waits for must have ended so long before the deadline. */
export function leadTimes(models: readonly Model[]): (modelId: ModelId) => number {
  const byId = new Map(models.map((model) => [model.id, runMs(model, 1)]))
  return (modelId) => byId.get(modelId) ?? 0
}

/** Least bytes that a device must offer to run one item: the model and one activation. */
export function leastBytes(model: Model): number {
  return model.vramBytes + model.batch.activationBytes
}

/**
 * The names of the origin's five models. Any other text names a model too.
 *
 * @public
 * @example
 * ```ts
 * const type: ModelType = ModelType.VideoMAE
 * new VramConfig().modelVram(type) // => 5e9
 * ```
 */
export const ModelType = {
  Whisper: 'Whisper',
  VideoMAE: 'VideoMAE',
  CLAP: 'CLAP',
  Qwen3: 'Qwen3',
  DINOv3: 'DINOv3',
} as const
export type ModelType = keyof typeof ModelType

/**
 * The origin's five models: sizes and load times from the origin, batch times from the video pipeline that
 * it comes from.
 *
 * @public
 * @example
 * ```ts
 * mediaModels.map(({ id, vramBytes }) => `${id} ${vramBytes / 1e9}`).join(', ')
 *   // => 'Whisper 4.5, VideoMAE 5, CLAP 2, Qwen3 1.5, DINOv3 1'
 * ```
 */
export const mediaModels: readonly Model[] = [
  defineModel({
    id: ModelType.Whisper,
    vram: '4.5GB',
    loadMs: 5000,
    batch: { max: 8, overheadMs: 100, perItemMs: 2000, exponent: 0.8 },
  }),
  defineModel({
    id: ModelType.VideoMAE,
    vram: '5GB',
    loadMs: 8000,
    batch: { max: 8, overheadMs: 100, perItemMs: 600 },
  }),
  defineModel({
    id: ModelType.CLAP,
    vram: '2GB',
    loadMs: 4000,
    batch: { max: 16, overheadMs: 50, perItemMs: 150 },
  }),
  defineModel({
    id: ModelType.Qwen3,
    vram: '1.5GB',
    loadMs: 10000,
    batch: { max: 8, overheadMs: 200, perItemMs: 800 },
  }),
  defineModel({
    id: ModelType.DINOv3,
    vram: '1GB',
    loadMs: 6000,
    batch: { max: 32, overheadMs: 50, perItemMs: 50 },
  }),
]
