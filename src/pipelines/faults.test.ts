// Faults that are easy to overlook, as a table: the whole answer for each file, with lines and columns.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { temporaryFolder } from '../../test/support/folder.ts'
import { definePipeline, readPipeline } from './pipeline.ts'
import type { PipelineFile } from './pipeline-file.ts'

const folder = temporaryFolder('faults')
writeFileSync(join(folder, 'm.js'), '')
mkdirSync(join(folder, 'folder.js'))

const parts = {
  head: 'name: p\ngpus: [{ name: g, kind: host, memory: 1GB }]',
  models: 'models:\n  m: { module: m.js, vram: 1MB }',
  sources: 'sources:\n  s: { list: [1] }',
  steps: 'steps:\n  a: { source: s, model: m }',
  rest: '',
}

/** The parts begin at lines 1, 3, 5 and 7; `rest` follows. */
function faultsOf(changed: Partial<typeof parts>): string[] {
  const file = join(folder, 'p.yaml')
  writeFileSync(file, Object.values({ ...parts, ...changed }).join('\n'))
  try {
    readPipeline(file)
  } catch (error) {
    const { code, message, details } = error as { code: string; message: string; details: { faults: [] } }
    assert.equal(code, 'BAD_PIPELINE')
    const lines = message.split('\n')
    assert.equal(details.faults.length, lines.length)
    return lines.map((line) => line.replace(`${file}:`, ''))
  }
  return []
}

const exactly = 'needs exactly one of'
const cases: [string, Partial<typeof parts>, string[]][] = [
  ['a good file', {}, []],
  [
    'an alias without its anchor',
    { models: 'models:\n  m: { module: m.js, vram: *size }' },
    ['4:28 *size names no anchor before it'],
  ],
  ['a tag', { steps: 'steps:\n  a: { source: s, model: m, input: !big 1 }' }, ['8:36 Unresolved tag: !big']],
  [
    'the same step twice',
    { steps: `${parts.steps}\n  a: { source: s, model: m }` },
    ['9:3 Map keys must be unique'],
  ],
  [
    'a name that expressions could not say',
    { steps: 'steps:\n  my-step: { source: s, model: m }' },
    ['8:3 steps.my-step: a name has letters, digits and _, and begins with a letter'],
  ],
  [
    'a model in block form, at its name',
    { models: 'models:\n  m:\n    vram: 1MB' },
    [`4:3 models.m: ${exactly} module, command and exec; it has none`],
  ],
  [
    'a model without anything, once',
    { models: 'models:\n  m:' },
    ['4:5 models.m: must be a map; it is empty'],
  ],
  [
    'a step with a name of CEL',
    { steps: 'steps:\n  list: { source: s, model: m }\n  for: { source: s, model: m }' },
    [
      '8:3 steps.list: "list" is already a name in expressions; call the step otherwise',
      '9:3 steps.for: "for" is already a name in expressions; call the step otherwise',
    ],
  ],
  [
    'names that every object has',
    { steps: 'steps:\n  a: { source: valueOf, model: toString, input: "${constructor}" }' },
    [
      '8:16 steps.a.source: there is no source "valueOf"',
      '8:32 steps.a.model: there is no model "toString"',
      '8:49 steps.a.input: "constructor" names nothing. Here are: source',
    ],
  ],
  [
    'each bad expression of an input, in its place',
    { steps: 'steps:\n  a:\n    source: s\n    model: m\n    input:\n      x: "${1+}"\n      y: ["${zz}"]' },
    [
      '12:10 steps.a.input.x: ${1+} is not an expression: Unexpected token: EOF.',
      '13:11 steps.a.input.y.0: "zz" names nothing. Here are: source',
    ],
  ],
  [
    'a function that does not exist, and a text plus a number',
    { steps: 'steps:\n  a: { source: s, model: m, input: ["${len(source)}", "${1 + \'a\'}"] }' },
    [
      "8:37 steps.a.input.0: ${len(source)} is not an expression: found no matching overload for 'len(dyn)'.",
      "8:55 steps.a.input.1: ${1 + 'a'} is not an expression: no such overload: int + string.",
    ],
  ],
  [
    'conditions and lists that are texts',
    { steps: 'steps:\n  a: { source: s, model: m, when: "source > 1", forEach: "x ${source}" }' },
    [
      '8:35 steps.a.when: must be one expression, ${…}, with nothing around it; it is "source > 1"',
      '8:58 steps.a.forEach: must be one expression, ${…}, with nothing around it; it is "x ${source}"',
    ],
  ],
  [
    'a gathering step without input',
    { rest: '  b: { gather: true, model: m, needs: [a] }' },
    ['9:3 steps.b: needs input: it runs over no record that could be its input'],
  ],
  [
    'every circle of steps, and a step that waits for itself',
    {
      steps:
        'steps:\n  a: { source: s, model: m, needs: [a, b] }\n  b: { source: s, model: m, needs: [a] }\n  c: { source: s, model: m, needs: [d] }\n  d: { source: s, model: m, needs: { c: maybe } }',
    },
    [
      '8:3 steps.a: these steps wait for each other: a → b → a',
      '8:29 steps.a.needs: "a" cannot wait for itself',
      '10:3 steps.c: these steps wait for each other: c → d → c',
      '11:41 steps.d.needs.c: "maybe" is not one of fail, skip, continue',
    ],
  ],
  [
    'values of the policy, beside an unknown option',
    { rest: 'policy: { maxWait: soon, guard: 1000, gard: 1 }' },
    [
      '9:20 policy.maxWait: "soon" is not a duration such as 250ms, 1.5s, 1h30m or a number of milliseconds.',
      '9:33 policy.guard: is 1000; it must be a number from 0 to 100.',
      '9:45 policy.gard: "gard" is not a key here; did you mean "guard"?',
    ],
  ],
  [
    'numbers without a unit, where people may mean GB or seconds',
    {
      models: 'models:\n  m: { module: m.js, vram: 6, keepAlive: 300, timeouts: { run: "90" } }',
      rest: 'policy: { maxWait: 60 }',
    },
    [
      '4:28 models.m.vram: 6 has no unit: write 6GB, or 6B',
      '4:42 models.m.keepAlive: 300 has no unit: write 300s, or 300ms',
      '4:64 models.m.timeouts.run: 90 has no unit: write 90s, or 90ms',
      '9:20 policy.maxWait: 60 has no unit: write 60s, or 60ms.',
    ],
  ],
  [
    'folders where files should be',
    {
      models: 'models:\n  m: { module: folder.js, vram: 1MB }',
      sources: 'sources:\n  s: { jsonl: folder.js }',
    },
    ['4:16 models.m.module: there is no file folder.js', '6:15 sources.s.jsonl: there is no file folder.js'],
  ],
  [
    'a command without a program, and activation without vram',
    { models: 'models:\n  m: { exec: " ", batch: { activation: 1MB } }' },
    [
      '4:14 models.m.exec: names no program',
      '4:40 models.m.batch.activation: "m" holds no device memory, so its batches cannot; leave activation out, or give it vram',
    ],
  ],
  [
    'a model whose weights fit and whose first item does not',
    { models: 'models:\n  m: { module: m.js, vram: 800MB, batch: { activation: 200MB } }' },
    [
      '4:28 models.m.vram: "m" needs 1 GB; the largest device offers 900 MB. Use a smaller variant, more memory or a higher safety',
    ],
  ],
  ['all GPUs that are found', { head: 'name: p\ngpus: auto' }, []],
  [
    'GPUs by index, by uuid, and those that are left',
    {
      head: 'name: p\ngpus: [{ name: a, kind: nvidia, index: 1 }, { name: b, kind: amd, uuid: GPU-1, memory: 1GB }, { name: c, kind: auto }]',
    },
    [],
  ],
  ['gpus of another kind', { head: 'name: p\ngpus: all' }, ['2:7 gpus: must be auto or a list of devices']],
  ['no GPU', { head: 'name: p\ngpus: []' }, ['2:1 gpus: names no device']],
  [
    'each fault of each device, in its place',
    {
      head: 'name: p\ngpus: [{ name: a, kind: nvida, memroy: 1GB }, { kind: host, memory: much, safety: 2 }]',
    },
    [
      '2:25 gpus.0.kind: "nvida" is not one of host, static, nvidia, amd, auto; did you mean "nvidia"?',
      '2:40 gpus.0.memroy: "memroy" is not a key here; did you mean "memory"?',
      '2:47 gpus.1.name: is missing',
      '2:69 gpus.1.memory: "much" is not a size such as 4.5GB, 512MiB or a number of bytes.',
      '2:83 gpus.1.safety: is 2; it must be at most 1',
    ],
  ],
  [
    'memory that is not told, and choices where there is nothing to choose',
    {
      head: 'name: p\ngpus: [{ name: a, kind: host }, { name: b, kind: static, index: 0, memory: 1GB }, { name: c, kind: auto, uuid: GPU-1 }]',
    },
    [
      '2:8 gpus.0.memory: is missing: what is host must be told how much it has',
      '2:65 gpus.1.index: chooses among the GPUs of kind nvidia or amd; this is static',
      '2:112 gpus.2.uuid: chooses among the GPUs of kind nvidia or amd; this is auto',
    ],
  ],
  [
    'the same GPU twice, a GPU chosen twice, and auto twice',
    {
      head: 'name: p\ngpus: [{ name: a, kind: nvidia }, { name: b, kind: nvidia, index: 0 }, { name: c, kind: amd, index: 0, uuid: x }, { name: d, kind: auto }, { name: e, kind: auto }]',
    },
    [
      '2:52 gpus.1.kind: "a" and "b" are the same GPU, index 0',
      '2:101 gpus.2.index: index and uuid both choose the GPU; leave one out',
      '2:157 gpus.4.kind: only one element can be auto; it takes every GPU that is not named',
    ],
  ],
  [
    'a model that no declared device holds, beside a GPU whose memory is seen later',
    { head: 'name: p\ngpus: [{ name: g, kind: host, memory: 1kB }, { name: n, kind: nvidia }]' },
    [],
  ],
  [
    'a model that a capped GPU cannot hold',
    { head: 'name: p\ngpus: [{ name: n, kind: nvidia, memory: 1kB }]' },
    [
      '4:28 models.m.vram: "m" needs 1 MB; the largest device offers 900 B. Use a smaller variant, more memory or a higher safety',
    ],
  ],
  [
    'a report, also where the rest has faults',
    {
      steps: 'steps:\n  a: { source: s, modle: m }',
      rest: 'report:\n  - { title: T, each: t, columns: { c: "${qq}" } }',
    },
    [
      '8:3 steps.a.model: is missing',
      '8:26 steps.a.modle: "modle" is not a key here; did you mean "model"?',
      '10:23 report.0.each: there is no source "t"',
      '10:40 report.0.columns.c: "qq" names nothing. Here are: source',
    ],
  ],
]

for (const [what, changed, expected] of cases) {
  test(`the whole answer to ${what}`, () => assert.deepEqual(faultsOf(changed), expected))
}

test('aliases that multiply are refused before they fill the memory', () => {
  const level = (name: string, of: string) => `  ${name}: &${name} [${Array(12).fill(`*${of}`).join(', ')}]`
  const bomb = ['x:', '  a: &a [1]', level('b', 'a'), level('c', 'b'), level('d', 'c'), level('e', 'd')]
  assert.match(faultsOf({ rest: bomb.join('\n') })[0]!, /^1:1 Excessive alias count/)
})

test('a definition in TypeScript gets the same faults, without lines', () => {
  const definition = {
    name: 'p',
    gpus: [{ name: 'g', kind: 'host' as const, memory: '1GB' }],
    models: { m: { module: 'm.js', vram: '1 lot' } },
    sources: { s: { list: [] } },
    steps: { a: { source: 's', model: 'n' } },
  }
  assert.throws(() => definePipeline(definition, { folder }), {
    code: 'BAD_PIPELINE',
    message:
      'the pipeline models.m.vram: "1 lot" is not a size such as 4.5GB, 512MiB or a number of bytes.\n' +
      'the pipeline steps.a.model: there is no model "n"',
  })
})

/** Every place in a value, as the object that holds it and its key there. */
function placesOf(value: unknown): [Record<string, unknown>, string][] {
  if (value === null || typeof value !== 'object') return []
  const holder = value as Record<string, unknown>
  return Object.keys(holder).flatMap((key) => [
    [holder, key] as [typeof holder, string],
    ...placesOf(holder[key]),
  ])
}

test('whatever stands in whatever place, the answer is a pipeline or its faults', () => {
  const whole: PipelineFile = {
    name: 'p',
    gpus: [{ name: 'g', kind: 'host', memory: '1GB', safety: 0.9 }],
    models: {
      m: { module: 'm.js', vram: '5MB', batch: { max: 1, activation: 0 }, timeouts: { load: '1s' } },
      e: { exec: ['wc'] },
    },
    policy: { maxWait: '5s', guard: 1 },
    sources: { s: { list: [1] }, t: { jsonl: 'm.js' }, u: { files: ['*'] } },
    steps: {
      a: { source: 's', model: 'm', when: '${source > 1}', retries: 1, timeout: '5s' },
      b: { source: 's', model: 'e', forEach: '${a}', input: { x: ['${each}'] }, needs: { a: 'skip' } },
      c: { gather: true, model: 'e', input: '${b}', needs: ['a'] },
    },
    report: [
      { title: 'T', each: 's', columns: { x: '${a}' } },
      { title: 'U', rows: '${c}', columns: { y: '${row}' } },
    ],
  }
  definePipeline(whole, { folder })
  const other = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('a', 'c', 's', '${a', '${b}', 'toString'),
  )
  fc.assert(
    fc.property(fc.nat(), other, (index, value) => {
      const changed = structuredClone(whole)
      const places = placesOf(changed)
      const [holder, key] = places[index % places.length]!
      holder[key] = value
      try {
        definePipeline(changed, { folder })
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'BAD_PIPELINE', `${key}: ${(error as Error).stack}`)
      }
    }),
    { numRuns: 500 },
  )
})
