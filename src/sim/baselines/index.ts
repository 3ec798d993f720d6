// The baselines by name, for `plimsoll simulate --policy NAME` and the bench.
import type { SimulatedPolicy } from '../simulate.ts'
import { exhaustiveLru } from './exhaustive-lru.ts'
import { fifo } from './fifo.ts'
import { fifoBatchLru } from './fifo-batch-lru.ts'
import { fifoLru } from './fifo-lru.ts'
import { llamaSwap } from './llama-swap.ts'
import { ollama } from './ollama.ts'
import { rounds } from './rounds.ts'
import { seed } from './seed.ts'
import { triton } from './triton.ts'

export const baselines: readonly SimulatedPolicy[] = [
  seed,
  fifo,
  fifoLru,
  fifoBatchLru,
  exhaustiveLru,
  ollama,
  llamaSwap,
  rounds,
  triton,
]
