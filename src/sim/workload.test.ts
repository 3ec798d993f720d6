import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWorkload } from './workload.ts'

const models = JSON.stringify([
  { name: 'a', vram: '4.5GB', loadMs: 5000, batch: { overheadMs: 100, perItemMs: 50, max: 8 } },
])

test('reads models and items with the defaults of the format', () => {
  const { models: parsed, items } = parseWorkload(models, [
    '{"id":"1","model":"a","atMs":0}',
    '',
    '{"id":"2","model":"a","atMs":5,"after":["1"],"job":"j","priority":-3}',
  ])
  assert.equal(parsed[0]!.vramBytes, 4.5e9)
  assert.equal(parsed[0]!.unloadMs, 0)
  assert.deepEqual(
    items.map(({ job, priority, after }) => [job, priority, after]),
    [
      ['1', 0, []],
      ['j', -3, ['1']],
    ],
  )
})

test('tells every fault of a workload at once, with its line', () => {
  const lines = [
    '{"id":"1","model":"b","atMs":0}',
    'not json',
    '{"id":"2","model":"a","atMs":-1}',
    '{"id":"3","model":"a","atMs":0,"priority":1.5}',
    '{"id":"4","model":"a","atMs":0,"after":["9"]}',
    '{"id":"4","model":"a","atMs":0}',
    'null',
  ]
  assert.throws(
    () => parseWorkload(models, lines),
    ({ message }: Error) =>
      [
        /:1: "1" is for model "b"/,
        /:2: not JSON/,
        /:3: .*atMs -1/,
        /:4: .*priority 1.5/,
        /:6: a second item/,
        /:7:/,
      ].every((each) => each.test(message)) && /"4" waits for "9"/.test(message),
  )
})

test('tells what is wrong with models, and that an empty workload has no items', () => {
  const bad = JSON.stringify([{ vram: 1 }, { name: 'a' }, { name: 'b', vram: '4 parsec' }])
  assert.throws(() => parseWorkload(bad, []), /models.json\[0\].*\[1\].*\[2\].*parsec/s)
  assert.throws(() => parseWorkload('{}', []), /must be a list/)
  assert.throws(() => parseWorkload(models, []), /no items/)
})
