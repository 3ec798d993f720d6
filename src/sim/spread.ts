// How long loads and batches really take: factors of what the models say, drawn by a
// seed. The k-th load and the k-th batch of a model have the same factor whatever the
// policy does, so that policies are compared on the same chance.
import type { Model, ModelId } from '../core/model.ts'
import { createRandom, type Random, spread } from './random.ts'

/** Of a normal distribution. */
const p99 = 2.3263

/** The sigma whose p99 is `ratio` times its p50 (random.ts: `spread`). */
export function sigmaOf(ratio: number): number {
  return Math.log(ratio) / p99
}

export class Draws {
  readonly #loads: ReadonlyMap<ModelId, Factors>
  readonly #runs: ReadonlyMap<ModelId, Factors>

  constructor(models: readonly Model[], seed: number, sigma: number) {
    const factors = (kind: number) =>
      new Map(models.map(({ id }, index) => [id, new Factors(seed + 7919 * (2 * index + kind), sigma)]))
    this.#loads = factors(0)
    this.#runs = factors(1)
  }

  /** Of the load of a model with this number, from 0. */
  load(modelId: ModelId, number: number): number {
    return this.#loads.get(modelId)!.at(number)
  }

  run(modelId: ModelId, number: number): number {
    return this.#runs.get(modelId)!.at(number)
  }
}

class Factors {
  readonly #drawn: number[] = []
  readonly #random: Random
  readonly #sigma: number

  constructor(seed: number, sigma: number) {
    this.#random = createRandom(seed)
    this.#sigma = sigma
  }

  at(number: number): number {
    while (this.#drawn.length <= number) this.#drawn.push(spread(this.#random, this.#sigma))
    return this.#drawn[number]!
  }
}
