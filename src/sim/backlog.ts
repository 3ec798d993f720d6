// The ready items of each model in the order they became ready, for baselines that need
// more than queue heads: plain FIFO looks at single items. It is told of every change
// and forgets items that are no longer ready when it meets them.
import type { ModelId } from '../core/model.ts'
import type { WorkNode } from '../core/work/node.ts'

interface ModelTurns {
  nodes: WorkNode[]
  first: number
}

export class Backlog {
  readonly #turnsByModel = new Map<ModelId, ModelTurns>()

  add(node: WorkNode): void {
    const turns = this.#turnsByModel.get(node.item.modelId)
    if (turns) turns.nodes.push(node)
    else this.#turnsByModel.set(node.item.modelId, { nodes: [node], first: 0 })
  }

  /** The turn of the item of a model that has been ready longest; Infinity: none is ready. */
  firstTurn(modelId: ModelId): number {
    const turns = this.#turnsByModel.get(modelId)
    return turns ? (this.#first(turns)?.turn ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
  }

  /** The model whose item has been ready longest, among those that pass. */
  oldestModel(passes: (modelId: ModelId) => boolean = () => true): ModelId | null {
    let oldest: ModelId | null = null
    let oldestTurn = Number.POSITIVE_INFINITY
    for (const [modelId] of this.#turnsByModel) {
      const turn = this.firstTurn(modelId)
      if (turn < oldestTurn && passes(modelId)) [oldest, oldestTurn] = [modelId, turn]
    }
    return oldest
  }

  /** How many items of a model became ready in a row, before one of another model; at most `maxCount`. */
  countInRow(modelId: ModelId, maxCount: number): number {
    let nextTurn = Number.POSITIVE_INFINITY
    for (const [other] of this.#turnsByModel) {
      if (other !== modelId) nextTurn = Math.min(nextTurn, this.firstTurn(other))
    }
    return this.countBefore(modelId, nextTurn, maxCount)
  }

  /** How many ready items of a model have an earlier turn; at most `maxCount`. */
  countBefore(modelId: ModelId, turn: number, maxCount: number): number {
    const turns = this.#turnsByModel.get(modelId)
    if (!turns || !this.#first(turns)) return 0
    let count = 0
    for (let index = turns.first; index < turns.nodes.length && count < maxCount; index++) {
      const node = turns.nodes[index]!
      if (node.state !== 'ready') continue
      if (node.turn > turn) break
      count++
    }
    return count
  }

  #first(turns: ModelTurns): WorkNode | null {
    while (turns.first < turns.nodes.length && turns.nodes[turns.first]!.state !== 'ready') turns.first++
    if (turns.first > 1024 && turns.first * 2 > turns.nodes.length) {
      turns.nodes.splice(0, turns.first)
      turns.first = 0
    }
    return turns.nodes[turns.first] ?? null
  }
}
