// Who waits for whom in a graph in memory. An edge is open while the item at its upper end has not ended and the one at its
// lower end waits; open edges are counted by pair of models, and one that opens lends (inheritance.ts). Only the graph opens and
// closes them.

import type { ModelId } from '../model.ts'
import { Lending } from './inheritance.ts'
import { type EdgePolicy, hasEnded } from './item.ts'
import { addChild, type Edge, type WorkNode } from './node.ts'
import type { ModelQueues } from './queues.ts'

export class OpenEdges {
  readonly #queues: ModelQueues
  readonly #lending: Lending

  constructor(queues: ModelQueues, leadMs: (modelId: ModelId) => number) {
    this.#queues = queues
    this.#lending = new Lending(queues, leadMs)
  }

  /** The child has to take the edge into its list of parents. */
  connect(parent: WorkNode, child: WorkNode, policy: EdgePolicy): Edge {
    const edge = { parent, child, policy }
    addChild(parent, edge)
    this.open(child, parent)
    return edge
  }

  /** Lets an item wait for more, each once. */
  connectMore(node: WorkNode, parents: readonly WorkNode[], policy: EdgePolicy): void {
    const known = new Set(node.parents.map(({ parent }) => parent))
    const edges = [...node.parents]
    for (const parent of parents) {
      if (known.has(parent)) continue
      known.add(parent)
      edges.push(this.connect(parent, node, policy))
    }
    node.parents = edges
  }

  /** Unless the parent has ended. */
  open(child: WorkNode, parent: WorkNode): void {
    if (hasEnded(parent.state)) return
    child.openCount++
    this.#queues.countEdge(child.queue, parent.queue, 1)
    this.#lending.lend(child, parent)
  }

  close(child: WorkNode, parent: WorkNode): void {
    child.openCount--
    this.#queues.countEdge(child.queue, parent.queue, -1)
  }

  /** An item that waits no more although edges are open: they count no more. */
  drop(child: WorkNode): void {
    if (child.openCount === 0) return
    for (const { parent } of child.parents)
      if (!hasEnded(parent.state)) this.#queues.countEdge(child.queue, parent.queue, -1)
  }
}
