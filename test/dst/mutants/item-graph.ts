// Breaks rules of the item graph and of leases.
import type { Mutants } from './mutant.ts'

export const itemGraphMutants: Mutants = {
  'a stale token is accepted': [
    ['core/work/nodes.ts', 'if (!claim) return null\n', 'if (!claim) return this.find(id)\n'],
  ],
  'an attempt too many': [
    [
      'core/work/transitions.ts',
      'outcome.retryable && row.attempt < this.#set.itemOf(row).maxAttempts!',
      'outcome.retryable && row.attempt <= this.#set.itemOf(row).maxAttempts!',
    ],
  ],
  'a dependent is released with one parent open': [
    ['core/work/transitions.ts', 'else if (child.openCount === 0 && (', 'else if (child.openCount <= 1 && ('],
  ],
  'a done item is given out again': [
    [
      'core/work/nodes.ts',
      'return this.claims.held()\n',
      "return [...this.all()].filter(({ state }) => state === 'done')\n",
    ],
  ],
}
