// The claims of a graph in memory, by their token. A claim holds items that are leased together, and each of
// them names the claim that holds it. Only the graph changes claims. The SQLite store has its own:
// stores/sqlite/claims.ts.

import type { LiveClaim, WorkNode } from './node.ts'

export class Claims {
  readonly #byToken = new Map<string, LiveClaim>()
  #lastToken = 0

  /** Holds items together; answers with their token. One that holds nothing is not kept. */
  hold(nodes: readonly WorkNode[], untilMs: number): string {
    const token = `${++this.#lastToken}`
    if (nodes.length === 0) return token
    const claim: LiveClaim = { token, nodes, heldCount: nodes.length, cursor: 0, isBroken: false, untilMs }
    this.#byToken.set(token, claim)
    for (const node of nodes) node.claim = claim
    return token
  }

  of(token: string): LiveClaim | undefined {
    return this.#byToken.get(token)
  }

  all(): IterableIterator<LiveClaim> {
    return this.#byToken.values()
  }

  /** The items that are held, in the order of their queues; of some claims only. */
  held(isMeant: (claim: LiveClaim) => boolean = () => true): WorkNode[] {
    const nodes: WorkNode[] = []
    for (const claim of this.#byToken.values()) {
      if (isMeant(claim)) nodes.push(...claim.nodes.filter((node) => node.claim === claim))
    }
    return nodes.sort((a, b) => a.turn - b.turn)
  }

  /** An item that is held no more. */
  release(node: WorkNode): void {
    const claim = node.claim!
    const { nodes } = claim
    node.claim = null
    if (--claim.heldCount === 0) this.#byToken.delete(claim.token)
    else while (nodes[claim.cursor]!.claim !== claim) claim.cursor++
  }
}
