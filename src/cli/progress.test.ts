import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { InstanceProgress, ProgressState } from '../api/progress.ts'
import { cellCount } from './cells.ts'
import { TerminalPainter } from './progress.ts'
import { progressText, renderProgress } from './progress-lines.ts'

const state: ProgressState = {
  steps: [
    { name: 'rate', done: 40, failed: 0, skipped: 0, total: 40 },
    { name: 'ocr', done: 18, failed: 2, skipped: 4, total: 48, ratePerSecond: 2.44 },
    { name: 'embed', done: 0, failed: 0, skipped: 0, total: 18 },
  ],
  devices: [
    {
      id: 'ram',
      budgetBytes: 1.08e9,
      bookedBytes: 1.05e9,
      instances: [
        { modelId: 'ocr', bytes: 640e6, state: 'busy' },
        { modelId: 'rate', bytes: 310e6, state: 'ready' },
        { modelId: 'embed', bytes: 100e6, state: 'starting' },
      ],
    },
    {
      id: 'cpu',
      budgetBytes: 0,
      bookedBytes: 0,
      instances: [{ modelId: 'resize', bytes: 0, state: 'busy' }],
    },
  ],
  etaMs: 20_400,
  elapsedMs: 41_200,
}

test('a wide terminal shows bars, counts, rates, and what is on each device', () => {
  assert.deepEqual(
    renderProgress(state, { width: 110, color: false }).map((line) => line.trimEnd()),
    [
      'rate   ━━━━━━━━━━━━━━━━━━━━━━━━━━━━    40/40',
      'ocr    ━━━━━━━━━━━━━━──────────────    24/48  2 failed  4 skipped  2.4/s',
      'embed  ────────────────────────────     0/18',
      'ram    ━━━━━━━━━━━━━━━━━━━━━━━━━━─┃  1.05 of 1.08 GB  [ocr 640 MB ▶] [rate 310 MB] [embed 100 MB ↓]',
      'cpu    [resize ▶]',
      '41 s, about 20 s left',
    ],
  )
})

test('a narrow terminal drops the bars, then the sizes, then ends of lines', () => {
  const [, ocr, , ram] = renderProgress(state, { width: 60, color: false })
  assert.equal(ram, 'ram    ━━━━━━━━━━━━━┃  1.05 of 1.08 GB  [ocr ▶] [rate] [emb…')
  assert.equal(ocr, 'ocr    ━━━━━━━───────    24/48  2 failed  4 skipped  2.4/s')
  assert.equal(renderProgress(state, { width: 24, color: false })[1], 'ocr        24/48  2 fai…')
})

test('failed items have their own part of the bar, in red', () => {
  const [, ocr] = renderProgress(state, { width: 110, color: true })
  assert.ok(ocr!.includes('\x1b[32m━━━━━━━━━━\x1b[0m\x1b[31m━\x1b[0m'), JSON.stringify(ocr))
})

test('a booking beyond a budget that shrank is red', () => {
  const device = { ...state.devices[0]!, budgetBytes: 0.9e9 }
  const line = renderProgress({ ...state, devices: [device] }, { width: 110, color: true }).at(-2)!
  assert.ok(line.includes('\x1b[31m1.05 GB of 900 MB'), JSON.stringify(line))
})

test('where lines are few, steps that have ended give way first', () => {
  const lines = renderProgress(state, { width: 80, color: false, height: 5 })
  assert.equal(lines.length, 5)
  assert.match(lines[0]!, /^ocr/)
  assert.equal(lines[1], '2 more steps')
})

test('a log gets one line of words', () => {
  assert.equal(
    progressText(state),
    '41 s, about 20 s left; 64 of 106 items ended, 2 failed; ram 1.05 of 1.08 GB: ocr ▶, rate, embed ↓; cpu: resize ▶',
  )
  assert.match(progressText({ ...state, etaMs: null }), /time left not known yet/)
  assert.doesNotMatch(progressText({ ...state, steps: [state.steps[0]!] }), /left/)
})

const count = fc.nat({ max: 10_000 })
const anyState: fc.Arbitrary<ProgressState> = fc.record({
  steps: fc.array(
    fc.record({
      name: fc.string({ unit: 'grapheme' }),
      done: count,
      failed: count,
      skipped: count,
      total: count,
    }),
    { maxLength: 8 },
  ),
  devices: fc.array(
    fc.record({
      id: fc.string(),
      budgetBytes: fc.nat(),
      bookedBytes: fc.nat(),
      instances: fc.array(
        fc.record({
          modelId: fc.string({ unit: 'grapheme' }),
          bytes: fc.nat(),
          state: fc.constantFrom<InstanceProgress>('starting', 'ready', 'busy', 'stopping', 'quarantined'),
        }),
        { maxLength: 9 },
      ),
    }),
    { maxLength: 3 },
  ),
  etaMs: fc.option(fc.nat()),
  elapsedMs: fc.nat(),
})

test('no line is wider than the terminal, whatever the state', () => {
  fc.assert(
    fc.property(anyState, fc.integer({ min: 10, max: 200 }), (each, width) => {
      for (const line of renderProgress(each, { width, color: false }))
        assert.ok(cellCount(line) <= width, line)
    }),
  )
})

/** What a terminal shows after all that was written: it knows line feeds, cursor up, and erase below. */
function screenOf(written: string): string[] {
  const lines: string[] = ['']
  let row = 0
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what is read here.
  for (const [token, up] of written.matchAll(/\x1b\[(\d+)A|\x1b\[J|\x1b\[\d*m|\r|\n|[^\x1b\r\n]+/g)) {
    if (up) row -= Number(up)
    else if (token === '\x1b[J') lines.splice(row, lines.length, '')
    else if (token === '\n') lines[++row] ??= ''
    else if (!token.startsWith('\x1b') && token !== '\r') lines[row] = token
  }
  return lines
}

function terminal(size: { columns?: number; rows?: number; isTTY?: boolean } = {}) {
  const stream = {
    isTTY: true,
    columns: 110,
    rows: 30,
    written: '',
    ...size,
    write: (text: string) => (stream.written += text),
  }
  return stream
}

test('on a terminal the lines are replaced, and the last painting stays', () => {
  const stream = terminal()
  const painter = new TerminalPainter(stream, { NO_COLOR: '1' })
  painter.paint({ ...state, elapsedMs: 1000 })
  painter.paint({ ...state, devices: [] })
  painter.end()
  const expected = renderProgress({ ...state, devices: [] }, { width: 109, color: false })
  assert.deepEqual(screenOf(stream.written), [...expected, ''])
})

test('a note stands above the progress', () => {
  const stream = terminal()
  const painter = new TerminalPainter(stream, {})
  painter.paint(state)
  painter.note('Finishing what runs.')
  painter.paint(state)
  const screen = screenOf(stream.written)
  assert.equal(screen[0], 'Finishing what runs.')
  assert.equal(screen.length, 1 + 6 + 1)
})

test('the rate is that of the last seconds', () => {
  const stream = terminal()
  const painter = new TerminalPainter(stream, { NO_COLOR: '1' })
  const at = (elapsedMs: number, done: number) =>
    painter.paint({ ...state, elapsedMs, steps: [{ name: 'ocr', done, failed: 0, skipped: 0, total: 900 }] })
  at(0, 500) // known from before: no work of this run
  at(10_000, 530)
  assert.match(screenOf(stream.written)[0]!, / 3\.0\/s$/)
  for (let second = 11; second <= 60; second++) at(second * 1000, 530)
  assert.doesNotMatch(screenOf(stream.written)[0]!, /\/(s|min)$/)
})

test('colours follow NO_COLOR, and what is no terminal gets plain lines', () => {
  const coloured = terminal()
  new TerminalPainter(coloured, {}).paint(state)
  assert.match(coloured.written, /\[32m/)
  for (const [stream, environment] of [
    [terminal({ isTTY: false }), {}],
    [terminal(), { TERM: 'dumb' }],
  ] as const) {
    const painter = new TerminalPainter(stream, environment)
    painter.paint(state)
    painter.paint(state)
    assert.equal(stream.written, `${progressText(state)}\n`.repeat(2))
  }
})
