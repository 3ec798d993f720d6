// Whether a file of a module worker is an ES module or CommonJS, decided by what is in it: a worker may be
// written either way beside a package.json of any "type", which `npm init` writes and few know of. Asked are
// the .js and .ts files of people; other endings say it, and so do installed packages.
//
//   it does not parse as CommonJS, for words that only modules have    an ES module
//   it does, and mentions module.exports, exports.NAME or require(     CommonJS
//   else, also where it does not parse at all                          what package.json says
import { readFileSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { compileFunction } from 'node:vm'

const onlyInModules =
  /import statement outside a module|Unexpected token 'export'|'import\.meta' outside a module|await is only valid in async functions and the top level|Identifier '(?:module|exports|require|__filename|__dirname)' has already been declared/

/** null: nothing in it says which. */
export function formatOf(source: string): 'module' | 'commonjs' | null {
  try {
    compileFunction(source.replace(/^#!.*/, ''), ['exports', 'require', 'module', '__filename', '__dirname'])
  } catch (error) {
    return onlyInModules.test((error as Error).message) ? 'module' : null
  }
  return /\bmodule\.exports\b|\bexports\.\w|\brequire\(/.test(source) ? 'commonjs' : null
}

/** From now on imports of this process go by it. Node before 22.15 has no place for it: there package.json
 * decides. */
export function decideFormats(): void {
  if (!module.registerHooks) return
  module.registerHooks({
    load(url, context, nextLoad) {
      const decided = url.startsWith('file:') ? decide(fileURLToPath(url)) : null
      return decided ? { ...decided, shortCircuit: true } : nextLoad(url, context)
    },
  })
  // What is imported as CommonJS is compiled by the handler of its ending, which asks package.json again.
  const { _extensions: handlers } = module as unknown as { _extensions: Record<string, Handler | undefined> }
  for (const ending of ['.js', '.ts']) {
    const compile = handlers[ending]
    if (!compile) continue
    handlers[ending] = (target, file) => {
      const decided = decide(file)
      if (decided?.format === 'commonjs') target._compile(decided.source, file, 'commonjs')
      else compile(target, file)
    }
  }
}

type Handler = (
  target: { _compile: (source: string, file: string, format: string) => void },
  file: string,
) => void

/** What it exports. CommonJS is required: where it is imported beside hooks, Node 22.18 does not let it
 * require ES modules. */
export async function importFile(file: string): Promise<Record<string, unknown>> {
  if (file.endsWith('.cjs') || decide(file)?.format === 'commonjs') return createRequire(file)(file)
  return import(pathToFileURL(file).href)
}

/** null: Node decides. */
function decide(file: string): { format: 'module' | 'commonjs'; source: string } | null {
  if (!/\.(?:js|m?ts)$/.test(file) || file.includes('/node_modules/')) return null
  const text = readFileSync(file, 'utf8')
  const source = file.endsWith('ts') ? withoutTypes(text) : text
  if (source === null) return null
  const format = file.endsWith('.mts') ? 'module' : formatOf(source)
  return format && { format, source }
}

/** null: it does not parse. */
function withoutTypes(source: string): string | null {
  try {
    return module.stripTypeScriptTypes(source)
  } catch {
    return null
  }
}
