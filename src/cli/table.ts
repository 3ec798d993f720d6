// Tables for a terminal. Columns of numbers, also with units, are aligned right; when a table is wider than
// the terminal, the widest columns give way first, and what is cut ends with an ellipsis.
//
//   Pictures
//    file         │ stars │ text
//   ──────────────┼───────┼──────────────
//    harbour.jpg  │   6.1 │ SEA VIEW HOTEL
import { cellCount, fit, pad, plain } from './cells.ts'

export interface Table {
  title?: string
  columns: readonly string[]
  /** null: an empty cell. Cells that a row lacks are empty. */
  rows: readonly (readonly (string | number | null)[])[]
}

/** Narrower than this no column is made. */
const minCells = 4

/** The table as lines, without a line break at the end; no line is wider than `width` cells. */
export function renderTable({ title, columns, rows }: Table, { width }: { width: number }): string {
  const names = columns.map(plain)
  const cells = rows.map((row) => columns.map((_, index) => plain(String(row[index] ?? ''))))
  const aligns = columns.map((_, index) => (isNumeric(cells.map((row) => row[index]!)) ? 'right' : 'left'))
  const natural = columns.map((_, index) =>
    Math.max(1, cellCount(names[index]!), ...cells.map((row) => cellCount(row[index]!))),
  )
  const frameCells = 3 * columns.length - 1
  const widths = shrink(natural, width - frameCells)
  const line = (texts: readonly string[]) => {
    const fitted = texts.map((text, index) => pad(fit(text, widths[index]!), widths[index]!, aligns[index]!))
    return fit(` ${fitted.join(' │ ')}`, width).trimEnd()
  }
  return [
    ...(title ? [fit(plain(title), width)] : []),
    line(names),
    fit(widths.map((cell) => '─'.repeat(cell + 2)).join('┼'), width),
    ...(cells.length > 0 ? cells.map(line) : [' (none)']),
  ].join('\n')
}

/** At least one number, and nothing but numbers, with or without a unit, and blanks. */
function isNumeric(texts: readonly string[]): boolean {
  const filled = texts.filter((text) => text !== '' && text !== '–')
  return (
    filled.length > 0 &&
    filled.every((text) => /^[+-]?\d[\d.,]*( ?(%|[a-zA-Zµ]{1,3}))?( \d+ [a-z]{1,3})?$/.test(text))
  )
}

/** Takes cells from the widest columns until all fit. */
function shrink(natural: readonly number[], available: number): number[] {
  const widths = [...natural]
  for (let excess = widths.reduce((sum, each) => sum + each, 0) - available; excess > 0; ) {
    const widest = Math.max(...widths)
    if (widest <= minCells) break
    const second = Math.max(minCells, ...widths.filter((each) => each < widest))
    const count = widths.filter((each) => each === widest).length
    // All the widest go down together, as far as the next one or as far as needed.
    const step = Math.max(1, Math.min(widest - second, Math.floor(excess / count)))
    for (const [index, each] of widths.entries()) {
      if (each !== widest || excess <= 0) continue
      const cut = Math.min(step, excess)
      widths[index] = each - cut
      excess -= cut
    }
  }
  return widths
}
