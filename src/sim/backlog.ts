// The ready items of each model in the order they became ready, for baselines that need
// more than queue heads: plain FIFO looks at single items. It is told of every change
// and forgets items that are no longer ready when it meets them.
import type { ModelId } from '../core/model.ts'
import type { WorkNode } from '../core/work/node.ts'

interface Line {
  nodes: WorkNode[]
  first: number
}

export class Backlog {
  readonly #lines = new Map<ModelId, Line>()

  add(node: WorkNode): void {
    const line = this.#lines.get(node.item.modelId)
    if (line) line.nodes.push(node)
    else this.#lines.set(node.item.modelId, { nodes: [node], first: 0 })
  }

  /** The turn of the item of a model that has been ready longest; Infinity: none is ready. */
  firstTurn(modelId: ModelId): number {
    const line = this.#lines.get(modelId)
    return line ? (this.#first(line)?.turn ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
  }

  /** The model whose item has been ready longest, among those that pass. */
  oldestModel(passes: (modelId: ModelId) => boolean = () => true): ModelId | null {
    let oldest: ModelId | null = null
    let oldestTurn = Number.POSITIVE_INFINITY
    for (const [modelId] of this.#lines) {
      const turn = this.firstTurn(modelId)
      if (turn < oldestTurn && passes(modelId)) [oldest, oldestTurn] = [modelId, turn]
    }
    return oldest
  }

  /** How many items of a model became ready in a row, before one of another model; at most `maxCount`. */
  countInRow(modelId: ModelId, maxCount: number): number {
    let nextTurn = Number.POSITIVE_INFINITY
    for (const [other] of this.#lines) {
      if (other !== modelId) nextTurn = Math.min(nextTurn, this.firstTurn(other))
    }
    return this.countBefore(modelId, nextTurn, maxCount)
  }

  /** How many ready items of a model have an earlier turn; at most `maxCount`. */
  countBefore(modelId: ModelId, turn: number, maxCount: number): number {
    const line = this.#lines.get(modelId)
    if (!line || !this.#first(line)) return 0
    let count = 0
    for (let index = line.first; index < line.nodes.length && count < maxCount; index++) {
      const node = line.nodes[index]!
      if (node.state !== 'ready') continue
      if (node.turn > turn) break
      count++
    }
    return count
  }

  #first(line: Line): WorkNode | null {
    while (line.first < line.nodes.length && line.nodes[line.first]!.state !== 'ready') line.first++
    if (line.first > 1024 && line.first * 2 > line.nodes.length) {
      line.nodes.splice(0, line.first)
      line.first = 0
    }
    return line.nodes[line.first] ?? null
  }
}
