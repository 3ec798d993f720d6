// The glossary and the code say the same words: what it forbids is part of no identifier in src/, and what it
// explains is said there.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const glossary = readFileSync(join(root, 'docs/glossary.md'), 'utf8')

const comment = String.raw`\/\/.*|\/\*[\s\S]*?\*\/`
const string = ["'", '"', '`'].map((quote) => String.raw`${quote}(?:\\.|[^${quote}\\])*${quote}`).join('|')
/** A regular expression as a literal stands where an expression may begin. */
const pattern = String.raw`(?<=(?:[(,=:[!&|?{};>+]|return|\n)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/`
const notCode = new RegExp([comment, string, pattern].join('|'), 'g')

/** Without comments and strings; what a template evaluates stays. */
function codeOf(text: string): string {
  return text.replace(notCode, (piece) =>
    piece.startsWith('`')
      ? [...piece.matchAll(/\$\{([^}]*)\}/g)].map(([, each]) => codeOf(each!)).join(' ; ')
      : '',
  )
}

/** The identifiers of a text, each once. */
function identifiersOf(text: string): Set<string> {
  return new Set(codeOf(text).match(/[A-Za-z_$][\w$]*/g))
}

/** `keepAliveMs`, `keep-alive-ms` and `KEEP_ALIVE_MS`: ` keep alive ms `. */
function wordsOf(name: string): string {
  const words = name.replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase()
  return ` ${words
    .split(/[^a-z\d]+/)
    .filter((word) => word !== '')
    .join(' ')} `
}

/** Finds the words of a name, each in the singular or the plural, one after another in those of another. */
function finderOf(name: string): RegExp {
  return new RegExp(` ${wordsOf(name).trim().replaceAll(' ', 's? ')}s? `)
}

interface Glossary {
  /** Those that are said in more than texts. */
  words: string[]
  forbidden: string[]
  /** Identifiers in which a forbidden word means something else: of one word exactly these, of more also
   * within others. */
  excused: string[]
}

function parse(text: string): Glossary {
  const [entries, exceptions] = text.split('## The same word for another thing')
  const inCode = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!)
  const rows = [...entries!.matchAll(/^\| \*\*(.+?)\*\* \|(.*)\|(.*)\|$/gm)]
  return {
    words: rows.filter(([, , meaning]) => !meaning!.startsWith(' in prose: ')).map(([, word]) => word!),
    forbidden: rows.flatMap(([, , , cell]) => inCode(cell!)),
    excused: [...exceptions!.matchAll(/^\|(.*)\|.*\|$/gm)].flatMap(([, cell]) => inCode(cell!)),
  }
}

/** The identifiers that say what the glossary does not. */
function wrongIn(identifiers: Iterable<string>, { forbidden, excused }: Omit<Glossary, 'words'>): string[] {
  const finders = forbidden.map(finderOf)
  const known = new Set(excused)
  const parts = excused.filter((each) => wordsOf(each).trim().includes(' ')).map(finderOf)
  return [...identifiers].filter((name) => {
    const words = wordsOf(name)
    return (
      finders.some((each) => each.test(words)) && !known.has(name) && !parts.some((each) => each.test(words))
    )
  })
}

const sources = globSync('src/**/*.ts', { cwd: root })
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => ({ path, identifiers: identifiersOf(readFileSync(join(root, path), 'utf8')) }))
const everywhere = new Set(sources.flatMap(({ identifiers }) => [...identifiers]))

test('no identifier in src says a word that the glossary does not say', () => {
  const parsed = parse(glossary)
  assert.ok(parsed.forbidden.length > 20)
  const wrong = new Set(wrongIn(everywhere, parsed))
  const places = sources.flatMap(({ path, identifiers }) =>
    [...identifiers].filter((name) => wrong.has(name)).map((name) => `${path}: ${name}`),
  )
  assert.deepEqual(places, [])
})

test('every excuse is needed by an identifier', () => {
  const { forbidden, excused } = parse(glossary)
  const wrong = wrongIn(everywhere, { forbidden, excused: [] })
  const idle = excused.filter(
    (each) => wrongIn(wrong, { forbidden, excused: [each] }).length === wrong.length,
  )
  assert.deepEqual(idle, [])
})

test('every word of the glossary is there once, and is said in src', () => {
  const files = sources.map(({ path }) => path.replace(/.*\/|\.ts$/g, ''))
  const names = [...everywhere, ...files].map(wordsOf)
  const { words } = parse(glossary)
  assert.equal(new Set(words).size, words.length)
  assert.deepEqual(
    words.filter((word) => !names.some((each) => finderOf(word).test(each))),
    [],
  )
})

test('a planted identifier is found in any case and number, and a comment or a string is none', () => {
  const text = [
    'const memoryBudgets = replicaCount + REPLICA_FACTOR // a replica',
    "const text = 'replica' + `${freeMemoryBytes + 'replica'} replica` + /replica/.source",
    'class GpuReplicas { freeBytes = batchLimit }',
  ].join('\n')
  const parsed = parse(
    '| **copy** | x | `replica` |\n| **headroom** | y | `free memory`, `limit`, budget |\n## The same word for another thing\n| `batchLimit` | z |',
  )
  const wrong = ['replicaCount', 'REPLICA_FACTOR', 'freeMemoryBytes', 'GpuReplicas']
  assert.deepEqual(wrongIn(identifiersOf(text), parsed), wrong)
})
