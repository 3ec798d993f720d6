// The tables of mutants in README.md, between two markers: who catches each, and what is said.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Catch } from './hunt.ts'
import { mutantsByRoom } from './mutant.ts'

const page = join(import.meta.dirname, '../README.md')
const begin = '<!-- written by mutants.ts -->\n'
const end = '<!-- end -->\n'

/** Characters of a sentence that a row has room for. */
const mostOfSentence = 100

/** Rows as they stand on the page, by the mutant's name. */
export function writtenRows(): Map<string, string> {
  const rows = readFileSync(page, 'utf8').split(begin)[1]!.split(end)[0]!.split('\n')
  return new Map(
    rows.filter((row) => /^\| (?!mutant )/.test(row)).map((row) => [row.split(' | ')[0]!.slice(2), row]),
  )
}

export function rowOf(name: string, { scenarios, seedCount, sentence }: Catch): string {
  const who = scenarios.length > 2 ? `${scenarios.length} scenarios` : scenarios.join(', ')
  const said = sentence ?? 'NOT CAUGHT'
  const short = said.length > mostOfSentence ? `${said.slice(0, mostOfSentence)} …` : said
  return `| ${name} | ${who} | ${seedCount} | ${short} |`
}

/** Mutants without a row of their own are left out. */
export function writeRows(rowByName: ReadonlyMap<string, string>): void {
  const tables = Object.entries(mutantsByRoom).map(([room, mutants]) => {
    const rows = Object.keys(mutants).flatMap((name) => rowByName.get(name) ?? [])
    return [
      `**${room}**`,
      '',
      '| mutant | scenarios | seeds | what is said |',
      '|---|---|--:|---|',
      ...rows,
      '',
    ].join('\n')
  })
  const [before, rest] = readFileSync(page, 'utf8').split(begin)
  writeFileSync(page, [before, begin, '\n', tables.join('\n'), end, rest!.split(end)[1]].join(''))
}
