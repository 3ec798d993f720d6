import assert from 'node:assert/strict'
import { test } from 'node:test'
import { archiveSample, sampleRecord } from '../../test/support/record.ts'
import type { Reason } from '../core/state/events.ts'
import { plainOrder } from '../core/work/queue-head.ts'
import { readHistory } from '../record/history.ts'
import type { JournalLine } from '../record/journal.ts'
import { roundTicks, timeScale } from './scale.ts'
import { drawTimeline } from './timeline.ts'

const textPattern = /<text x="([-\d.]+)" y="([-\d.]+)"(?: class="([^"]*)")?>([^<]*)<\/text>/g

/** Every tag is closed by its own, attributes are quoted, and no stray sign is left in the text. */
function assertWellFormed(svg: string): void {
  const open: string[] = []
  const rest = svg.replace(
    /<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi,
    (_, slash, name, _attributes, single) => {
      if (slash) assert.equal(open.pop(), name)
      else if (!single) open.push(name)
      return ''
    },
  )
  assert.deepEqual(open, [])
  assert.doesNotMatch(rest, /[<]|&(?!#\d+;)/)
}

test('a run is drawn with a row for each model, its loads, batches, evictions and the memory under its line', () => {
  const svg = drawTimeline(sampleRecord(archiveSample).lines)
  assertWellFormed(svg)
  const texts = [...svg.matchAll(textPattern)].map((match) => match[4])
  for (const { id } of archiveSample.models) assert.ok(texts.includes(id), id)
  assert.ok(texts.includes('budget 1.08 GB'))
  assert.match(svg, /<title>ocr load: 520 MB, [\d. a-z]+\nload-best: its queue deserves the device most/)
  assert.match(svg, /<title>speech: 4 items, 1.\d s\nrun-best: /)
  assert.match(svg, /<title>\w+ evicted for \w+<\/title>/)
  assert.match(svg, /class="booked"/)
  assert.match(svg, /class="measured"/)
  assert.match(svg, /prefers-color-scheme:dark/)
  assert.doesNotMatch(svg, /<script|href=|NaN|Infinity|undefined/)
})

test('the same record gives the same picture', () => {
  const { lines } = sampleRecord(archiveSample)
  assert.equal(drawTimeline(lines), drawTimeline(lines))
})

test('nothing is drawn beside the page, and names of rows do not touch', () => {
  const svg = drawTimeline(sampleRecord({ ...archiveSample, failRatio: 0.2, seed: 12 }).lines)
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!.map(Number)
  for (const [, x, y, w, h] of svg.matchAll(
    /<rect x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"/g,
  )) {
    assert.ok(Number(x) >= 0 && Number(x) + Number(w) <= width! + 1, `${x} + ${w}`)
    assert.ok(Number(y) >= 0 && Number(y) + Number(h) <= height!, `${y} + ${h}`)
  }
  const names = new Set(archiveSample.models.map(({ id }) => id))
  const rowsY = [...svg.matchAll(textPattern)]
    .filter((match) => names.has(match[4]!))
    .map((match) => Number(match[2]))
  assert.ok(rowsY.every((y, n) => n === 0 || y - rowsY[n - 1]! >= 14))
})

test('a pause between runs is a narrow gap with its length in the tooltip', () => {
  const killed = sampleRecord({ ...archiveSample, killedMs: 5000 })
  const resumed = sampleRecord({ ...archiveSample, startAtMs: 1_750_000_000_000 + 3600e3 })
  const svg = drawTimeline([...killed.lines, ...resumed.lines])
  assertWellFormed(svg)
  assert.match(svg, /<title>resumed after a pause of 59 min 5\d s<\/title>/)
  assert.match(svg, /resumed 1 time {2}/)
})

test('names from outside are text, never markup', () => {
  const models = archiveSample.models.map((each) => ({ ...each, id: `<b>"${each.id}"&\u0007` }))
  const work = archiveSample.work.map((each) => ({ ...each, modelId: `<b>"${each.modelId}"&\u0007` }))
  const svg = drawTimeline(sampleRecord({ ...archiveSample, pipeline: '</svg>&\u0000', models, work }).lines)
  assertWellFormed(svg)
  assert.doesNotMatch(svg, /<b>/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML allows none of them.
  assert.doesNotMatch(svg, /[\u0000-\u0008]/)
})

test('a failed load is marked, with what the worker said', () => {
  const svg = drawTimeline(sampleRecord({ ...archiveSample, failRatio: 0.3, seed: 4 }).lines)
  assert.match(svg, /class="fault".*<title>\w+ failed: ended with code 1<\/title>/)
})

test('memory that does not come back is framed from the moment it is quarantined, and stays booked', () => {
  const [run] = sampleRecord({ ...archiveSample, killedMs: 0 }).lines
  const at = (ms: number) => run!.atMs + ms
  const reason: Reason = { rule: 'release-overdue', figures: { lateMs: 5000 } }
  const names = { instanceId: '1', modelId: 'ocr', deviceId: 'ram', reason }
  const record: JournalLine[] = [
    run!,
    { type: 'command-issued', atMs: at(0), command: { type: 'start-load', ...names, bytes: 5e8 } },
    {
      type: 'load-finished',
      atMs: at(900),
      instanceId: '1',
      loadMs: 900,
      residentBytes: null,
      maxBatch: null,
    },
    {
      type: 'command-issued',
      atMs: at(2000),
      command: { type: 'stop-instance', ...names, makeRoomFor: null },
    },
    { type: 'command-issued', atMs: at(7000), command: { type: 'quarantine', ...names, bytes: 5e8 } },
    { type: 'memory-released', atMs: at(11_000), instanceId: '1' },
  ]
  const svg = drawTimeline(record)
  assertWellFormed(svg)
  assert.ok(svg.includes('<title>ocr quarantined: its memory did not come back for 4 s</title>'))
  assert.deepEqual(
    readHistory(record).devices[0]!.bookings.map(({ atMs, deltaBytes }) => [atMs, deltaBytes]),
    [
      [0, 5e8],
      [11_000, -5e8],
    ],
  )
})

test('an empty record is a page that says so', () => {
  const svg = drawTimeline([])
  assertWellFormed(svg)
  assert.match(svg, /nothing recorded/)
})

/** Residencies of seven models in turn, with batches in each; six hours of them. */
function* longRecord(batchCount: number): Generator<JournalLine> {
  const [run] = sampleRecord({ ...archiveSample, killedMs: 0 }).lines
  yield run!
  const reason: Reason = { rule: 'run-best', figures: { readyCount: 12 } }
  const order = { ...plainOrder, interactiveFrom: 8 }
  let atMs = run!.atMs
  for (let batch = 0, instance = 0; batch < batchCount; instance++) {
    const modelId = archiveSample.models[instance % 7]!.id
    const names = { instanceId: String(instance), modelId, deviceId: 'ram', reason }
    yield { type: 'command-issued', atMs, command: { type: 'start-load', ...names, bytes: 300e6 } }
    atMs += 900
    yield {
      type: 'load-finished',
      atMs,
      instanceId: names.instanceId,
      loadMs: 900,
      residentBytes: null,
      maxBatch: null,
    }
    for (const lastBatch = batch + 5 + (instance % 40); batch < lastBatch; batch++) {
      const batchId = String(batch)
      yield {
        type: 'command-issued',
        atMs,
        command: { type: 'run-batch', batchId, ...names, order, maxCount: 8, bytes: 8e7 },
      }
      yield { type: 'batch-claimed', atMs, batchId, itemCount: 8 }
      atMs += 100 + (batch % 150)
      yield { type: 'batch-finished', atMs, batchId, failedCount: 0, runMs: 100, peakBytes: null }
    }
    yield { type: 'command-issued', atMs, command: { type: 'stop-instance', ...names, makeRoomFor: 'other' } }
    atMs += 300
    yield { type: 'memory-released', atMs, instanceId: names.instanceId }
  }
}

test('a hundred thousand batches stay under two megabytes, and every item is in some tooltip', () => {
  const svg = drawTimeline(longRecord(100_000))
  assert.ok(svg.length < 2e6, `${svg.length} bytes`)
  const items = [...svg.matchAll(/<title>\w+: (?:\d+ batches, )?(\d+) items?[ ,(]/g)]
  const shown = items.reduce((sum, match) => sum + Number(match[1]), 0)
  const claimed = [...longRecord(100_000)].filter(({ type }) => type === 'batch-claimed').length * 8
  assert.equal(shown, claimed)
})

test('ticks are round moments, at most a dozen, from a blink to a month', () => {
  for (const endMs of [1, 40, 999, 20_000, 61_000, 3600e3, 6 * 3600e3, 30 * 86_400e3]) {
    const { ticks, xOf } = timeScale(endMs, [], 150, 1170)
    assert.ok(ticks.length >= 1 && ticks.length <= 13, `${endMs}: ${ticks.length}`)
    const distances = ticks.slice(1).map(({ ms }, n) => xOf(ms) - xOf(ticks[n]!.ms))
    assert.ok(distances.every((each) => each >= 84 - 1e-6))
  }
  assert.deepEqual(
    timeScale(26_000, [], 150, 1170).ticks.map((each) => each.label),
    ['0', '5 s', '10 s', '15 s', '20 s', '25 s'],
  )
  assert.deepEqual(roundTicks(1.1e9, 4), [0, 500e6, 1e9])
})

test('time never goes back on the scale, and a cut keeps its two runs apart', () => {
  const scale = timeScale(10_001, [{ atMs: 4000, pauseMs: 1e6 }], 100, 1100)
  const xs = [0, 1000, 3999, 4000, 4001, 9000, 10_001].map(scale.xOf)
  assert.deepEqual(
    xs,
    [...xs].sort((a, b) => a - b),
  )
  assert.ok(scale.xOf(4001) - scale.xOf(4000) >= 16)
  assert.equal(Math.round(scale.xOf(10_001)), 1100)
})
