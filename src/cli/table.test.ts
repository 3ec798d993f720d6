import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cellCount, fit, pad, plain } from './cells.ts'
import { renderTable } from './table.ts'

const pictures = {
  title: 'Pictures',
  columns: ['file', 'stars', 'memory', 'text'],
  rows: [
    ['harbour.jpg', 6.1, '1.08 GB', 'SEA VIEW HOTEL\nopen all year'],
    ['日本.jpg', '12', null, '東京 🗼'],
  ],
}

test('numbers stand right, also with units; wide signs take two cells', () => {
  assert.equal(
    renderTable(pictures, { width: 80 }),
    [
      'Pictures',
      ' file        │ stars │  memory │ text',
      '─────────────┼───────┼─────────┼──────────────────────────────',
      ' harbour.jpg │   6.1 │ 1.08 GB │ SEA VIEW HOTEL open all year',
      ' 日本.jpg    │    12 │         │ 東京 🗼',
    ].join('\n'),
  )
})

test('the widest column gives way first and is cut with an ellipsis', () => {
  assert.equal(
    renderTable(pictures, { width: 50 }).split('\n')[3],
    ' harbour.jpg │   6.1 │ 1.08 GB │ SEA VIEW HOTEL…',
  )
})

test('a table without rows says so', () => {
  assert.match(renderTable({ columns: ['item'], rows: [] }, { width: 40 }), /\n \(none\)$/)
})

test('control signs of a cell cannot reach the terminal', () => {
  const text = renderTable({ columns: ['a'], rows: [['\u001b[2J\u0007gone\u202e']] }, { width: 40 })
  assert.match(text, /�\[2J�gone�/)
})

const anyText = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))

test('no line is wider than the terminal, whatever the cells hold', () => {
  const cell = fc.oneof(anyText, fc.integer(), fc.constant(null))
  fc.assert(
    fc.property(
      fc.array(anyText, { minLength: 1, maxLength: 6 }),
      fc.array(fc.array(cell, { maxLength: 6 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: 120 }),
      (columns, rows, width) => {
        const lines = renderTable({ columns, rows }, { width }).split('\n')
        for (const line of lines)
          if (line !== ' (none)') assert.ok(cellCount(line) <= width, JSON.stringify(line))
        assert.equal(lines.length, 2 + Math.max(1, rows.length))
      },
    ),
  )
})

test('a fitted text is as wide as allowed at most, and itself where it fits', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 0, max: 30 }), (text, width) => {
      const clean = plain(text)
      assert.ok(cellCount(fit(clean, width)) <= width)
      assert.equal(fit(clean, cellCount(clean)), clean)
      assert.ok(cellCount(pad(fit(clean, width), width)) === width)
    }),
    { examples: [['\u{1E000}', 0]] }, // a sign that takes no cell fits where there is none
  )
})

test('signs are as wide as terminals draw them', () => {
  const widths: [string, number][] = [
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['한글', 4],
    ['🗼', 2],
    ['👩‍👩‍👧', 2],
    ['🇫🇷', 2],
    ['\u200b', 0],
    ['━┃│', 3],
  ]
  for (const [text, width] of widths) assert.equal(cellCount(text), width, text)
})
