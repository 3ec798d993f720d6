// The package as a library, in an empty folder: what it weighs, import and require, a database, the types of
// the origin by the tests that are written from its text, and the examples.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { assertQuiet, type Stranger } from './stranger.ts'

const root = resolve(import.meta.dirname, '../..')
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>
}
const fastCheck = devDependencies['fast-check']

/** Most that an installation may hold, MB. */
const maxSizeMb = 30

const names = 'GpuScheduler, mediaModels, newItem, VramConfig, VramSemaphore'
const embedding = `
const vram = new VramConfig({ totalGb: 16, safetyFactor: 0.9 })
const scheduler = new GpuScheduler({ vram, models: mediaModels })
scheduler.submit(newItem({ id: 'a', modelId: 'Whisper', input: 'v1.wav' }))
scheduler.submit(newItem({ id: 'b', modelId: 'Qwen3', dependencies: ['a'] }))
const { modelId, items } = scheduler.getNextBatch(8)
const semaphore = new VramSemaphore('16GB')
semaphore.acquire('4.5GB', { signal: AbortSignal.timeout(1000) }).then((permit) => {
  console.log(modelId, items.length, permit.bytes)
  permit.release()
})
`

const opening = `import { newItem, openSqliteStore } from 'plimsoll'
try {
  const resolver = { release: () => ({ type: 'run', input: 1 }) }
  const store = await openSqliteStore({ file: 'small.db', resolver })
  await store.submit([newItem({ id: 'a', modelId: 'm', input: 1 })], Date.now())
  console.log((await store.get('a')).state)
  await store.close()
} catch (error) {
  console.log(error.code, error.message)
}
`

export function testLibrary(stranger: Stranger): void {
  test(`an installation has no script, no Node, and at most ${maxSizeMb} MB`, () => {
    const modules = join(stranger.folder, 'node_modules')
    const lock = readFileSync(join(modules, '.package-lock.json'), 'utf8')
    assert.doesNotMatch(lock, /hasInstallScript|node-linux/)
    const size = Number.parseInt(execFileSync('du', ['-sm', modules], { encoding: 'utf8' }), 10)
    assert.ok(size <= maxSizeMb, `${size} MB`)
  })

  test('import and require give the same, and say nothing', () => {
    const expected = 'Whisper 1 4500000000\n'
    const esm = `import { ${names} } from 'plimsoll'\n${embedding}`
    const cjs = `const { ${names} } = require('plimsoll')\n${embedding}`
    assert.equal(assertQuiet(stranger.script('embed.mjs', esm)), expected)
    assert.equal(assertQuiet(stranger.script('embed.cjs', cjs)), expected)
    const both =
      "import('plimsoll').then((api) => console.log(api.WorkQueue === require('plimsoll').WorkQueue))"
    assert.equal(assertQuiet(stranger.script('both.cjs', both)), 'true\n')
  })

  test('a database is opened, or the Node that it needs is named', () => {
    const { status, stdout } = stranger.script('open.mjs', opening)
    assert.equal(status, 0)
    const refusal = /^OLD_NODE A database needs Node 22\.18 or newer, and this is Node 20/
    assert.match(stdout, stranger.hasDatabase ? /^ready$/m : refusal)
  })

  test("the tests of the origin's types pass with those of the package", () => {
    const written = copy('test/origin', stranger)
    assert.ok(written.length >= 4)
    assertQuiet(stranger.run('npm', 'install', `fast-check@${fastCheck}`)) // they draw with it
    const { status, stdout } = stranger.run('node', '--test', ...written)
    assert.equal(status, 0, stdout)
  })

  test('the examples to embed run', () => {
    const written = copy('examples/embed', stranger)
    assert.equal(written.length, stranger.hasUsing ? 2 : 1)
    for (const file of written) assert.notEqual(assertQuiet(stranger.run('node', file)), '')
  })
}

/** The programs of a folder that need nothing but the package, without their types, since Node 20 knows none,
 * and without those that need a newer JavaScript. Answers with what is to be run. */
function copy(folder: string, stranger: Stranger): string[] {
  const programs = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts'))
  mkdirSync(join(stranger.folder, folder), { recursive: true })
  return programs.flatMap((name) => {
    const source = stripTypeScriptTypes(readFileSync(join(root, folder, name), 'utf8'))
    const text = source.replaceAll("'../../src/index.ts'", "'plimsoll'")
    if (/from '\.\./.test(text) || (/^\s*using /m.test(text) && !stranger.hasUsing)) return []
    const written = join(folder, name.replace(/\.ts$/, '.mjs'))
    stranger.write(written, text)
    return [written]
  })
}
