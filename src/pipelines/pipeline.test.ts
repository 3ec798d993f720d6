import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/support/folder.ts'
import { plainOrder } from '../core/work/queue-head.ts'
import { openMemoryStore } from '../stores/memory.ts'
import { allItems } from '../stores/store.ts'
import { expandPipeline } from './expand.ts'
import { compileTemplate } from './expressions.ts'
import { definePipeline, readPipeline } from './pipeline.ts'
import type { PipelineFile } from './pipeline-file.ts'
import { gatherReport, gatherResults } from './report.ts'
import { pipelineResolver } from './resolver.ts'

const folder = temporaryFolder('pipelines')
writeFileSync(join(folder, 'm.ts'), 'export {}')

const head = 'name: p\ngpus: [{ name: g, kind: host, memory: 1GB }]\n'
const body = 'models:\n  m: { module: m.ts, vram: 1MB }\nsources:\n  s: { list: [1] }\n'

/** The message for a file that is the head, the good middle and these steps. */
function faultsOf(text: string): string[] {
  const file = join(folder, 'faulty.yaml')
  writeFileSync(file, text)
  try {
    readPipeline(file)
  } catch (error) {
    return (error as Error).message.split('\n').map((line) => line.replace(`${file}:`, ''))
  }
  return []
}

const cases: [string, string, RegExp[]][] = [
  ['nothing', head + body + 'steps:\n  a: { source: s, model: m }\n', []],
  ['an unknown key', head + body + 'steps:\n  a: { source: s, model: m, prio: 3 }\n', [/^8:\d+ steps\.a\.prio: "prio" is not a key here/]],
  ['a key that is nearly right', head + body + 'steps:\n  a: { source: s, modle: m }\n', [/"modle" is not a key here; did you mean "model"\?/, /model: is missing/]],
  ['an unknown source', head + body + 'steps:\n  a: { source: t, model: m }\n', [/^8:\d+ steps\.a\.source: there is no source "t"/]],
  ['a priority out of range', head + body + 'steps:\n  a: { source: s, model: m, priority: 101 }\n', [/^8:\d+ steps\.a\.priority: .*100/]],
  ['a wrong unit', head + body + 'steps:\n  a: { source: s, model: m, timeout: 3 moons }\n', [/^8:\d+ steps\.a\.timeout: "3 moons" is not a duration/]],
  ['a broken expression', head + body + 'steps:\n  a: { source: s, model: m, input: "${1 +}" }\n', [/^8:\d+ steps\.a\.input: \$\{1 \+\} is not an expression/]],
  ['an open expression', head + body + 'steps:\n  a: { source: s, model: m, input: "${source" }\n', [/has a \$\{ without its \}/]],
  ['each without forEach', head + body + 'steps:\n  a: { source: s, model: m, input: "${each}" }\n', [/"each" names nothing.*Here are: source/]],
  ['a step of another source', head + body.replace('[1] }', '[1] }\n  t: { list: [2] }') + 'steps:\n  a: { source: s, model: m }\n  b: { source: t, model: m, input: "${a}" }\n', [/^10:\d+ steps\.b\.input: "a" runs over "s", this step over "t"; only a step with gather: true sees both/]],
  ['a cycle', head + body + 'steps:\n  a: { source: s, model: m, needs: [b] }\n  b: { source: s, model: m, input: "${a}" }\n', [/a → b → a/]],
  ['itself', head + body + 'steps:\n  a: { source: s, model: m, input: "${a}" }\n', [/"a" cannot wait for itself/]],
  ['two ways to run a model', head + body.replace('module: m.ts', 'module: m.ts, exec: [wc]') + 'steps:\n  a: { source: s, model: m }\n', [/exactly one of module, command and exec; it has module and exec/, /leave vram out/]],
  ['two devices of one name', head.replace('[{', '[{ name: g, kind: host, memory: 1GB }, {') + body + 'steps:\n  a: { source: s, model: m }\n', [/two devices are called "g"/]],
  ['YAML that ends too early', `${head}models: { m: [`, [/^3:\d+ Flow sequence/, /^3:\d+ Flow map/]],
  ['several at once', head + body + 'steps:\n  a: { source: t, model: n }\n  b: { model: m }\n', [/no model "n"/, /no source "t"/, /needs source, or gather: true/]],
] // biome-ignore format: a table

for (const [what, text, expected] of cases) {
  test(`tells of ${what}, with its line`, () => {
    const faults = faultsOf(text)
    for (const message of expected)
      assert.ok(
        faults.some((fault) => message.test(fault)),
        `${message} in ${faults.join('\n')}`,
      )
    assert.equal(faults.length, expected.length, faults.join('\n'))
  })
}

test('an expression alone keeps its type, in a text it becomes text, and numbers mix', () => {
  const scope = { n: 4550, many: [1, 2, 3], text: 'a', nothing: null, deep: { x: [{ y: 2.5 }] } }
  const values: [unknown, unknown][] = [
    ['${n / 1000}', 4.55],
    ['${n}', 4550],
    ['${size(many)}', 3],
    ['${many.map(x, x * 2)}', [2, 4, 6]],
    ['${many.filter(x, x > n)}', []],
    ['${{"k": many}}', { k: [1, 2, 3] }],
    ['${nothing != null ? nothing.x : "none"}', 'none'],
    ['about ${text} and ${n} and ${nothing}!', 'about a and 4550 and !'],
    ['${deep.x[0].y * 2}', 5],
    ['plain', 'plain'],
    [{ a: ['${text}', 7] }, { a: ['a', 7] }],
  ]
  for (const [template, value] of values)
    assert.deepEqual(compileTemplate(template).evaluate(scope), value, JSON.stringify(template))
  assert.deepEqual([...compileTemplate('${many.map(x, x + n)} ${deep.x}').names].sort(), [
    'deep',
    'many',
    'n',
  ])
  assert.throws(() => compileTemplate('${deep.z}').evaluate(scope), {
    code: 'BAD_EXPRESSION',
    message: /deep\.z.*No such key: z/,
  })
})

/** Runs a pipeline in memory: each item's output is what `work` makes of its input. */
async function run(definition: PipelineFile, work: (input: unknown) => unknown) {
  const pipeline = definePipeline(definition, { folder })
  const store = openMemoryStore({ resolver: pipelineResolver(pipeline) })
  await store.submit(expandPipeline(pipeline), 1)
  const order = { ...plainOrder, interactiveFrom: 8 }
  for (;;) {
    const { token, items } = await store.claim({ modelId: 'm', maxCount: 1, order, leaseMs: 1e6 }, 2)
    const [item] = items
    if (!item) break
    const made = work(item.input)
    const error = { code: 'RUN_FAILED', message: String(made) }
    await store.finish(
      token,
      [
        made instanceof Error
          ? { type: 'fail', id: item.id, error, retryable: false, retryAtMs: 2 }
          : { type: 'done', id: item.id, output: made },
      ],
      3,
    )
  }
  return { pipeline, items: await allItems(store) }
}

const base = {
  name: 'p',
  gpus: [{ name: 'g', kind: 'host' as const, memory: '1GB' }],
  models: { m: { module: 'm.ts', vram: '1MB' } },
}

/** Each number is counted to, and all but 1 of what it counts is a part. */
const fanOut: PipelineFile = {
  ...base,
  sources: { numbers: { list: [{ n: 3 }, { n: 0 }] } },
  steps: {
    count: { source: 'numbers', model: 'm', input: '${source.n}' },
    parts: {
      source: 'numbers',
      model: 'm',
      forEach: '${count}',
      when: '${each != 1}',
      input: { part: '${each}' },
    },
    many: { source: 'numbers', model: 'm', when: '${size(parts) > 1}', input: '${parts}' },
    all: { gather: true, model: 'm', input: '${parts}' },
  },
  report: [
    {
      title: 'T',
      each: 'numbers',
      columns: { n: '${source.n}', parts: '${size(parts)}', many: '${many}' },
    },
  ],
}

test('fans out over a list, picks by a condition, gathers in order, and reports', async () => {
  const { pipeline, items } = await run(fanOut, (input) =>
    typeof input === 'number' ? [...Array(input).keys()] : input,
  )
  const [three, none, run_] = gatherResults(pipeline, items)
  assert.deepEqual(three!.steps, {
    count: [0, 1, 2],
    parts: [{ part: 0 }, { part: 2 }],
    many: [{ part: 0 }, { part: 2 }],
  })
  assert.deepEqual(none!.steps, { count: [], parts: [], many: null })
  assert.deepEqual(run_!.steps.all, [
    { source: { n: 3 }, output: [{ part: 0 }, { part: 2 }] },
    { source: { n: 0 }, output: [] },
  ])
  assert.deepEqual(gatherReport(pipeline, items), [
    {
      title: 'T',
      columns: ['n', 'parts', 'many'],
      rows: [
        ['3', '2', '[{"part":0},{"part":2}]'],
        ['0', '0', ''],
      ],
    },
  ])
})

test('passes failures on by the policy of needs', async () => {
  const step = (needs: Record<string, 'fail' | 'skip' | 'continue'>) => ({
    source: 's',
    model: 'm',
    needs,
    input: 'fine',
  })
  const { pipeline, items } = await run(
    {
      ...base,
      sources: { s: { list: ['bad'] } },
      steps: {
        first: { source: 's', model: 'm', retries: 0 },
        fails: step({ first: 'fail' }),
        skips: step({ first: 'skip' }),
        goes: { ...step({ first: 'continue' }), input: '${first == null ? "alone" : "not"}' },
        wrong: { source: 's', model: 'm', input: '${source.nothing}' },
      },
    },
    (input) => (input === 'bad' ? new Error('cannot') : input),
  )
  const [{ steps, failed }] = gatherResults(pipeline, items) as unknown as [
    { steps: object; failed: Record<string, string> },
  ]
  assert.deepEqual(steps, { skips: null, goes: 'alone' })
  assert.deepEqual(Object.keys(failed).sort(), ['fails', 'first', 'wrong'])
  assert.match(failed.wrong!, /source\.nothing/)
})

test('ids are the same for the same work, and change with what its result depends on, and only then', () => {
  mkdirSync(join(folder, 'texts'), { recursive: true })
  const file = join(folder, 'texts/a.txt')
  writeFileSync(file, 'a')
  utimesSync(file, 1, 1)
  const define = (change: (file: PipelineFile) => void = () => {}) => {
    const definition: PipelineFile = structuredClone({
      ...base,
      sources: { s: { files: 'texts/*.txt' } },
      steps: {
        one: { source: 's', model: 'm', input: '${source.path}' },
        two: { source: 's', model: 'm', input: '${one}' },
      },
    })
    change(definition)
    return expandPipeline(definePipeline(definition, { folder })).map(({ id }) => id)
  }
  const before = define()
  assert.deepEqual(define(), before)
  assert.match(before[0]!, /^a\.txt_m_[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  const same = define((each) => Object.assign(each.steps.one!, { priority: 5, retries: 7, timeout: '1m' }))
  assert.deepEqual(same, before, 'how it runs does not matter')
  const changed = (ids: string[]) => ids.map((id, index) => id !== before[index])
  const ofTwo = define((each) => Object.assign(each.steps.two!, { input: '${one} ' }))
  assert.deepEqual(changed(ofTwo), [false, true])
  const ofOne = define((each) => Object.assign(each.steps.one!, { input: '${source.name}' }))
  assert.deepEqual(changed(ofOne), [true, true])
  const ofModel = define((each) => Object.assign(each.models.m!, { options: { seed: 1 } }))
  assert.deepEqual(changed(ofModel), [true, true])
  writeFileSync(join(folder, 'm.ts'), 'export { }')
  assert.deepEqual(changed(define()), [true, true], 'the worker was edited')
  writeFileSync(join(folder, 'm.ts'), 'export {}')
  writeFileSync(file, 'ab')
  assert.deepEqual(changed(define()), [true, true], 'the file was edited')
})

test('takes inputs instead of its own files, and says when it is not clear whose they are', () => {
  const define = (sources: PipelineFile['sources']) =>
    definePipeline({ ...base, sources, steps: {} }, { folder })
  const one = define({ s: { files: 'texts/*.txt' } })
  assert.equal(expandPipeline(one, { inputs: [join(folder, 'texts')] }).length, 0)
  assert.throws(() => expandPipeline(one, { inputs: ['nothing/*.txt'] }), {
    code: 'BAD_VALUE',
    message: /matches no file/,
  })
  const two = define({ s: { files: 'texts/*.txt' }, t: { files: 'texts/*.txt' } })
  assert.throws(() => expandPipeline(two, { inputs: ['texts/a.txt'] }), {
    message: /NAME=GLOB with one of: s, t/,
  })
  assert.throws(() => expandPipeline(define({ s: { files: 'none/*' } })), {
    message: /Source "s": none\/\* matches no file/,
  })
  writeFileSync(join(folder, 'bad.jsonl'), '{"a":1}\n\nnonsense\n')
  assert.throws(() => expandPipeline(define({ s: { jsonl: 'bad.jsonl' } })), {
    message: /bad\.jsonl:3 is not JSON/,
  })
})

test('the examples are well formed, and the archive has the work that its page says', () => {
  const root = resolve(import.meta.dirname, '../..')
  const archive = readPipeline(join(root, 'examples/archive/pipeline.yaml'))
  assert.equal(expandPipeline(archive).length, 17 * 6 + 5 * 3 + 6 + 1)
  assert.ok(archive.models.reduce((sum, { vramBytes }) => sum + vramBytes, 0) > archive.gpus[0]!.memoryBytes!)
  readPipeline(join(root, 'plimsoll.example.yaml'))
  readPipeline(join(root, 'examples/video/pipeline.yaml'))
  for (const file of [
    'plimsoll.example.yaml',
    'examples/archive/pipeline.yaml',
    'examples/video/pipeline.yaml',
  ]) {
    assert.match(
      readFileSync(join(root, file), 'utf8'),
      /^# yaml-language-server: \$schema=[./]*plimsoll\.schema\.json/,
      file,
    )
  }
})
