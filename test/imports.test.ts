// Imports go down only, and never in a circle:
//
//   cli → http → api → {daemon, forecast, timeline} → {record, pipelines} → runners → {devices, stores, sim} → core
//   core: explain → decide → state → the words at its door (errors, model, policy, units …)
//                                   decide → work → the words at its door
//
// Runners and devices look at the same processes. core/ imports nothing outside core/. core/ and sim/ see no
// clock, no chance, no timer, no console and no process: time, chance and the outside world reach them as
// arguments. embed/, where programs enter, brings the system's unless they bring others.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '..', 'src')

/** Files directly in core/. */
const door = 'core/*.ts'

/** What each room may import besides itself: folders, the files directly in one, or single files. Packages
 * are free outside core/ and sim/. */
const mayImport: Record<string, string[]> = {
  core: [],
  'core/work': [door],
  'core/state': [door, 'core/work/queue-head.ts'],
  'core/decide': [door, 'core/work', 'core/state'],
  'core/explain': [door, 'core/work', 'core/state', 'core/decide'],
  embed: ['core'],
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
  '.': ['core', 'embed', 'stores', 'runners', 'devices', 'pipelines', 'record', 'daemon', 'http', 'sim'],
}

const pureFolders = ['core', 'sim']

const world =
  /(?<![.\w])(Date|performance|process|console|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|crypto|globalThis|require)\b|\bMath\.random\b|\bimport\.meta\b/g

/** The most exact key of `mayImport` that a file belongs to; null: none. */
function roomOf(path: string): string | null {
  const rooms = dirname(path) === '.' ? ['.'] : Object.keys(mayImport).filter((each) => isIn(each, path))
  return rooms.sort((a, b) => b.length - a.length)[0] ?? null
}

function isIn(room: string, path: string): boolean {
  return path === room || path.startsWith(`${room}/`) || room === join(dirname(path), '*.ts')
}

/** What a text imports: packages by their names, files by their paths in src/. */
function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(([, target]) =>
    target!.startsWith('.') ? normalize(join(dirname(path), target!)) : target!,
  )
}

/** What is wrong with a file of src/, as sentences. `path` is relative to src/. */
function faultsOf(path: string, text: string): string[] {
  const room = roomOf(path)
  if (!room)
    return [`${path}: its folder has no place in the import rule; give it one in test/imports.test.ts`]
  const allowed = mayImport[room]!
  const isPure = pureFolders.includes(path.split('/')[0]!)
  const faults: string[] = []
  for (const target of importsOf(path, text)) {
    if (!target.endsWith('.ts')) {
      if (isPure) faults.push(`${path} imports ${target}; ${room}/ imports nothing but its own kind`)
    } else if (roomOf(target) !== room && !allowed.some((each) => isIn(each, target)))
      faults.push(`${path} imports ${target}; ${room}/ may import ${allowed.join(', ') || 'nothing else'}`)
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

/** Files that import each other, each circle as one line. `importsByFile` has every file of a house. */
function circlesOf(importsByFile: ReadonlyMap<string, readonly string[]>): string[] {
  const reach = (start: string) => {
    const seen = new Set<string>()
    const ahead = [start]
    for (let file = ahead.pop(); file !== undefined; file = ahead.pop()) {
      for (const next of importsByFile.get(file) ?? []) {
        if (seen.has(next)) continue
        seen.add(next)
        ahead.push(next)
      }
    }
    return seen
  }
  const reached = new Map([...importsByFile.keys()].map((file) => [file, reach(file)]))
  const circles = [...reached].flatMap(([file, seen]) =>
    seen.has(file)
      ? [
          [...seen]
            .filter((each) => reached.get(each)?.has(file))
            .sort()
            .join(' ⇄ '),
        ]
      : [],
  )
  return [...new Set(circles)].sort()
}

test('files do not import each other in a circle, not even for types', () => {
  const importsByFile = new Map(
    files.map((path) => [path, importsOf(path, readFileSync(join(source, path), 'utf8'))]),
  )
  assert.deepEqual(circlesOf(importsByFile), [])
})

test('a circle is found, of two and of three', () => {
  const house = { a: ['b', 'x'], b: ['c'], c: ['a'], d: ['e'], e: ['d', 'a'], f: ['a'] }
  assert.deepEqual(circlesOf(new Map(Object.entries(house))), ['a ⇄ b ⇄ c', 'd ⇄ e'])
})

test('the rule finds what it is there to find', () => {
  const bad: [string, string][] = [
    ['core/a.ts', "import { readFileSync } from 'node:fs'"],
    ['core/a.ts', "import type { Store } from '../stores/store.ts'"],
    ['core/a.ts', "import type { State } from './state/state.ts'"],
    ['core/work/a.ts', "import type { State } from '../state/state.ts'"],
    ['core/state/a.ts', "import { newItem } from '../work/item.ts'"],
    ['core/state/a.ts', "import type { View } from '../decide/view.ts'"],
    ['core/decide/a.ts', "import { whyWaiting } from '../explain/explain.ts'"],
    ['core/decide/a.ts', "import type { Store } from '../../stores/store.ts'"],
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
    ['core/state/a.ts', "import type { QueueHead } from '../work/queue-head.ts'"],
    ['core/state/a.ts', "import { assert } from '../errors.ts'"],
    ['embed/scheduler.ts', "import { WorkGraph } from '../core/work/graph.ts'"],
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
