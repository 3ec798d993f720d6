// The examples in the comments of the public API, which docs/api shows: each is a program. It compiles, and what it
// says in comments is so:
//
//   EXPRESSION // => VALUE         deeply equal
//   STATEMENT // throws CODE       a SchedulerError with that code
//   await CALL // rejects CODE     the same, later
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from './support/folder.ts'

const root = resolve(import.meta.dirname, '..')
const index = join(root, 'src/index.ts')

interface Example {
  name: string
  /** Names that differ only in case are one file on some machines. */
  file: string
  code: string
}

/** By the export that each stands above. */
function examples(): Example[] {
  const found = /^ \* @example\n \* ```ts\n([\s\S]*?)^ \* ```\n \*\/\nexport (?:async )?\w+ (\w+)/gm
  return globSync('src/**/*.ts', { cwd: root })
    .flatMap((path) => [...readFileSync(join(root, path), 'utf8').matchAll(found)])
    .map(([, code, name], place) => ({
      name: name!,
      file: `${place}-${name}.ts`,
      code: code!.replaceAll(/^ \* ?/gm, ''),
    }))
}

/** What src/index.ts exports, and whether it is only a type. */
function exported(): Map<string, boolean> {
  const statements = readFileSync(index, 'utf8').matchAll(/^export (type )?\{([^}]*)\}/gm)
  return new Map(
    [...statements].flatMap(([, isType, names]) =>
      names!
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '')
        .map(
          (each) => [each.replace('type ', ''), isType !== undefined || each.startsWith('type ')] as const,
        ),
    ),
  )
}

function programOf(code: string, names: ReadonlyMap<string, boolean>): string {
  const said = [...names].filter(([name]) => new RegExp(`\\b${name}\\b`).test(code))
  const imports = said.map(([name, isType]) => (isType ? `type ${name}` : name)).join(', ')
  const head = `import assert from 'node:assert/strict'\nimport { ${imports} } from '${index}'\n`
  return head + checked(code)
}

/** What is said in comments, as assertions. */
function checked(code: string): string {
  return code
    .replaceAll(/\n *(\/\/ => )/g, ' $1') // a long value stands on a line of its own
    .replaceAll(/^( *)(.*\S) \/\/ => (.*)$/gm, '$1assert.deepEqual($2, $3)')
    .replaceAll(
      /^( *)await (.*\S) \/\/ rejects (\w+)$/gm,
      "$1await assert.rejects(async () => await $2, { code: '$3' })",
    )
    .replaceAll(/^( *)(.*\S) \/\/ throws (\w+)$/gm, "$1assert.throws(() => $2, { code: '$3' })")
}

const names = exported()
const all = examples()
const folder = temporaryFolder('examples')
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
for (const { file, code } of all) writeFileSync(join(folder, file), programOf(code, names))

test('every export has an example', () => {
  const shown = new Set(all.map(({ name }) => name))
  assert.deepEqual(
    [...names.keys()].filter((name) => !shown.has(name)),
    [],
  )
})

test('the examples compile', () => {
  const options = {
    noUnusedLocals: false,
    rewriteRelativeImportExtensions: false,
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions: options, include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
  assert.equal(stdout, '')
})

test('the examples run, and do what they say', () => {
  const files = all.map(({ file }) => `./${file}`)
  const main = `for (const file of ${JSON.stringify(files)}) {
    await import(file).catch((error) => {
      console.log(file + ': ' + error.message)
    })
  }`
  writeFileSync(join(folder, 'main.mjs'), main)
  const options = { cwd: folder, encoding: 'utf8', timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, ['main.mjs'], options)
  assert.equal(stdout, '')
  assert.equal(status, 0, stderr)
})
