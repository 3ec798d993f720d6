// As fifo-lru, but the next item takes all ready items of its model along into the batch:
// dynamic batching in front of a cache of models. "FIFO with batching + LRU" of docs/policy.md.
import { inTurn } from './in-turn.ts'

export const fifoBatchLru = inTurn({
  name: 'fifo-batch-lru',
  isAlone: false,
  batch: 'model',
  isExhaustive: false,
})
