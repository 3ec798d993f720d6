// The whole command with small real workers: what is written wrong, what workers do wrong, kills and second
// runs.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { journaled, plimsoll, startPlimsoll } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'
import { echo, held, project } from '../support/project.ts'

const oneModel = '  echo: { module: echo.js, vram: 200MB, loadTime: 100ms }\n'
const oneStep = '  say: { source: texts, model: echo, input: { name: "${source.name}" } }\n'

function results(folder: string): { sourceId: string }[] {
  const lines = readFileSync(join(folder, '.plimsoll/small.results.jsonl'), 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line))
}

test('runs a pipeline, writes its results and its picture, and runs nothing twice', () => {
  const folder = project({ models: oneModel, steps: oneStep })
  const first = plimsoll(folder, 'run', 'pipeline.yaml', '--json')
  assert.equal(first.status, 0, first.all)
  const answer = JSON.parse(first.stdout)
  assert.equal(answer.items, 3)
  assert.match(readFileSync(answer.timeline, 'utf8'), /^<svg/)
  assert.equal(results(folder).length, 3)
  const second = plimsoll(folder, 'run', 'pipeline.yaml')
  assert.equal(second.status, 0, second.all)
  assert.match(second.stdout, /3 of them known from before/)
  writeFileSync(join(folder, 'texts', 'four.txt'), 'four')
  plimsoll(folder, 'run', 'pipeline.yaml')
  assert.equal(results(folder).length, 4)
  const exported = plimsoll(folder, 'export')
    .stdout.trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    exported.map(({ attempt }) => attempt),
    [1, 1, 1, 1],
    'only the new one ran',
  )
})

test('run, status, items and export count the same items, also those of a fan-out and those that are skipped', () => {
  const steps = `${oneStep}  parts: { source: texts, model: echo, forEach: "\${[1, 2]}", input: { part: "\${each}" } }
  late: { source: texts, model: echo, when: "\${source.name == 'one.txt'}", input: {} }
`
  const folder = project({ models: oneModel, steps })
  const { status, stdout, all } = plimsoll(folder, 'run', 'pipeline.yaml')
  assert.equal(status, 0, all)
  assert.match(stdout, /^small: 9 items and what its fan-outs make/m)
  assert.match(stdout, /^15 items: 13 done, 2 skipped$/m)
  assert.match(stdout, /^10 runs of items in /m, 'a fan-out itself is not run')
  const lengthOf = (command: string) => JSON.parse(plimsoll(folder, command, '--json').stdout).length
  assert.equal(lengthOf('items'), 15)
  const { groups } = JSON.parse(plimsoll(folder, 'status', '--json').stdout) as {
    groups: { count: number }[]
  }
  assert.equal(
    groups.reduce((sum, { count }) => sum + count, 0),
    15,
  )
  assert.equal(plimsoll(folder, 'export').stdout.trim().split('\n').length, 15)
  const again = JSON.parse(plimsoll(folder, 'run', 'pipeline.yaml', '--json').stdout)
  assert.deepEqual([again.itemCount, again.failedCount, again.openCount], [15, 0, 0])
})

test('a worker that cannot be imported fails its items at once, once, in its own line', () => {
  const folder = project({ models: oneModel, steps: oneStep, worker: `${echo}export const = 1\n` })
  const { status, all } = plimsoll(folder, 'run', 'pipeline.yaml')
  assert.equal(status, 1, all)
  assert.equal(
    all.match(/failed .*could not be loaded: echo\.js:3: SyntaxError: Unexpected token/g)?.length,
    3,
  )
  const journal = readFileSync(join(folder, '.plimsoll/small.journal.jsonl'), 'utf8')
  assert.equal(journal.match(/"load-failed"/g)?.length, 1)
})

const wrong: [string, string, string, RegExp][] = [
  [
    'an unknown model',
    oneModel,
    '  say: { source: texts, model: ecko, input: {} }\n',
    /pipeline\.yaml:9.*"ecko".*echo/s,
  ],
  [
    'a missing module',
    '  echo: { module: nowhere.js, vram: 1MB }\n',
    oneStep,
    /pipeline\.yaml:5.*nowhere\.js/s,
  ],
  [
    'a wrong unit',
    '  echo: { module: echo.js, vram: 200 apples }\n',
    oneStep,
    /pipeline\.yaml:5.*200 apples/s,
  ],
  ['a model that never fits', '  echo: { module: echo.js, vram: 2GB }\n', oneStep, /2 GB.*900 MB/s],
  [
    'a cycle',
    oneModel,
    '  a: { source: texts, model: echo, input: "${b}" }\n  b: { source: texts, model: echo, input: "${a}" }\n',
    /a → b → a|b → a → b/,
  ],
  [
    'a name that nothing has',
    oneModel,
    '  say: { source: texts, model: echo, input: "${sorce.name}" }\n',
    /sorce.*source/s,
  ],
  ['YAML that is not closed', oneModel, '  say: { source: texts, model: echo\n', /pipeline\.yaml:\d+/],
]

for (const [what, models, steps, message] of wrong) {
  test(`refuses ${what} with a sentence and code 2`, () => {
    const folder = project({ models, steps })
    const { status, stderr, stdout } = plimsoll(folder, 'run', 'pipeline.yaml')
    assert.equal(status, 2, stderr + stdout)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack')
  })
}

test('refuses a file that is not there, an input that matches nothing and options that make no sense', () => {
  const folder = project({ models: oneModel, steps: oneStep })
  const cases: [string[], RegExp][] = [
    [['run', 'nothing.yaml'], /nothing\.yaml/],
    [['run', 'pipeline.yaml', 'nothing/*.txt'], /nothing\/\*\.txt/],
    [['run', 'pipeline.yaml', '--gpu', '12 apples'], /12 apples/],
    [['run', 'pipeline.yaml', '--set', 'policy.hysteria=2'], /hysteria/],
    [['fly'], /fly/],
    [['items', '--state', 'sleeping'], /sleeping/],
  ]
  for (const [args, message] of cases) {
    const { status, all } = plimsoll(folder, ...args)
    assert.equal(status, 2, `${args.join(' ')}: ${all}`)
    assert.match(all, message)
  }
})

/** A worker that does `what` at `when` (load, or run for the text "two"). */
function badWorker(when: 'load' | 'run', what: string): string {
  const act = `async function act() { ${what} }\n`
  return when === 'load'
    ? `${act}export async function load() { await act() }\nexport async function run(inputs) { return inputs }\n`
    : `${act}export async function load() {}\nexport async function run(inputs) { const out = []; for (const each of inputs) out.push(each.name === 'two.txt' ? await act() : each); return out }\n`
}

const retries =
  '  say: { source: texts, model: echo, input: { name: "${source.name}" }, retries: 0, timeout: 1s }\n'
const single = '  echo: { module: echo.js, vram: 200MB, loadTime: 100ms, batch: { max: 1 } }\n'

/** Failed loads are tried again sooner than in ten seconds. */
const soon = ['--set', 'policy.loadCooldown=1s']

test('fails the items of a model that cannot be loaded, with the reason of the worker', () => {
  const folder = project({
    models: single,
    steps: retries,
    worker: badWorker('load', "throw new Error('no weights here')"),
  })
  const { status, all } = plimsoll(folder, 'run', 'pipeline.yaml', ...soon)
  assert.equal(status, 1, all)
  assert.match(all, /no weights here/)
})

for (const [what, code, message] of [
  ['dies while loading', badWorker('load', 'process.exit(3)'), /code 3/],
  ['dies in a batch', badWorker('run', 'process.exit(4)'), /code 4/],
  ['throws in a batch', badWorker('run', "throw new Error('cannot read two')"), /cannot read two/],
  [
    'hangs in a batch',
    badWorker('run', 'await new Promise(() => setInterval(() => {}, 1000))'),
    /1 s|1000 ms/,
  ],
] as const) {
  test(`a worker that ${what} fails what it had, with a reason, and nothing else`, () => {
    const folder = project({ models: single, steps: retries, worker: code })
    const { status, all } = plimsoll(folder, 'run', 'pipeline.yaml', ...soon)
    assert.equal(status, 1, all)
    assert.match(all, message)
    if (!what.includes('loading'))
      assert.equal(JSON.parse(plimsoll(folder, 'items', '--state', 'done', '--json').stdout).length, 2)
    writeFileSync(join(folder, 'echo.js'), echo)
  })
}

test('what failed is run again after retry, with a mended worker', () => {
  const folder = project({
    models: single,
    steps: retries,
    worker: badWorker('run', "throw new Error('two is broken')"),
  })
  assert.equal(plimsoll(folder, 'run', 'pipeline.yaml').status, 1)
  assert.match(plimsoll(folder, 'retry').stdout, /1 will be tried again/)
  const { status, all } = plimsoll(folder, 'run', 'pipeline.yaml')
  assert.equal(status, 1, all)
  assert.match(all, /two is broken/)
})

test('a second run on the same database is refused while the first is on, and status can look', async (test) => {
  const folder = project({ models: single, steps: oneStep, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, /batch-claimed/)
  const second = plimsoll(folder, 'run', 'pipeline.yaml')
  assert.equal(second.status, 2, second.all)
  assert.match(second.all, /small\.db/)
  const status = plimsoll(folder, 'status', '--json')
  assert.equal(status.status, 0, status.all)
  assert.match(status.stdout, /leased/)
  const [waiting] = JSON.parse(plimsoll(folder, 'items', '--state', 'ready', '--json').stdout)
  const why = plimsoll(folder, 'why', waiting.id)
  assert.match(why.stdout, /It is ready: 2 of its priority wait for echo/, why.all)
  assert.match(why.stdout, /echo is resident on ram; ram runs 1 of echo; a running batch is not interrupted/)
  assert.match(why.stdout, /It has waited .*; in .* it is overdue/)
})

test('Ctrl-C finishes the running batch, and the same command does the rest', async (test) => {
  const folder = project({ models: single, steps: oneStep, worker: held })
  const run = startPlimsoll(test, folder, 'run', 'pipeline.yaml')
  await journaled(run, folder, /batch-claimed/)
  run.kill('SIGINT')
  await journaled(run, folder, /drain-started/)
  writeFileSync(join(folder, 'go'), '')
  const [code] = await once(run, 'exit')
  assert.equal(code, 1)
  const done = JSON.parse(plimsoll(folder, 'items', '--state', 'done', '--json').stdout)
  assert.equal(done.length, 1, 'the batch that ran was recorded')
  assert.equal(plimsoll(folder, 'run', 'pipeline.yaml').status, 0)
  assert.equal(results(folder).length, 3)
})

test('a database that is damaged or is no database is refused and left as it is', () => {
  const folder = project({ models: oneModel, steps: oneStep })
  plimsoll(folder, 'run', 'pipeline.yaml')
  const file = join(folder, '.plimsoll/small.db')
  truncateSync(file, 5000)
  for (const content of [readFileSync(file), Buffer.from('This is a letter to my aunt.')]) {
    writeFileSync(file, content)
    const { status, all } = plimsoll(folder, 'run', 'pipeline.yaml')
    assert.equal(status, 2, all)
    assert.match(all, /small\.db/)
    assert.deepEqual(readFileSync(file), content)
  }
})

test('cancels what waits, and says what is not there', () => {
  const folder = project({
    models: single,
    steps: retries,
    worker: badWorker('run', "throw new Error('two is broken')"),
  })
  plimsoll(folder, 'run', 'pipeline.yaml')
  plimsoll(folder, 'retry')
  const [item] = JSON.parse(plimsoll(folder, 'items', '--state', 'ready', '--json').stdout)
  assert.match(plimsoll(folder, 'cancel', item.id).stdout, /1 cancelled/)
  const unknown = plimsoll(folder, 'result', 'nobody')
  assert.equal(unknown.status, 2)
  assert.match(unknown.all, /nobody/)
  assert.match(plimsoll(folder, 'result', item.id).stdout, /cancelled/)
})

test('doctor says what the machine has', () => {
  const { status, stdout } = plimsoll(temporaryFolder('doctor'), 'doctor')
  assert.equal(status, 0, stdout)
  assert.match(stdout, /Node: v2/)
})

test('plans from declared times before a run and from measured ones after it, and compares cards', () => {
  const folder = project({ models: oneModel, steps: oneStep })
  const plan = (...args: string[]) =>
    JSON.parse(plimsoll(folder, 'plan', 'pipeline.yaml', '--json', ...args).stdout)
  const before = plan()
  assert.deepEqual([before.items, before.isMeasured, before.forecasts[0].loads], [3, false, 1])
  assert.equal(before.forecasts[0].makespanMs, 100 + 50 + 3 * 200, 'a load and a batch, as declared')
  assert.equal(plimsoll(folder, 'run', 'pipeline.yaml').status, 0)
  const after = plan()
  assert.equal(after.isMeasured, true)
  const compared = plan('--sources', '100', '--compare', '500MB,2x500MB')
  assert.deepEqual([compared.items, compared.forecasts.length], [100, 2])
  const small = plimsoll(folder, 'plan', 'pipeline.yaml', '--gpu', '100MB')
  assert.equal(small.status, 2)
  assert.match(small.all, /"echo" needs 200 MB; the largest device offers 90 MB/)
})
