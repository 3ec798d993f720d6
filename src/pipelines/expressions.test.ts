// Expressions keep JSON as it is, say what they saw when they fail, and never give what JSON cannot say.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileTemplate } from './expressions.ts'

test('any JSON value comes out as it went in', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.deepEqual(compileTemplate('${x}').evaluate({ x: value }), value)
      assert.deepEqual(compileTemplate({ in: ['${[x][0]}'] }).evaluate({ x: value }), { in: [value] })
    }),
  )
})

test('whole and broken numbers mix in arithmetic and comparison', () => {
  const small = fc.integer({ min: -1000, max: 1000 })
  fc.assert(
    fc.property(small, fc.integer({ min: 1, max: 99 }), (n, whole) => {
      const value = (text: string) => compileTemplate(text).evaluate({ n })
      assert.equal(value(`\${n / ${whole}}`), n / whole)
      assert.equal(value(`\${${whole} * n - 0.5}`), whole * n - 0.5)
      assert.equal(value(`\${n < ${whole}}`), n < whole)
      assert.equal(value(`\${n == ${whole}}`), n === whole)
    }),
  )
})

test('what a failure saw is in its message', () => {
  assert.throws(() => compileTemplate('${ocr.text}').evaluate({ ocr: null, other: 1 }), {
    code: 'BAD_EXPRESSION',
    message: '${ocr.text} could not be evaluated: No such key: text, where ocr is null.',
  })
})

test('refuses values that JSON does not have', () => {
  for (const text of [
    '${n / 0}',
    '${1.0 / 0.0 - 1.0 / 0.0}',
    '${b"ab"}',
    '${timestamp(0)}',
    '${[duration("3s")]}',
  ])
    assert.throws(() => compileTemplate(text).evaluate({ n: 1 }), { code: 'BAD_EXPRESSION' }, text)
})

test('names that an expression makes itself are not names it needs', () => {
  const names = (text: string) => [...compileTemplate(text).names].sort()
  assert.deepEqual(names('${type(n) == string}'), ['n'])
  assert.deepEqual(names('${cel.bind(half, n / 2, half + half)}'), ['n'])
  assert.deepEqual(names('${many.filter(x, x > n).map(y, y + x)}'), ['many', 'n', 'x'])
})

test('a text with ${ in it can be written as an expression', () => {
  assert.equal(compileTemplate('costs ${"${"}5}').evaluate({}), 'costs ${5}')
})
