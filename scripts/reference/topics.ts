// The pages of the reference: the headings of src/index.ts, each with the exports below it. Beside the declarations
// that the compiler has written, each page becomes a module that exports just those.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A page. */
export interface Topic {
  title: string
  /** What opens the page. */
  text: string
  /** Its export statements. */
  exports: string
}

const heading = /^\/\/ ── (.+) ──\n/m

/** Throws where an export stands above the first heading, or a heading has no text. */
export function topicsOf(index: string): Topic[] {
  const [head, ...rest] = index.split(heading)
  if (/^export /m.test(head!))
    throw new Error('src/index.ts: every export stands below a heading, "// ── Title ──".')
  const topics: Topic[] = []
  for (let at = 0; at < rest.length; at += 2) {
    const [comment, ...statements] = rest[at + 1]!.split('\n\n')
    const text = comment!.replace(/^\/\/ ?/gm, '').trim()
    if (text === '') throw new Error(`src/index.ts: "${rest[at]}" says nothing below its heading.`)
    topics.push({ title: rest[at]!, text, exports: statements.join('\n') })
  }
  return topics
}

/** The page that leads to the others. `pages`: by the names of their files. */
export function startPage(topics: readonly Topic[], pages: Readonly<Record<string, string>>): string {
  const head = [
    '# API',
    '',
    "What `import … from 'plimsoll'` and `require('plimsoll')` give, from the comments in the source (`npm run docs`).",
    'Sizes are in bytes and times in milliseconds, as whole numbers, unless a name says `Gb`. What is wrong throws a',
    '[SchedulerError](Errors.md#schedulererror). In examples `// =>` says what an expression gives, and `// throws` or',
    '`// rejects` with which code a call fails; the tests run them all.',
    '[Stable and changing](../README.md#stable-and-changing) parts are marked.',
  ]
  const entries = topics.flatMap(({ title, text }) => {
    const file = `${title.replaceAll(' ', '-')}.md`
    return ['', `## [${title}](${file})`, '', text, '', linksTo(file, pages[file]!).join(', ')]
  })
  return `${[...head, ...entries].join('\n')}\n`
}

/** To the headings of a page. Two that differ only in case have one anchor, the second with a number. */
function linksTo(file: string, page: string): string[] {
  const counts = new Map<string, number>()
  return [...page.matchAll(/^## (\w+)/gm)].map(([, name]) => {
    const anchor = name!.toLowerCase()
    const count = counts.get(anchor) ?? 0
    counts.set(anchor, count + 1)
    return `[${name}](${file}#${anchor}${count === 0 ? '' : `-${count}`})`
  })
}

/** The modules' files. `folder` has the declarations of src/. */
export function writeModules(folder: string, topics: readonly Topic[]): string[] {
  return topics.map(({ title, text, exports }) => {
    const file = join(folder, `${title.toLowerCase().replaceAll(' ', '-')}.d.ts`)
    writeFileSync(
      file,
      `/**\n * ${text}\n *\n * @module ${title}\n */\n${exports.replaceAll(".ts'", ".js'")}`,
    )
    return file
  })
}
