// Breaks rules of the item graph and of leases.
import type { Mutants } from './mutant.ts'

export const itemGraphMutants: Mutants = {
  'a stale token is accepted': [
    ['core/work/claims.ts', 'if (!claim) return null\n', 'if (!claim) return this.#nodes.find(id)\n'],
  ],
  'an attempt too many': [
    [
      'core/work/graph.ts',
      'node.attempt < node.item.maxAttempts) {',
      'node.attempt <= node.item.maxAttempts) {',
    ],
  ],
  'a dependent is released with one parent open': [
    ['core/work/graph.ts', 'else if (child.openCount === 0 &&', 'else if (child.openCount <= 1 &&'],
  ],
  'a done item is given out again': [
    [
      'core/work/graph.ts',
      'for (const node of nodes) this.#giveBack(node, node.attempt - 1, nowMs)\n    return nodes.length',
      "for (const node of this.#nodes.all()) if (node.state === 'done') this.#makeReady(node, nowMs)\n    return nodes.length",
    ],
  ],
}
