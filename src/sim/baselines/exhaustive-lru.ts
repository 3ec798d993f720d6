// A model runs until its queue is empty, then the oldest queue is next; as many models stay as fit,
// the least recently used is given up. The best of the simple rules: "exhaustive, oldest queue
// next, LRU" of docs/policy.md; exhaustive service is what polling theory finds to switch least.
import { inTurn } from './in-turn.ts'

export const exhaustiveLru = inTurn({
  name: 'exhaustive-lru',
  isAlone: false,
  batch: 'model',
  isExhaustive: true,
})
