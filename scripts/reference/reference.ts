// Writes docs/api, the reference of the public API, from the comments in src/. With --check it only says what is
// missing in them, and whether the pages are as they should be. TypeDoc reads the declarations that the compiler
// writes, since it does not know TypeScript 7: it brings its own, in this folder.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Application, type ProjectReflection } from 'typedoc'
import { missing } from './completeness.ts'
import { tidy } from './page.ts'
import { startPage, topicsOf, writeModules } from './topics.ts'

const root = resolve(import.meta.dirname, '../..')
const target = join(root, 'docs/api')

/** Declarations of what the package exports, without looking for faults: the compiler has done that. */
function declare(folder: string): void {
  const project = join(folder, 'tsconfig.source.json')
  const compilerOptions = {
    ...{ emitDeclarationOnly: true, noCheck: true, rootDir: join(root, 'src'), outDir: folder },
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const files = [join(root, 'src/index.ts')]
  const config = { extends: join(root, 'tsconfig.build.json'), compilerOptions, files, include: [] }
  writeFileSync(project, JSON.stringify(config))
  const compiler = join(root, 'node_modules/.bin/tsc')
  const { status, stdout } = spawnSync(compiler, ['-p', project], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`The declarations could not be written: ${stdout}`)
}

const appearance = {
  ...{ router: 'module', hideBreadcrumbs: true, hidePageHeader: true, hideGroupHeadings: true },
  ...{ parametersFormat: 'table', interfacePropertiesFormat: 'table', classPropertiesFormat: 'table' },
  ...{ typeDeclarationFormat: 'table', propertyMembersFormat: 'table', useCodeBlocks: true },
}

function open(folder: string, entryPoints: string[]): Promise<Application> {
  const tsconfig = join(folder, 'tsconfig.json')
  const compilerOptions = {
    ...{ module: 'NodeNext', target: 'ESNext', lib: ['ESNext'], types: [], strict: true, noEmit: true },
  }
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: entryPoints }))
  return Application.bootstrapWithPlugins({
    ...{ name: 'API', entryPoints, tsconfig, out: join(folder, 'out'), readme: 'none', logLevel: 'Warn' },
    ...{ skipErrorChecking: true, disableSources: true, sort: ['kind', 'source-order'] },
    ...{ excludePrivate: true, excludeInternal: true, excludeExternals: true },
    ...{ validation: { notExported: true, invalidLink: true }, plugin: ['typedoc-plugin-markdown'] },
    ...appearance,
  } as Parameters<typeof Application.bootstrapWithPlugins>[0])
}

/** The pages by the names of their files. */
async function generate(folder: string): Promise<Record<string, string>> {
  declare(folder)
  const topics = topicsOf(readFileSync(join(root, 'src/index.ts'), 'utf8'))
  const app = await open(folder, writeModules(folder, topics))
  const project = await app.convert()
  if (!project) throw new Error('TypeDoc could not read the declarations.')
  sayMissing(app, project)
  await app.generateOutputs(project)
  const out = join(folder, 'out')
  const pages = Object.fromEntries(
    readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'utf8')]),
  )
  const all = { ...pages, 'README.md': startPage(topics, pages) }
  return Object.fromEntries(Object.entries(all).map(([name, text]) => [name, tidy(text)]))
}

function sayMissing(app: Application, project: ProjectReflection): void {
  app.validate(project)
  const faults = missing(project)
  for (const each of faults) console.error(`${each}.`)
  if (faults.length > 0 || app.logger.hasWarnings()) process.exitCode = 1
}

function write(pages: Record<string, string>): void {
  mkdirSync(target, { recursive: true })
  for (const name of readdirSync(target)) if (!(name in pages)) rmSync(join(target, name))
  for (const [name, text] of Object.entries(pages)) writeFileSync(join(target, name), text)
}

function check(pages: Record<string, string>): void {
  const names = new Set([...Object.keys(pages), ...(existsSync(target) ? readdirSync(target) : [])])
  for (const name of names) {
    const file = join(target, name)
    if (existsSync(file) && readFileSync(file, 'utf8') === pages[name]) continue
    console.error(`docs/api/${name} is not what the code says; run \`npm run docs\`.`)
    process.exitCode = 1
  }
}

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-reference-'))
try {
  const pages = await generate(folder)
  if (process.argv.includes('--check')) check(pages)
  else write(pages)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
