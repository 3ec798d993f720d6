// First in, first out with as many models resident as fit, the least recently used given up: a job queue in
// front of a cache of models. "FIFO + LRU" of docs/policy.md (782 loads on arena27, where 27 are enough).
import { inTurn } from './in-turn.ts'

export const fifoLru = inTurn({ name: 'fifo-lru', isAlone: false, batch: 'in-row', isExhaustive: false })
