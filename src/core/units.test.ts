import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, formatMs, parseBytes, parseDuration } from './units.ts'

test('reads sizes in decimal and binary units', () => {
  const cases: [string | number, number][] = [
    ['4.5GB', 4.5e9],
    ['4.5 GiB', 4.5 * 2 ** 30],
    ['512MiB', 512 * 2 ** 20],
    ['100kB', 100_000],
    ['512mb', 512e6],
    ['16 gb', 16e9],
    ['4.5G', 4.5e9],
    ['8Gi', 2 ** 33],
    ['17', 17],
    [17, 17],
    ['0.1GB', 100_000_000],
  ]
  for (const [text, bytes] of cases) assert.equal(parseBytes(text), bytes)
})

test('reads durations', () => {
  const cases: [string | number, number][] = [
    ['250ms', 250],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['1h30m', 5_400_000],
    ['1 d 2 h', 93_600_000],
    ['5 minutes', 300_000],
    ['90 sec', 90_000],
    [30, 30],
  ]
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms)
})

test('refuses what is no quantity, and says what one looks like', () => {
  for (const text of [
    '',
    'GB',
    '4.5 Gb',
    '-1GB',
    '1e9',
    'Infinity',
    '4,5GB',
    '12 parsecs',
    'constructor',
    '1GB2GB',
    '4.5GB!',
  ]) {
    assert.throws(() => parseBytes(text), {
      code: 'BAD_VALUE',
      message: `"${text}" is not a size such as 4.5GB, 512MiB or a number of bytes.`,
    })
  }
  for (const text of ['3 apples', '1h 30', 'h', '1h-30m', ''])
    assert.throws(() => parseDuration(text), { code: 'BAD_VALUE' }, text)
})

test('writes three digits and the unit that fits', () => {
  assert.deepEqual([0, 999, 1.08e9, 331e6, 14.4e9, -2e6].map(formatBytes), [
    '0 B',
    '999 B',
    '1.08 GB',
    '331 MB',
    '14.4 GB',
    '-2 MB',
  ])
  assert.deepEqual([0, 850, 4230, 200_000, 7_500_000, 3_600_000].map(formatMs), [
    '0 ms',
    '850 ms',
    '4.2 s',
    '3 min 20 s',
    '2 h 5 min',
    '1 h',
  ])
})
