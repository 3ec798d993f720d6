// Chance from one seed, in streams with names: a draw more in one place (how a store fails) does not
// move the others (what items there are), so that a seed still tells much the same story after a change.
import { createRandom, type Random } from '../../../src/sim/random.ts'

export class Chance {
  readonly number: Random

  constructor(seed: number, name: string) {
    this.number = createRandom(hashOf(`${seed} ${name}`))
  }

  happens(ratio: number): boolean {
    return ratio > 0 && this.number() < ratio
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.number() * (most - least + 1))
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.number() * list.length)]!
  }
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}
