// `plimsoll plan`: the real command over small pipelines, from declared figures and from measured ones.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plimsoll } from '../support/command.ts'
import { project } from '../support/project.ts'

/** A load of 2 s, and 1 s for an item. */
const model = (vram: string) =>
  `{ module: echo.js, ${vram}, loadTime: 2s, unloadTime: 0ms, batch: { max: 1, overhead: 0ms, perItem: 1s } }`
const models = `  first: ${model('vram: 6GB')}\n  second: ${model('vram: 5GB')}\n`
const steps = `  main: { source: texts, model: first, input: { name: "\${source.name}" } }
  next: { source: texts, model: second, input: "\${main}" }
`
const memory = '20GB'

function plan(folder: string, ...args: string[]) {
  const { status, stdout, stderr } = plimsoll(folder, 'plan', 'pipeline.yaml', '--json', ...args)
  assert.equal(status, 0, stderr + stdout)
  return JSON.parse(stdout)
}

test('foresees a run from what is declared: loads, evictions, waits, what is short, and the peak', () => {
  const { items, isMeasured, forecasts, enough } = plan(project({ models, steps, memory }))
  assert.deepEqual([items, isMeasured, forecasts.length, enough], [6, false, 1, '20 GB'])
  const { gpus, makespanMs, loads, evictions, bottleneck, peakBytes } = forecasts[0]
  // The second model is loaded beside the first one's batches.
  assert.deepEqual([gpus, makespanMs, loads, evictions], ['20 GB', 2000 + 6000, 2, 0])
  assert.deepEqual([bottleneck, peakBytes], ['loads', 11e9])
})

test('compares cards in the order in which they are written, and names the smallest that is enough', () => {
  const folder = project({ models, steps, memory })
  const { forecasts, enough } = plan(folder, '--sources', '100', '--compare', '24GB,8GB,16GB,2x16GB')
  const rows = forecasts.map((each: Record<string, unknown>) => [each.gpus, each.loads, each.evictions])
  const both = [2, 0]
  assert.deepEqual(
    [rows[0], rows[2]],
    [
      ['24GB', ...both],
      ['16GB', ...both],
    ],
  )
  assert.ok(rows[1][1] > 2 && rows[1][2] > 0, 'one goes for the other')
  const [large, small, middle, two] = forecasts.map(({ makespanMs }: { makespanMs: number }) => makespanMs)
  assert.equal(large, middle)
  assert.ok(small > middle && two < middle)
  assert.equal(enough, '2x16GB')
  assert.equal(plan(folder, '--sources', '100', '--compare', '24GB,16GB,8GB').enough, '8GB', 'within 5 %')
  assert.equal(plan(folder, '--compare', '24GB,16GB').enough, '16GB')
})

test('shows cards as a table, one that is too small too, with what is missing', () => {
  const folder = project({ models, steps, memory })
  const { status, stdout } = plimsoll(folder, 'plan', 'pipeline.yaml', '--compare', '4GB,8GB,2x16GB')
  assert.equal(status, 0)
  assert.match(stdout, /small: 6 items\n gpus .* takes .* loads .* bottleneck\n/)
  assert.match(stdout, /\n 4GB +│ +– │ +– │ .*too small\n/)
  assert.match(stdout, /\n 8GB +│ +\d+ s │ +2 │ +1 │/)
  assert.match(
    stdout,
    /On 4GB: Model "first" needs 6 GB; the largest device offers 3\.6 GB \(4 GB × 0\.9\)\./,
  )
  assert.match(stdout, /Times are declared; a run measures them/)
  assert.match(stdout, /Enough: 2x16GB, the smallest that is within 5 % of the best\.\n$/)
  const { forecasts } = plan(folder, '--compare', '4GB,8GB')
  assert.match(forecasts[0].tooSmall, /needs 6 GB/)
  assert.equal('makespanMs' in forecasts[0], false)
})

test('goes by what runs have measured: their times, and sizes where none is declared', () => {
  const unsized = '  first: { module: echo.js, loadTime: 1h, batch: { max: 1, perItem: 1h } }\n'
  const folder = project({ models: unsized, steps: steps.split('\n')[0]!, memory: '1GB' })
  const before = plimsoll(folder, 'plan', 'pipeline.yaml')
  assert.match(before.stdout, /No size is known of first: counted as needing a whole card alone\./)
  assert.match(before.stdout, /│ 900 MB │/)
  const run = plimsoll(folder, 'run', 'pipeline.yaml')
  assert.equal(run.status, 0, run.stderr)
  const after = plan(folder)
  assert.equal(after.isMeasured, true)
  assert.ok(after.forecasts[0].makespanMs < 3_600_000, 'neither the load nor an item takes an hour')
  const { peakBytes } = after.forecasts[0]
  assert.ok(peakBytes > 1e6 && peakBytes < 900e6, `${peakBytes} bytes, as measured`)
  assert.doesNotMatch(plimsoll(folder, 'plan', 'pipeline.yaml').stdout, /No size is known/)
})

const wrong: [string, string[], RegExp][] = [
  [
    'a card without a unit',
    ['--compare', '8,16'],
    /--compare 8 is a card of 8 B; give its memory with a unit, such as 16GB/,
  ],
  ['a unit that there is not', ['--compare', '8GB,16 apples'], /"16 apples" is not a size such as 4\.5GB/],
  ['a card left out', ['--compare', '8GB,,16GB'], /"" is not a size such as 4\.5GB/],
  ['no cards', ['--compare', ''], /"" is not a size such as 4\.5GB/],
  ['no copies of a card', ['--compare', '0x16GB'], /--compare 0x16GB: give from 1 to 1000 cards/],
  [
    'more cards than there are',
    ['--gpu', '1000000000x8GB'],
    /--gpu 1000000000x8GB: give from 1 to 1000 cards/,
  ],
  ['cards in two places', ['--gpu', '8GB', '--compare', '16GB'], /--gpu and --compare both name cards/],
  [
    'cards that are all too small',
    ['--compare', '4GB,2x5GB'],
    /4GB: Model "first" needs 6 GB; .*The others are too small as well/,
  ],
  ['no records', ['--sources', '0'], /--sources is "0"; it must be a whole number from 1/],
  ['a count that is none', ['--sources', 'many'], /--sources is "many"/],
  ['a database that is none', ['--db', 'pipeline.yaml'], /pipeline\.yaml cannot be used: .*--db/],
]

for (const [what, args, message] of wrong) {
  test(`refuses ${what} with a sentence and code 2`, () => {
    const { status, stdout, stderr } = plimsoll(
      project({ models, steps, memory }),
      'plan',
      'pipeline.yaml',
      ...args,
    )
    assert.equal(status, 2, stdout + stderr)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack')
  })
}

test('without sources says what to do: files that are not there, a file without lines, and standard input', () => {
  const folder = project({ models, steps, memory })
  const refused = (message: RegExp, ...args: string[]) => {
    const { status, stderr } = plimsoll(folder, 'plan', 'pipeline.yaml', ...args)
    assert.equal(status, 2, stderr)
    assert.match(stderr, message)
  }
  rmSync(join(folder, 'texts'), { recursive: true })
  mkdirSync(join(folder, 'texts'))
  refused(/Source "texts": texts\/\*\.txt matches no file in/)
  assert.equal(plan(folder, '--sources', '7').items, 14, 'with --sources none are needed')
  const text = readFileSync(join(folder, 'pipeline.yaml'), 'utf8')
  const withSource = (source: string) =>
    writeFileSync(join(folder, 'pipeline.yaml'), text.replace(/texts: \{ files.*\}/, `texts: { ${source} }`))
  withSource('jsonl: empty.jsonl')
  writeFileSync(join(folder, 'empty.jsonl'), '')
  refused(/There is nothing to plan: the sources of small have no records\. .*--sources 1000/)
  withSource('stdin: lines')
  refused(/There is nothing to plan/)
  assert.equal(plan(folder, '--sources', '7').items, 14)
})
