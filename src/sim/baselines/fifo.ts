// First in, first out with one resident model: the next item in line runs, with those of the
// same model directly behind it; another model is loaded in the place of the one before.
// What a plain job queue in front of a GPU does. Policy F of the lab (docs/policy.md).
import { inTurn } from './in-turn.ts'

export const fifo = inTurn({ name: 'fifo', isAlone: true, batch: 'in-row', isExhaustive: false })
