// The one rule of style that a machine enforces (design: "imports go down only"):
//
//   cli → http → api → {daemon, forecast, timeline} → {record, pipelines} → runners → {devices, stores, sim} → core
//
// Runners and devices look at the same processes. core/ imports nothing outside core/. core/ and sim/ see no clock, no
// chance, no timer, no console and no process: time, chance and the outside world reach them as arguments.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '..', 'src')

/** What each folder may import besides itself: folders, or single files. Packages are free outside core/ and sim/. */
const mayImport: Record<string, string[]> = {
  core: [],
  stores: ['core'],
  runners: ['core', 'devices/processes.ts'],
  devices: ['core'],
  // They speak the contracts of stores, runners and devices, not of one.
  pipelines: ['core', 'stores/store.ts', 'runners/runner.ts', 'devices/device.ts'],
  sim: ['core', 'stores/store.ts', 'stores/memory.ts'],
  record: ['core', 'stores/store.ts', 'devices', 'runners', 'pipelines'],
  timeline: ['core', 'record'],
  forecast: ['core', 'stores', 'sim', 'devices', 'pipelines', 'record'],
  daemon: ['core', 'stores', 'runners', 'devices', 'pipelines', 'record'],
  api: ['core', 'stores', 'runners', 'devices', 'pipelines', 'record', 'daemon', 'forecast', 'timeline'],
  http: ['core', 'stores', 'pipelines', 'daemon', 'api'],
  cli: [
    ...['core', 'stores', 'runners', 'devices', 'pipelines', 'sim'],
    ...['record', 'daemon', 'forecast', 'timeline', 'api', 'http'],
  ],
  // Files directly in src/ are the public API.
  '.': ['core', 'stores', 'runners', 'devices', 'pipelines', 'record', 'daemon', 'http', 'sim'],
}

const pureFolders = ['core', 'sim']

const world =
  /(?<![.\w])(Date|performance|process|console|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|crypto|globalThis|require)\b|\bMath\.random\b|\bimport\.meta\b/g

/** What is wrong with a file of src/, as sentences. `path` is relative to src/. */
function faultsOf(path: string, text: string): string[] {
  const folder = dirname(path).split('/')[0]!
  const allowed = mayImport[folder]
  if (!allowed)
    return [
      `${path}: folder "${folder}" has no place in the import rule; give it one in test/imports.test.ts`,
    ]
  const isPure = pureFolders.includes(folder)
  const faults: string[] = []
  for (const [, target] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)) {
    if (!target!.startsWith('.')) {
      if (isPure) faults.push(`${path} imports ${target}; ${folder}/ imports nothing but its own kind`)
      continue
    }
    const file = normalize(join(dirname(path), target!))
    const isOwn = dirname(file).split('/')[0] === folder
    const isAllowed = allowed.some((each) => file === each || file.startsWith(`${each}/`))
    if (!isOwn && !isAllowed)
      faults.push(`${path} imports ${file}; ${folder}/ may import ${allowed.join(', ') || 'nothing else'}`)
  }
  if (isPure) {
    for (const [word] of codeOf(text).matchAll(world))
      faults.push(`${path} mentions ${word}; make it an argument`)
  }
  return faults
}

/** Without comments and strings; what a template evaluates stays. */
function codeOf(text: string): string {
  return text.replace(
    /\/\/.*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g,
    (piece) =>
      piece.startsWith('`') ? [...piece.matchAll(/\$\{([^}]*)\}/g)].map((match) => match[1]).join(' ; ') : '',
  )
}

/** Tests stand outside the house: they may import what they test with. */
const files = globSync('**/*.ts', { cwd: source })
  .filter((path) => !path.endsWith('.test.ts'))
  .sort()

test('imports go down only, and core and sim see no clock and no chance', () => {
  assert.ok(files.some((path) => path.startsWith('core/')))
  assert.deepEqual(
    files.flatMap((path) => faultsOf(path, readFileSync(join(source, path), 'utf8'))),
    [],
  )
})

test('the rule finds what it is there to find', () => {
  const bad: [string, string][] = [
    ['core/a.ts', "import { readFileSync } from 'node:fs'"],
    ['core/a.ts', "import type { Store } from '../stores/store.ts'"],
    ['core/a.ts', "const { x } = await import('../cli/main.ts')"],
    ['core/a.ts', "import {\n  a,\n  b,\n} from 'zod'"],
    ['core/a.ts', 'const nowMs = Date.now()'],
    ['core/a.ts', 'const text = `${performance.now()} ms`'],
    ['core/a.ts', 'if (Math.random() < 0.5) return'],
    ['sim/a.ts', 'setTimeout(() => {}, 5)'],
    ['sim/a.ts', "import { openSqliteStore } from '../stores/sqlite/store.ts'"],
    ['stores/a.ts', "export * from '../daemon/daemon.ts'"],
    ['runners/a.ts', "import { x } from '../stores/store.ts'"],
    ['daemon/a.ts', "import { print } from '../cli/output.ts'"],
    ['elsewhere/a.ts', ''],
  ]
  for (const [path, text] of bad) assert.equal(faultsOf(path, text).length, 1, `${path}: ${text}`)
})

test('the rule leaves alone what is allowed', () => {
  const good: [string, string][] = [
    [
      'core/a.ts',
      "import { b } from './b.ts'\n// the process that Date.now() is read in\nconst text = 'console'",
    ],
    ['core/a.ts', 'const unit = model.process'],
    [
      'sim/a.ts',
      "import { decide } from '../core/decide/decide.ts'\nimport { MemoryStore } from '../stores/memory.ts'",
    ],
    ['daemon/a.ts', "import { hrtime } from 'node:process'\nimport { apply } from '../core/state/apply.ts'"],
    ['pipelines/a.ts', "import type { Resolver } from '../stores/store.ts'"],
    ['index.ts', "export { decide } from './core/decide/decide.ts'"],
  ]
  for (const [path, text] of good) assert.deepEqual(faultsOf(path, text), [], text)
})
