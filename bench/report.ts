// What the policy's benches print: tables, then bars with what was measured beside what it may be at most.
// With --json one object with the same rows. A missed bar is said, not thrown: the figures go to RESULTS.md
// either way.
import { join, resolve } from 'node:path'
import { renderTable } from '../src/cli/table.ts'

export interface Bar {
  name: string
  value: number
  atMost: number
}

export interface Section {
  title: string
  columns: string[]
  rows: (string | number)[][]
}

export interface BenchReport {
  bench: string
  sections: Section[]
  bars: Bar[]
}

/** Fractions are shown and kept to so many digits. */
const digits = 4

export function printReport({ bench, sections, bars }: BenchReport, asJson: boolean): void {
  const judged = bars.map(({ name, value, atMost }) => ({
    name,
    value: rounded(value),
    atMost,
    isMet: value <= atMost + 1e-9,
  }))
  if (asJson) {
    const objects = sections.map(({ title, columns, rows }) => ({
      title,
      rows: rows.map((row) =>
        Object.fromEntries(columns.map((column, index) => [column, cell(row[index]!)])),
      ),
    }))
    console.log(JSON.stringify({ bench, sections: objects, bars: judged }))
    return
  }
  for (const { title, columns, rows } of sections) {
    const cells = rows.map((row) => row.map(cell))
    console.log(`\n${renderTable({ title, columns, rows: cells }, { width: 200 })}`)
  }
  const rows = judged.map(({ name, value, atMost, isMet }) => [name, value, atMost, isMet ? 'ok' : 'MISSED'])
  console.log(
    `\n${renderTable({ title: 'Bars', columns: ['bar', 'value', 'at most', ''], rows }, { width: 160 })}`,
  )
}

function cell(value: string | number): string | number {
  return typeof value === 'number' ? rounded(value) : value
}

function rounded(value: number): number {
  return Number(value.toFixed(digits))
}

/** Where the workloads and traces lie that are not part of the project. */
export const sharedFolder = resolve(process.env.PLIMSOLL_SHARED ?? join(import.meta.dirname, '../../shared'))

/** The whole number after a flag such as --count. */
export function numberFlag(flag: string, usual: number): number {
  const index = process.argv.indexOf(flag)
  if (index < 0) return usual
  const value = Number(process.argv[index + 1])
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(
      `${flag} ${process.argv[index + 1]}: give a whole number from 1, such as ${flag} ${usual}.`,
    )
  return value
}

export const asJson = process.argv.includes('--json')

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, each) => sum + Math.log(each), 0) / values.length)
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}

/** The value that `share` of the values are at most. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}
