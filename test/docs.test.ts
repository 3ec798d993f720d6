// The papers that list things agree with the code and with each other: docs/errors.md with the table of error
// codes, and every link with a file. For docs/glossary.md see glossary.test.ts.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { errorKinds } from '../src/core/errors.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('docs/errors.md has each error code once, in the order of the table, as the table has it', () => {
  const sections = read('docs/errors.md').split(/^## /m).slice(1)
  const written = sections.map((section) => section.split('\n').slice(0, 3))
  const expected = Object.entries(errorKinds).map(([code, kind]) => {
    const { sentence, httpStatus, exitCode, retryable } = kind
    const again = retryable ? 'retryable' : 'not retryable'
    return [code, '', `${sentence} HTTP ${httpStatus}, exit code ${exitCode}, ${again}.`]
  })
  assert.deepEqual(written, expected)
})

test('docs/errors.md says for each code why it happens and what to do', () => {
  for (const section of read('docs/errors.md').split(/^## /m).slice(1)) {
    assert.match(section, /\n\*\*Cause\.\*\* .{20,}\n\*\*Do\.\*\* .{10,}\n/, section.split('\n')[0])
  }
})

test('every account of the ledger is in the glossary', () => {
  const accounts = [...read('src/core/state/state.ts').matchAll(/^ {2}(\w+)Bytes: number$/gm)].map(
    (match) => match[1]!,
  )
  const names = accounts.filter((each) => /^(reserved|resident|active|releasing|quarantined)$/.test(each))
  const ledger = [...new Set(names)]
  assert.equal(ledger.length, 5)
  for (const account of ledger) assert.match(read('docs/glossary.md'), new RegExp(`\\*\\*${account}\\*\\*`))
})

test('links between the papers lead somewhere', () => {
  const papers = globSync(['*.md', 'docs/**/*.md', 'examples/*/README.md'], { cwd: root })
  assert.ok(papers.length > 3)
  const broken = papers.flatMap((paper) =>
    [...read(paper).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !existsSync(join(root, dirname(paper), target)))
      .map((target) => `${paper}: ${target}`),
  )
  assert.deepEqual(broken, [])
})

test('docs/README.md leads to every page, and to those at the top', () => {
  const pages = [...globSync('docs/*.md', { cwd: root }), ...globSync('*.md', { cwd: root })]
  const start = read('docs/README.md')
  const unreached = pages.filter(
    (page) => page !== 'docs/README.md' && !start.includes(`](${relative('docs', page)})`),
  )
  assert.deepEqual(unreached, [])
})
