// A mutant is one rule that is broken: pieces of text of the source, each with what stands there instead.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { daemonMutants } from './daemon.ts'
import { decisionMutants } from './decisions.ts'
import { foundBugs } from './found-bugs.ts'
import { itemGraphMutants } from './item-graph.ts'
import { stateMutants } from './state.ts'

/** A file of src/, a text that stands in it exactly once, and the text that takes its place. */
export type Change = readonly [file: string, before: string, after: string]

/** By name: what is wrong in a mutant. */
export type Mutants = Readonly<Record<string, readonly Change[]>>

/** In the order of README.md. */
export const mutantsByRoom: Readonly<Record<string, Mutants>> = {
  'Bugs that were found': foundBugs,
  'The daemon': daemonMutants,
  'The state': stateMutants,
  'The decision': decisionMutants,
  'The item graph': itemGraphMutants,
}

export const mutants: Mutants = Object.assign({}, ...Object.values(mutantsByRoom))

const source = resolve(import.meta.dirname, '../../../src')

/** The changed files by URL. Throws where a text is not found exactly once: the line has moved. */
export function changedFiles(changes: readonly Change[]): Map<string, string> {
  const textByUrl = new Map<string, string>()
  for (const [file, before, after] of changes) {
    const path = resolve(source, file)
    const url = pathToFileURL(path).href
    const parts = (textByUrl.get(url) ?? readFileSync(path, 'utf8')).split(before)
    assert.equal(
      parts.length,
      2,
      `src/${file} must have this once, and has it ${parts.length - 1} times: ${before}`,
    )
    textByUrl.set(url, parts.join(after))
  }
  return textByUrl
}
