// Module workers as people write them: each ending beside a package.json of each type, really run; and what
// cannot be parsed or imported.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createRunner } from '../../src/runners/create.ts'
import { StartedProcesses } from '../../src/runners/started.ts'
import { temporaryFolder } from '../support/folder.ts'

const types = { none: {}, module: { type: 'module' }, commonjs: { type: 'commonjs' } }

const esm = `import { basename } from 'node:path'
import { double } from './lib/double.js'
export function load({ options }) { return options.suffix }
export async function run(inputs, suffix) { return inputs.map((each) => basename(double(each)) + suffix) }
`
const typed = `import { basename } from 'node:path'
import { double } from './lib/typed.ts'
interface Options { suffix: string }
export function load({ options }: { options: Options }): string { return options.suffix }
export async function run(inputs: string[], suffix: string) { return inputs.map((each) => basename(double(each)) + suffix) }
`
const cjs = `const { basename } = require('node:path')
const { double } = require('./lib/double.js')
module.exports = {
  load: ({ options }) => options.suffix,
  run: async (inputs, suffix) => inputs.map((each) => basename(double(each)) + suffix),
}
`
const cjsTyped = cjs.replace('(inputs, suffix)', '(inputs: string[], suffix: string)')

const workers: [string, string][] = [
  ['w.ts', typed],
  ['w.mts', typed],
  ['w.js', esm],
  ['w.mjs', esm],
  ['w.cjs', cjs],
  ['common.js', cjs],
  ['common.ts', cjsTyped],
  [
    'default.js',
    'const load = ({ options }) => options.suffix\nexport default { load, run: (inputs, suffix) => inputs.map((each) => each + each + suffix) }\n',
  ],
]

/** What a worker imports is written the other way than the type beside it says. */
function write(folder: string, type: keyof typeof types): void {
  mkdirSync(join(folder, 'lib'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify(types[type]))
  const double =
    type === 'module' ? 'exports.double = (x) => x + x\n' : 'export const double = (x) => x + x\n'
  writeFileSync(join(folder, 'lib/double.js'), double)
  writeFileSync(join(folder, 'lib/typed.ts'), 'export const double = (x: string): string => x + x\n')
  for (const [file, source] of workers) writeFileSync(join(folder, file), source)
}

function start(file: string) {
  const cwd = dirname(file)
  const started = new StartedProcesses(join(cwd, 'runners.jsonl'))
  const spec = {
    modelId: 'm',
    kind: 'module',
    file,
    options: { suffix: '!' },
    environment: {},
    cwd,
    timeouts: {},
  } as const
  return createRunner(spec, { started, logFolder: cwd }).start('m-1')
}

for (const type of Object.keys(types) as (keyof typeof types)[]) {
  const folder = temporaryFolder(type)
  write(folder, type)
  for (const [file] of workers)
    test(`${file} runs beside a package.json with type ${type}`, async () => {
      const instance = start(join(folder, file))
      const load = await instance.load()
      const batch =
        load.type === 'loaded'
          ? await instance.run({ items: [{ id: 'a', input: 'x' }], timeoutMs: null })
          : load
      await instance.stop()
      assert.deepEqual(batch, {
        answers: [{ type: 'output', id: 'a', output: 'xx!' }],
        failure: null,
        peakBytes: null,
        residentBytes: null,
      })
    })
}

const working = 'export const load = () => 1\nexport const run = (inputs) => inputs\n'

for (const [what, file, source, message] of [
  ['does not parse', 'w.js', `${working}export const = 1\n`, /^w\.js:3: SyntaxError: Unexpected token '='$/],
  [
    'does not parse as TypeScript',
    'w.ts',
    `${working}const a: = 1\n`,
    /^w\.ts:3: SyntaxError \[ERR_INVALID_TYPESCRIPT_SYNTAX\]: /,
  ],
  [
    'does not parse as CommonJS',
    'w.cjs',
    'exports.load = () => 1\nfoo(]\n',
    /^w\.cjs:2: SyntaxError: Unexpected token '\]'$/,
  ],
  [
    'imports what is not installed',
    'w.mjs',
    `import 'no-such-package'\n${working}`,
    /Cannot find package 'no-such-package' imported from .*w\.mjs/,
  ],
  [
    'imports a name that is not there',
    'w.ts',
    `import { nope } from 'node:fs'\n${working}`,
    /^w\.ts:1: SyntaxError: .*'nope'/,
  ],
  [
    'imports a file that does not parse',
    'w.js',
    `import './broken.js'\n${working}`,
    /^broken\.js:2: SyntaxError: Unexpected token/,
  ],
  [
    'throws as it is imported',
    'w.js',
    `${working}\nthrow new RangeError('no seats')\n`,
    /^w\.js:4: RangeError: no seats$/,
  ],
  [
    'has no run',
    'w.js',
    'export const load = () => 1\n',
    /^TypeError: w\.js must export the functions load and run$/,
  ],
] as const) {
  test(`a module that ${what} fails its load for good, in its error's own line`, async () => {
    const folder = temporaryFolder('broken')
    writeFileSync(join(folder, 'broken.js'), 'export {}\nconst = 1\n')
    writeFileSync(join(folder, file), source)
    const instance = start(join(folder, file))
    const load = await instance.load()
    await instance.stop()
    assert.ok(load.type === 'failed', JSON.stringify(load))
    assert.match(load.error.message, message)
    assert.deepEqual([load.error.code, load.retryable], ['LOAD_FAILED', false])
  })
}

for (const [what, thrown, retryable] of [
  ['cannot import a package', "await import('no-such-package')", false],
  ['says that it is final', "throw Object.assign(new Error('no licence'), { retryable: false })", false],
  ['has no network', "throw new Error('no network')", true],
] as const) {
  test(`a load that ${what} is ${retryable ? '' : 'not '}tried again`, async () => {
    const file = join(temporaryFolder('load'), 'w.mjs')
    writeFileSync(file, `export async function load() { ${thrown} }\nexport const run = (inputs) => inputs\n`)
    const instance = start(file)
    const load = await instance.load()
    await instance.stop()
    assert.equal(load.type === 'failed' && load.retryable, retryable)
  })
}
