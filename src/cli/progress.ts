// Progress of a run for people who watch it. On a terminal it is drawn in place; in a log it is one plain
// line each time. The caller says how often and brings the state; only the rate is reckoned here, from one
// painting to the next. Nothing is hidden or switched on the terminal, so a run that is killed leaves it as
// it was.
import type { ProgressState, StepProgress } from '../api/progress.ts'
import { cellCount, printable } from './cells.ts'
import { progressText, renderProgress } from './progress-lines.ts'

/** What TerminalPainter needs of a stream: process.stderr has it. */
export interface TerminalStream {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
  rows?: number
}

/** The rate is that of the last so many ms: long enough for a batch, short enough to follow a load. */
const rateWindowMs = 15_000

export class TerminalPainter {
  readonly #stream: TerminalStream
  readonly #isTerminal: boolean
  readonly #color: boolean
  /** Cells of each line on the screen that the next painting replaces. */
  #painted: number[] = []
  /** Ended items by step at moments of the last `rateWindowMs`, oldest first. */
  #history: { elapsedMs: number; endedByStep: Map<string, number> }[] = []

  constructor(stream: TerminalStream, environment: Record<string, string | undefined> = process.env) {
    this.#stream = stream
    this.#isTerminal = stream.isTTY === true && environment.TERM !== 'dumb'
    this.#color = this.#isTerminal && !environment.NO_COLOR
  }

  paint(state: ProgressState): void {
    if (!this.#isTerminal) {
      this.#stream.write(`${progressText(state)}\n`)
      return
    }
    // The last column and row stay free: a full line would wrap, a full screen would scroll.
    const width = Math.max(10, (this.#stream.columns || 80) - 1)
    const height = Math.max(3, (this.#stream.rows || 24) - 1)
    const steps = this.#withRates(state)
    const lines = renderProgress({ ...state, steps }, { width, height, color: this.#color })
    this.#stream.write(`${this.#eraser()}${lines.join('\n')}\n`)
    this.#painted = lines.map(cellsOfPainted)
  }

  /** A line above the progress, which is drawn again below it by the next painting. */
  note(text: string): void {
    this.#stream.write(`${this.#eraser()}${printable(text)}\n`)
    this.#painted = []
  }

  /** Leaves the last painting on the screen. */
  end(): void {
    this.#painted = []
  }

  /** To the first line of the last painting, and away with it. A terminal that became narrower has wrapped
   * its lines. */
  #eraser(): string {
    const columns = this.#stream.columns || 80
    const rowCount = this.#painted.reduce((sum, cells) => sum + Math.max(1, Math.ceil(cells / columns)), 0)
    return rowCount > 0 ? `\x1b[${rowCount}A\r\x1b[J` : ''
  }

  #withRates({ steps, elapsedMs }: ProgressState): StepProgress[] {
    const endedByStep = new Map(steps.map((step) => [step.name, step.done + step.failed + step.skipped]))
    this.#history.push({ elapsedMs, endedByStep })
    while (this.#history.length > 2 && this.#history[1]!.elapsedMs < elapsedMs - rateWindowMs)
      this.#history.shift()
    const first = this.#history[0]!
    const seconds = (elapsedMs - first.elapsedMs) / 1000
    return steps.map((step) => {
      const endedCount = endedByStep.get(step.name)! - (first.endedByStep.get(step.name) ?? 0)
      return { ratePerSecond: seconds > 0 ? endedCount / seconds : 0, ...step }
    })
  }
}

function cellsOfPainted(line: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences.
  return cellCount(line.replace(/\x1b\[\d+m/g, ''))
}
