// Module workers as people write them: each ending beside a package.json of each type, really run; and what
// cannot be parsed or imported.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createRunner } from '../../src/runners/create.ts'
import { StartedProcesses } from '../../src/runners/started.ts'
import { temporaryFolder } from '../support/folder.ts'
import { moduleWorkers, packageTypes, writeModuleWorkers } from '../support/module-workers.ts'

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

for (const type of packageTypes) {
  const folder = temporaryFolder(type)
  writeModuleWorkers(folder, type)
  for (const file of moduleWorkers)
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
