// The package as a command, in an empty folder: README's own pipeline, each kind of module worker, one that is
// broken, and what init writes.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { moduleWorkers, packageTypes, writeModuleWorkers } from '../support/module-workers.ts'
import { assertQuiet, ofReadme, type Said, type Stranger } from './stranger.ts'

export function testCommand(stranger: Stranger): void {
  const plimsoll = (...args: string[]) => stranger.run('npx', 'plimsoll', ...args)

  test('the command says what it can', () => {
    assert.match(assertQuiet(plimsoll('--version')), /^\d+\.\d+\.\d+$/m)
    assert.match(assertQuiet(plimsoll('--help')), /Usage: plimsoll/)
    assert.match(assertQuiet(plimsoll('run', '--help')), /Usage: plimsoll run/)
  })

  test("README's own pipeline runs, or the Node that it needs is named in one sentence", () => {
    stranger.write('hello.yaml', ofReadme('yaml', 0))
    stranger.write('shout.ts', ofReadme('ts', 0))
    stranger.write('one.txt', 'loud')
    const said = plimsoll('run', 'hello.yaml')
    if (!stranger.hasDatabase) return assertOld(said)
    assertRan(said)
    assert.match(readFileSync(join(stranger.folder, '.plimsoll/hello.results.jsonl'), 'utf8'), /"LOUD"/)
  })

  for (const kind of ['--node', '--python'])
    test(`what init ${kind} writes runs as it is`, () => {
      const folder = `made${kind}`
      assertQuiet(plimsoll('init', folder, kind))
      const said = plimsoll('run', `${folder}/pipeline.yaml`)
      if (stranger.hasDatabase) assertRan(said)
      else assertOld(said)
    })

  if (!stranger.hasDatabase) return

  test('a worker that does not parse fails at once, once, in its own line', () => {
    stranger.write('broken.yaml', ofReadme('yaml', 0).replace('hello', 'broken'))
    stranger.write('shout.ts', `${ofReadme('ts', 0)}\nconst = 1\n`)
    const { status, stdout, stderr } = plimsoll('run', 'broken.yaml')
    assert.equal(status, 1)
    assert.match(stdout + stderr, /could not be loaded: shout\.ts:\d+: SyntaxError/)
    assert.match(stdout + stderr, / 0 loads/)
  })

  for (const type of packageTypes)
    test(`module workers of each ending run beside a package.json with type ${type}`, () => {
      const folder = join(stranger.folder, type)
      mkdirSync(folder)
      writeModuleWorkers(folder, type)
      writeFileSync(join(folder, 'pipeline.yaml'), pipelineOfAll())
      assertRan(plimsoll('run', `${type}/pipeline.yaml`))
      const results = readFileSync(join(folder, '.plimsoll/all.results.jsonl'), 'utf8')
      assert.equal(results.match(/"xx!"/g)?.length, moduleWorkers.length, results)
    })
}

function assertRan({ status, stdout, stderr }: Said): void {
  assert.equal(status, 0, stdout + stderr)
  assert.doesNotMatch(stderr, /warning/i)
}

/** One sentence. */
function assertOld({ status, stderr }: Said): void {
  assert.equal(status, 2, stderr)
  assert.match(stderr, /^[^\n]+ needs Node 22\S* or newer, and this is Node 20\.[^\n]+\n$/)
}

/** A model and a step for each kind of module worker, over one text. */
function pipelineOfAll(): string {
  const lines = [
    'name: all',
    'gpus: [{ name: ram, kind: host, memory: 1GB }]',
    'sources: { texts: { list: [{ text: "x" }] } }',
    'models:',
    ...moduleWorkers.map(
      (file, index) => `  m${index}: { module: ${file}, vram: 50MB, options: { suffix: "!" } }`,
    ),
    'steps:',
    ...moduleWorkers.map(
      (_, index) => `  s${index}: { source: texts, model: m${index}, input: "\${source.text}" }`,
    ),
  ]
  return `${lines.join('\n')}\n`
}
